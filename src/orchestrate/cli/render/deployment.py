"""A deployment: the picture while it runs, and the last word when it has ended."""

from datetime import datetime
from typing import TYPE_CHECKING

from orchestrate.cli.render import steps as form
from orchestrate.cli.render.error import error_lines, reasons
from orchestrate.cli.render.paint import Paint, cells, clean, cut, fields, wrap
from orchestrate.core import words
from orchestrate.core.durations import spoken

if TYPE_CHECKING:
    from orchestrate.cli.documents import Deployment, Step

BAR = 26


def header(doc: "Deployment", paint: Paint, now: datetime) -> list[str]:
    """Who does what where, and how far it is."""
    done = sum(1 for s in doc["steps"] if s["state"] not in ("waiting", "running"))
    total = len(doc["steps"])
    step = f"step {min(done + 1, total)} of {total}, " if total else ""
    began = doc["started_at"] or doc["created_at"]
    passed = max((now - paint.moment(began)).total_seconds(), 0.0)
    first = "  ".join(
        (
            doc["id"],
            doc["environment"],
            words.change(doc["from_version"], doc["to_version"]),
            doc["strategy"] if doc["kind"] == "deploy" else doc["kind"],
            f"plan {digest(doc['plan_digest'])}",
        )
    )
    second = f"{step}{_clock(passed)}, asked by {words.actor(doc['requested_by'])}"
    if doc["reason"]:
        second += f": {clean(doc['reason'])}"
    by = _approved(doc)
    return [
        cut(first, paint.width),
        cut(f"{by}, {second}" if by else second, paint.width),
        "",
    ]


def picture(doc: "Deployment", paint: Paint, now: datetime, rows: int | None = None) -> list[str]:
    """The steps as they stand, without the header.

    Where `rows` are too few, done steps are folded first, then those that wait; never the running
    or a failed one.
    """
    folds = [(False, False), (True, False), (True, True)]
    for few_done, few_waiting in folds:
        found = _picture(doc, paint, now, few_done=few_done, few_waiting=few_waiting)
        if rows is None or len(found) <= rows:
            return found
    return found[:rows]


def watching(doc: "Deployment", paint: Paint) -> list[str]:
    """What Ctrl-C does, said before it is pressed."""
    parts = [
        "Ctrl-C stops watching; the deployment goes on.",
        f"To stop it: orchestrate deploy cancel {doc['id']}",
    ]
    whole = " ".join(parts)
    return ["", *([whole] if cells(whole) <= paint.width else parts)]


def detached(doc: "Deployment", why: str = "goes on without you") -> list[str]:
    """Where to find it again."""
    at = next((s["title"] for s in doc["steps"] if s["state"] == "running"), "")
    name = doc["id"]
    return [
        f"{name} {why}" + (f" ({at})." if at else "."),
        f"  watch   orchestrate deploy status {name} --follow",
        f"  stop    orchestrate deploy cancel {name}",
    ]


def final(doc: "Deployment", paint: Paint, now: datetime) -> list[str]:
    """What serves now, since when, why, and the command to go on with."""
    lines = [_verdict_line(doc, paint), *_asked(doc, paint)]
    drawn = form.lines(doc["steps"], together=True)
    shown = [line for line in drawn if line.state not in ("waiting", "skipped")]
    if shown:
        inner = paint._replace(width=paint.width - 2)
        column = form.column_for(shown, inner)
        lines += ["", *("  " + form.draw(line, inner, now, column=column) for line in shown)]
    lines += _error(doc, paint)
    facts = _facts(doc, paint, now)
    if facts:
        lines += ["", *fields(facts, paint.width)]
    return lines


def brief(doc: "Deployment", paint: Paint) -> list[str]:
    """One line for an act that was asked: the glyph of its phase, its id and its sentence."""
    return [_verdict_line(doc, paint)]


def digest(text: str) -> str:
    """How people see a digest: its first 12 characters."""
    return text.removeprefix("sha256:")[:12]


def _picture(
    doc: "Deployment", paint: Paint, now: datetime, *, few_done: bool, few_waiting: bool
) -> list[str]:
    drawn = form.lines(doc["steps"], together=False)
    column = form.column_for([line for line in drawn if line.state != "waiting"], paint)
    lines: list[str] = []
    done = [line for line in drawn if line.state == "done"]
    if few_done and len(done) > 1:
        text = f"{paint.glyph(words.GOOD, paint.glyph_width)} {len(done)} steps done"
        lines.append(text)
    for line in drawn:
        if line.state in ("waiting", "skipped") or (few_done and len(done) > 1 and line in done):
            continue
        lines.append(form.draw(line, paint, now, column=column))
        if line.state == "running":
            lines += _looking(doc, paint)
    waiting = [s for s in doc["steps"] if s["state"] == "waiting"]
    if waiting:
        lines.append(_to_come(waiting, paint, few=few_waiting))
    if doc["phase"] == "awaiting_approval":
        lines = [*_waiting_for_people(doc, paint, now), *lines]
    elif not drawn:
        lines.append(
            f"{paint.glyph(words.PHASES.get(doc['phase'], words.UNKNOWN))} {doc['summary']}"
        )
    if doc["paused"]:
        mark = paint.glyph(words.WANTS, paint.glyph_width)
        lines.append(f"{mark} paused; to go on: orchestrate deploy resume {doc['id']}")
    bar = _bar(doc, paint)
    return [*lines, "", bar] if bar else lines


