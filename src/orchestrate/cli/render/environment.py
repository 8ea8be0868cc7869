"""An environment: as `deploy status` shows it, and with all its settings."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from orchestrate.cli.render.paint import Paint, clean, cut, fields
from orchestrate.core import words

if TYPE_CHECKING:
    from orchestrate.cli.documents import Environment, RollbackTarget, Running


def status(doc: "Environment", paint: Paint, now: datetime) -> list[str]:
    """What serves, how it does, what goes on there, and the way back."""
    where = doc["address"] or doc["url"] or ""
    head = [doc["name"], where, f"{doc['provider']}, {doc['strategy']}"]
    lines = [cut("   ".join(part for part in head if part), paint.width), ""]
    facts = [
        ("live", _live(doc, paint, now)),
        *_health(doc, paint),
        ("traffic", _traffic(doc)),
        ("now", _now(doc, paint, now)),
        *_asking(doc),
        *_waiting(doc, paint, now),
        *_window(doc),
        ("undo to", _undo(doc["rollback_target"], doc["kept_until"], paint, now)),
        ("drift", "; ".join(map(clean, doc["drift"])) or "none: what runs is what was deployed"),
    ]
    if doc["quarantined"]:
        facts.append(("refused", f"{', '.join(doc['quarantined'])} (quarantined here)"))
    if doc["live"] is None:
        facts = [fact for fact in facts if fact[0] in ("live", "now", "asks", "waits")]
        facts.append(("next", f"orchestrate deploy --env {doc['name']} --version VERSION"))
    return [*lines, *fields(facts, paint.width)]


def pairs(doc: "Environment") -> list[str]:
    """The same for programs: a name, a tab, a value, one a line."""
    live, target, running = doc["live"], doc["rollback_target"], doc["running"]
    found = {
        "environment": doc["name"],
        "address": doc["address"] or doc["url"] or "none",
        "live.version": live["version"] if live else "none",
        "live.since": live["since"] if live else "-",
        "live.deployment": live["deployment_id"] if live else "-",
        "live.by": words.actor(live["by"]) if live else "-",
        "health": doc["health"],
        "traffic": _weights(doc["weights_percent"]) or "none",
        "now": f"{running['id']} {running['phase']}" if running else "none",
        "asks": "; ".join(each for _, each in _asking(doc)) or "none",
        "window": clean(window["text"]) if (window := doc["window"]) else "none",
        "queued": " ".join(q["id"] for q in doc["queued"]) or "none",
        "undo": target["version"] if target and target["restorable"] else "none",
        "drift": "; ".join(map(clean, doc["drift"])) or "none",
        "quarantined": " ".join(doc["quarantined"]) or "none",
    }
    return [f"{name}\t{value}" for name, value in found.items()]


def settings(doc: "Environment", paint: Paint, now: datetime, *, values: bool) -> list[str]:
    """Everything that was set, and what lives there. `values` shows the variables' values too."""
    given = doc["settings"] or {}
    variables, secrets = _mapping(given, "variables"), given.get("secrets")
    names = ", ".join(f"{n}={v}" if values else n for n, v in sorted(variables.items()))
    known = list(secrets) if isinstance(secrets, list) else []
    facts = [
        ("strategy", _strategy(_mapping(given, "strategy"))),
        ("config", _config(_mapping(given, "config"))),
        ("health", _gate(_mapping(given, "health"))),
        ("approval", "required" if doc["requires_approval"] else "not required"),
        *_calendar(doc),
        ("checks", _checks(_mapping(given, "checks"))),
        ("variables", clean(f"{len(variables)}: {names}".rstrip(": "))),
        ("secrets", clean(f"{len(known)}: {', '.join(map(str, known))}".rstrip(": "))),
        ("live", _live(doc, paint, now)),
        ("source", str(given.get("source") or "the command line")),
    ]
    head = [f"{doc['name']}   type {doc['type']}", doc["provider"], doc["url"] or ""]
    return [
        cut(", ".join(part for part in head if part), paint.width),
        *fields(facts, paint.width),
    ]


def _live(doc: "Environment", paint: Paint, now: datetime) -> str:
    live = doc["live"]
    if live is None:
        return "nothing has been deployed yet"
    since = f"since {paint.ago(live['since'], now)}"
    by = f"({live['deployment_id']}, {words.actor(live['by'])})"
    return f"{live['version']}   {doc['health']}   {since} {by}"


