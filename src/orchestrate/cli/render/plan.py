"""A plan: in three lines before a deployment, and in full."""

from datetime import datetime
from typing import TYPE_CHECKING

from orchestrate.cli.render import steps as form
from orchestrate.cli.render.deployment import digest
from orchestrate.cli.render.paint import Paint, cells, clean, cut, fields, pad, wrap
from orchestrate.core import words
from orchestrate.core.durations import spoken

if TYPE_CHECKING:
    from orchestrate.cli.documents import Plan, PlanChange

ON_CLOSE = {
    "finish": "finish: what was begun goes on when the window closes",
    "hold": "hold: it waits as it is until the window opens again",
    "rollback": "rollback: what is not finished is taken back",
}
"""What happens to a deployment whose window closes."""
SIGNS = {"+": "good", "-": "bad", "~": "wants", "=": "quiet"}


def short(doc: "Plan", paint: Paint) -> list[str]:
    """The plan in three lines: what, which differences, and the way back; and what stays."""
    changes = [f"{c['sign']} {_name(c)}" for c in doc["changes"] if c["sign"] != "="]
    if doc["from_version"] is None:
        changes = ["everything is new: nothing is live there yet"]
    facts = [
        ("changes", cut(", ".join(changes) or "none", paint.width - 13)),
        ("rollback", _rollback(doc)),
        *(("remains", clean(each)) for each in doc["remains"]),
    ]
    return [cut(_head(doc), paint.width), *fields(facts, paint.width)]


def full(doc: "Plan", paint: Paint, now: datetime) -> list[str]:
    """Every difference and every step."""
    if doc["nothing_to_do"]:
        return [doc["summary"]]
    lines = [cut(_head(doc), paint.width), "", "changes"]
    names = [_name(c) for c in doc["changes"]]
    column = min(max((cells(n) for n in names), default=0), 30)
    for change, name in zip(doc["changes"], names, strict=True):
        sign = paint.tone(change["sign"], SIGNS.get(change["sign"], "quiet"))
        text = cut(f"{pad(cut(name, column), column)}   {_values(change)}", paint.width - 4)
        lines.append(f"  {sign} {text}".rstrip())
    lines += ["", "steps"]
    for number, title in enumerate(form.titles(doc["steps"]), 1):
        lines.append(cut(f"  {number:>2} {title}", paint.width))
    if doc["at_least_s"]:
        lines.append(f"  at least {words.length(doc['at_least_s'])} of watching")
    lines += _expected(doc, paint)
    lines += ["", "rollback", f"  {_rollback(doc)}"]
    for lost in [*_lost(doc), *doc["remains"]]:
        lines += [f"  {line}" for line in wrap(f"cannot be undone: {lost}", paint.width - 2)]
    lines += ["", *fields(_needs(doc, paint, now), paint.width, indent=0)]
    return lines


def _expected(doc: "Plan", paint: Paint) -> list[str]:
    """What the analysis can see at today's traffic, and how soon."""
    expected = doc["analysis"]
    if expected is None:
        return []
    seen = [
        f"{r['times']:g} times in {spoken(r['after_s'])}"
        for r in expected["sees"]
        if r["after_s"] is not None
    ]
    text = f"sees a rise of errors at {expected['percent']}%: {', '.join(seen)}" if seen else ""
    said = [text] if text else []
    if expected["problem"]:
        said.append(expected["problem"])
    return [f"  {line}" for each in said for line in wrap(each, paint.width - 2)]


def deploy_command(doc: "Plan") -> str:
    """The command that carries out this very plan."""
    verb = "deploy rollback" if doc["kind"] == "rollback" else "deploy"
    command = f"orchestrate {verb} --env {doc['environment']} --version {doc['to_version']}"
    return command if verb != "deploy" else f"{command} --plan {digest(doc['digest'])}"


def _head(doc: "Plan") -> str:
    number = f" ({doc['from_revision']})" if doc["from_revision"] else ""
    before = f"{doc['from_version']}{number} -> " if doc["from_version"] else ""
    return "   ".join(
        (
            f"plan {digest(doc['digest'])}",
            doc["environment"],
            f"{before}{doc['to_version']}",
            doc["strategy"] if doc["kind"] == "deploy" else doc["kind"],
        )
    )


def _name(change: "PlanChange") -> str:
    return f"{change['what']} {clean(change['name'])}".strip()


def _values(change: "PlanChange") -> str:
    before, after = change["before"], change["after"]
    if change["sign"] == "=":
        return "as it is"
    if before is None:
        return clean(after or "")
    return clean(f"{before} -> {'nothing' if after is None else after}")


def _rollback(doc: "Plan") -> str:
    target = doc["rollback"]
    if target is None:
        return "none: nothing was live before"
    where = f"to {target['version']} ({target['revision']})"
    if not target["restorable"]:
        return f"{where}: cannot be restored"
    how = "running now" if target["running"] else "can be restored"
    if target["secrets"]:
        of = words.counted(target["secrets"], "secret")
        how += f", {target['secrets_readable']} of {of} readable"
    return f"{where}: {how}"


def _lost(doc: "Plan") -> list[str]:
    return doc["rollback"]["lost"] if doc["rollback"] else []


def _needs(doc: "Plan", paint: Paint, now: datetime) -> list[tuple[str, str]]:
    until = paint.when(doc["expires_at"], now).removeprefix("today ")
    facts = [("good", f"until {until}, as long as nothing moves")]
    if doc["needs_approval"]:
        facts.append(("needs", "an approval by somebody else than who asks for it"))
    elif doc["needs_confirmation"]:
        facts.append(("needs", "a person's yes: --yes, --plan, or the question at a terminal"))
    if doc["window"]:
        facts.append(("window", clean(doc["window"])))
    if doc["on_close"]:
        facts.append(("on close", ON_CLOSE.get(doc["on_close"], doc["on_close"])))
    return [*facts, ("next", deploy_command(doc))]