def _waiting_for_people(doc: "Deployment", paint: Paint, now: datetime) -> list[str]:
    """`awaiting approval  4m 02s  0 of 1 from approver; expires in 56m`, and where it is given."""
    approval = doc["approval"]
    mark = paint.glyph(words.BUSY, paint.glyph_width)
    if approval is None:
        return [f"{mark} awaiting approval"]
    passed = _clock(max((now - paint.moment(approval["waiting_since"])).total_seconds(), 0.0))
    roles = " or ".join(approval["roles"])
    left = words.age(now, paint.moment(approval["expires_at"]))
    text = f"{approval['has']} of {approval['needs']} from {roles}; expires in {left}"
    lines = [f"{mark} awaiting approval  {passed}  {text}"]
    if approval["break_glass"]:
        lines.append(cut(f"    breaks the glass: {approval['break_glass']}", paint.width))
    if approval["url"]:
        lines.append(f"    open   {approval['url']}")
    lines.append(f"    where  {approval['command']}")
    lacks = words.too_few(approval["approvers"], approval["needs"], approval["roles"])
    return [*lines, f"    but    {lacks}"] if lacks else lines


def _approved(doc: "Deployment") -> str:
    """`approved by dana (a31)`; empty where nobody did, or had to."""
    approval = doc["approval"]
    if approval is None or approval["state"] != "approved" or not approval["by"]:
        return ""
    glass = ", breaking the glass" if approval["break_glass"] else ""
    return f"approved by {', '.join(approval['by'])} ({approval['id']}){glass}"


def _to_come(waiting: "list[Step]", paint: Paint, *, few: bool) -> str:
    titles = form.titles(waiting)
    text = f"{len(titles)} steps to come" if few else ", ".join(titles)
    mark = paint.glyph(words.WAITING, paint.glyph_width)
    return f"{mark} {cut(text, paint.width - paint.glyph_width - 1)}"


def _looking(doc: "Deployment", paint: Paint) -> list[str]:
    """The counts behind the verdict of the running analysis."""
    verdict = doc["verdict"]
    running = next((s for s in doc["steps"] if s["state"] == "running"), None)
    if verdict is None or running is None or running["kind"] not in ("analyse", "bake"):
        return []
    new = f"{doc['to_version']} {words.share(verdict['new']['failed'], verdict['new']['total'])}"
    old = f"{doc['from_version']} {words.share(verdict['old']['failed'], verdict['old']['total'])}"
    limit = f"limit {100 * verdict['limit_ratio']:g}%"
    text = "    ".join([new, old, limit] if doc["from_version"] else [new, limit])
    return [f"    {cut(f'errors  {text}', paint.width - 4)}"]


def _bar(doc: "Deployment", paint: Paint) -> str:
    """`traffic  1.4.1 ####.... 1.4.2   75% / 25%   0 lost of 227,000`."""
    serving, old, new = doc["serving"], doc["from_version"], doc["to_version"]
    if serving is None or old is None or old == new:
        return ""
    weights = serving["weights_percent"]
    before, after = weights.get(old, 0), weights.get(new, 0)
    if before + after == 0:
        return ""
    filled = round(BAR * before / (before + after))
    drawn = "#" * filled + "." * (BAR - filled)
    lost = _lost(doc)
    text = f"traffic  {old} {drawn} {new}   {before}% / {after}%" + (f"   {lost}" if lost else "")
    return cut(text, paint.width)


def _verdict_line(doc: "Deployment", paint: Paint) -> str:
    glyph = words.PHASES.get(doc["phase"], words.UNKNOWN)
    text = f"{doc['id']} {words.word(doc['phase'])}: {doc['summary']}"
    if not doc["terminal"]:
        text = f"{doc['id']} {doc['summary']}"
    took = spoken(doc["duration_s"]) if doc["duration_s"] is not None and doc["terminal"] else ""
    room = paint.width - paint.glyph_width - 3 - len(took)
    first, *rest = wrap(text, room)
    line = f"{paint.glyph(glyph)} {first}"
    used = len(glyph.ascii if paint.ascii else glyph.mark) + 1 + cells(first)
    if took:
        line += " " * max(paint.width - used - len(took), 2) + took
    return "\n".join([line, *(f"  {part}" for part in rest)])