def _window(doc: "Environment") -> list[tuple[str, str]]:
    window = doc["window"]
    return [("window", clean(window["text"]))] if window else []


def _calendar(doc: "Environment") -> list[tuple[str, str]]:
    """The windows as set, with how it stands, and what happens when one closes."""
    window = doc["window"]
    if window is None:
        return [("window", "always open")]
    stands = window["text"].removesuffix(f" {window['zone']}")
    return [("window", clean(f"{window['rules']}; {stands}; on close: {window['on_close']}"))]


def _checks(given: Mapping[str, object]) -> str:
    """What must be known before a deployment, beyond the usual."""
    asked = ["artifact", *(n for n in ("signature", "tests", "security") if given.get(n))]
    floor = given.get("floor")
    return " ".join(asked) + (f", not below {floor}" if floor else "")


def _health(doc: "Environment", paint: Paint) -> list[tuple[str, str]]:
    return [("health", clean(doc["health_text"]))] if doc["live"] else []


def _traffic(doc: "Environment") -> str:
    split = _weights(doc["weights_percent"])
    if not split:
        return "none"
    traffic = doc["traffic"]
    if traffic is None:
        return split
    if not traffic["total"]:
        return f"{split}   no requests yet"
    failed = words.share(traffic["failed"], traffic["total"])
    return f"{split}   failed {failed} requests"


def _weights(weights: Mapping[str, int]) -> str:
    return " / ".join(f"{version} {percent}%" for version, percent in weights.items())


def _now(doc: "Environment", paint: Paint, now: datetime) -> str:
    running = doc["running"]
    if running is None:
        return "nothing is running"
    by = f"({words.actor(running['by'])}, {paint.ago(running['since'], now)})"
    return f"{going_on(running)} {by}"


def going_on(running: "Running") -> str:
    """`d142 1.4.1 -> 1.4.2, analyse at 25%: hold`."""
    what = words.change(running["from_version"], running["to_version"])
    at = running["step"] or words.word(running["phase"])
    if running["paused"]:
        at = f"paused at {at}"
    text = f": {clean(running['text'])}" if running["text"] else ""
    return f"{running['id']} {what}, {at}{text}"


def _asking(doc: "Environment") -> list[tuple[str, str]]:
    """The approvals that are waited for, each with where it is given."""
    return [
        ("asks", f"{a['id']}, {a['has']} of {a['needs']} from {' or '.join(a['roles'])}: {command}")
        for a in doc["waiting_approvals"]
        for command in [a["command"]]
    ]


def _waiting(doc: "Environment", paint: Paint, now: datetime) -> list[tuple[str, str]]:
    return [
        (
            "waits",
            f"{q['id']} {words.change(q['from_version'], q['to_version'])}, "
            f"{words.actor(q['by'])}, since {paint.ago(q['since'], now)}",
        )
        for q in doc["queued"]
    ]


def _undo(
    target: "RollbackTarget | None", kept_until: str | None, paint: Paint, now: datetime
) -> str:
    if target is None:
        return "nothing: there is no verified revision before this one"
    text = f"{target['version']} ({target['revision']})"
    if not target["restorable"]:
        return f"{text}, which cannot be restored"
    if target["running"]:
        until = f" until {paint.when(kept_until, now)}" if kept_until else ""
        text += f", running beside it{until}"
    else:
        text += ", can be restored"
    return text + "".join(f"; lost: {clean(lost)}" for lost in target["lost"])


def _mapping(given: Mapping[str, object], name: str) -> Mapping[str, object]:
    found = given.get(name)
    return found if isinstance(found, Mapping) else {}


def _strategy(given: Mapping[str, object]) -> str:
    parts = [str(given.get("type", "-"))]
    steps = given.get("steps")
    if given.get("type") == "canary" and isinstance(steps, list):
        parts[0] += " " + ", ".join(map(str, steps))
    for name, word in (("bake_s", "bake"), ("keep_old_s", "keep old")):
        value = given.get(name)
        if isinstance(value, int | float) and value > 0:
            parts.append(f"{word} {words.length(value)}")
    return "; ".join(parts)


def _config(given: Mapping[str, object]) -> str:
    parts = [f"{name}={_value(value)}" for name, value in sorted(given.items())]
    return clean(", ".join(parts)) or "none"


def _value(value: object) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _gate(given: Mapping[str, object]) -> str:
    text = f"{given.get('path')} answers {given.get('expect_status')}"
    header = given.get("version_header")
    return f"{text}, {header} names the version" if header else text