def _asked(doc: "Deployment", paint: Paint) -> list[str]:
    by = _approved(doc)
    text = f"asked by {words.actor(doc['requested_by'])}, {f'{by}, ' if by else ''}"
    text += f"plan {digest(doc['plan_digest'])}"
    if doc["undoes"]:
        text += f", undoes {doc['undoes']}"
    if doc["undone_by"]:
        text += f", undone by {doc['undone_by']}"
    return [f"  {cut(text, paint.width - 2)}"]


def _error(doc: "Deployment", paint: Paint) -> list[str]:
    error = doc["error"]
    if error is None:
        return []
    inner = paint._replace(width=paint.width - 2)
    found = error_lines(error["code"], error["message"], reasons(error), error["fix"], inner)
    return ["", *(f"  {line}" for line in found)]


def _facts(doc: "Deployment", paint: Paint, now: datetime) -> list[tuple[str, str]]:
    facts: list[tuple[str, str]] = []
    if doc["serving"]:
        facts.append(("traffic", _traffic(doc, paint)))
    if doc["verdict"] and doc["error"] is None:
        verdict = doc["verdict"]
        new, old = verdict["new"], verdict["old"]
        text = f"{verdict['outcome']}: {doc['to_version']} failed "
        text += words.share(new["failed"], new["total"])
        if doc["from_version"] and old["total"]:
            text += f", {doc['from_version']} {words.share(old['failed'], old['total'])}"
        facts.append(("verdict", f"{text} (limit {100 * verdict['limit_ratio']:g}%)"))
    facts += _checks(doc)
    requests = doc["requests"]
    if requests and doc["phase"] != "succeeded" and requests["seen_by_new"]:
        seen = words.counted(requests["seen_by_new"], "request")
        text = f"{seen} saw {doc['to_version']}; {requests['failed_by_new']:,} failed"
        facts.append(("reach", text))
    if doc["quarantined"]:
        # A rollback by hand quarantines what it leaves, a failure what it tried.
        version = doc["from_version"] if doc["kind"] == "rollback" else doc["to_version"]
        facts.append(("state", f"{version} is quarantined in {doc['environment']}"))
    if doc["reason"]:
        facts.append(("reason", clean(doc["reason"])))
    if doc["approval"] and doc["approval"]["break_glass"]:
        facts.append(("glass", f"broken: {clean(doc['approval']['break_glass'])}"))
    facts += [("remains", clean(each)) for each in doc["remains"]]
    way = _way_on(doc)
    return [*facts, way] if way else facts


def _checks(doc: "Deployment") -> list[tuple[str, str]]:
    """How many of the checks after the change passed, and each that did not, with what it saw."""
    asked = doc["checks"]
    if not asked:
        return []
    good = [c for c in asked if c["result"] == "pass"]
    names = ", ".join(dict.fromkeys(c["name"] for c in good))
    facts = [("checks", f"{len(good)} passed" + (f": {names}" if names else ""))]
    for check in asked:
        if check["result"] != "pass":
            facts.append(("", f"{check['result']}: {check['name']}: {clean(check['text'])}"))
    return facts


def _way_on(doc: "Deployment") -> tuple[str, str] | None:
    """The command to go on with, or to take it back."""
    if doc["kind"] == "rollback" and doc["phase"] == "succeeded" and doc["from_version"]:
        command = f"orchestrate deploy --env {doc['environment']} --version {doc['from_version']}"
        return "undo", command + (' --force --reason "..."' if doc["quarantined"] else "")
    follow = next((n for n in doc["next"] if n.startswith("orchestrate ")), None)
    if follow is None or (doc["error"] and doc["error"]["fix"]):
        return None  # the error says what to do
    return ("undo" if doc["phase"] == "succeeded" and "rollback" in follow else "next"), follow


def _traffic(doc: "Deployment", paint: Paint) -> str:
    serving = doc["serving"]
    assert serving is not None
    weights = [(v, p) for v, p in serving["weights_percent"].items() if p]
    split = ", ".join(f"{percent}% on {version}" for version, percent in weights) or "none"
    seen = serving["observed_at"]
    at = f"{paint.moment(seen):%H:%M:%S}" if paint.tables else seen
    text = f"{split}, observed {at}"
    requests = doc["requests"]
    if requests:
        total = words.counted(requests["total"], "request")
        text += f"; {total} during the change, {requests['lost']:,} lost"
    return text


def _lost(doc: "Deployment") -> str:
    requests = doc["requests"]
    return f"{requests['lost']:,} lost of {requests['total']:,}" if requests else ""


def _clock(duration_s: float) -> str:
    return f"{int(duration_s)}s" if duration_s < 60 else spoken(duration_s)
