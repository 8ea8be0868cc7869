"""Requests for approval: the list, the one a person decides about, and what came of it.

What a person agrees to is not cut, and nothing in it looks like something else: letters beyond
ASCII are written as what they are.
"""

from datetime import datetime
from typing import TYPE_CHECKING

from orchestrate.cli.render.deployment import digest
from orchestrate.cli.render.paint import Paint, cut, fields, wrap
from orchestrate.cli.render.table import Cell, Column, table
from orchestrate.core import words

if TYPE_CHECKING:
    from orchestrate.cli.approval_documents import Approval, ApprovalList, You
    from orchestrate.cli.documents import PlanChange

LONGEST_FOREIGN = 120
FINGERPRINT = 30
"""Characters of a key's fingerprint that are shown where somebody only looks who they are."""
STATES = {
    "waiting": words.WANTS,
    "approved": words.GOOD,
    "rejected": words.QUIET,
    "expired": words.QUIET,
    "withdrawn": words.QUIET,
}


def listed(
    doc: "ApprovalList", paint: Paint, now: datetime, *, everything: bool = False
) -> list[str]:
    """One row a request."""
    if not doc["items"]:
        return ["nothing waits for an approval" if not everything else "nothing was ever asked"]
    columns = [
        Column("ID"),
        Column("ENVIRONMENT"),
        Column("CHANGE"),
        Column("PLAN"),
        Column("ASKED BY", gives_way=2, cut=True),
        Column("WAITS", gives_way=1),
        Column("EXPIRES"),
        Column("HAS"),
        *([Column("STATE")] if everything else []),
    ]
    rows: list[list[str | Cell]] = []
    for item in doc["items"]:
        change = words.change(item["from_version"], item["to_version"] or "settings")
        glass = " (glass)" if item["break_glass"] else ""
        rows.append(
            [
                item["id"],
                item["environment"].rpartition("/")[2],
                plain(change) + glass,
                digest(item["plan_digest"]),
                words.actor(item["asked_by"]),
                words.age(paint.moment(item["created_at"]), now),
                _within(item["expires_at"], paint, now),
                f"{item['has']} of {item['needs']}",
                *([Cell(item["state"], STATES.get(item["state"]))] if everything else []),
            ]
        )
    return table(columns, rows, paint)


def asked(doc: "Approval", paint: Paint, now: datetime) -> list[str]:
    """Before somebody decides: who they are, what changes first of all, and the way back."""
    lines = _who(doc, paint, now)
    if doc["untrusted_summary"] and doc["kind"] == "deployment":
        lines += _foreign(doc["untrusted_summary"])
    if doc["break_glass"]:
        mark = paint.tone("breaks the glass:", "bad")
        lines.append(f"  {mark} it passes by approvals and windows, because:")
        lines += _foreign(doc["break_glass"])
    lines.append(_head(doc))
    lines += _changes(doc, paint)
    return [*lines, *fields(_facts(doc, paint, now), paint.width)]


def shown(doc: "Approval", paint: Paint, now: datetime) -> list[str]:
    """All of it: the whole digest, and who decided by what."""
    lines = [f"{paint.glyph(STATES.get(doc['state'], words.UNKNOWN))} {plain(doc['summary'])}"]
    lines += asked({**doc, "you": None}, paint, now)
    lines += [f"digest {doc['plan_digest']}", f"store  {doc['signed']['store']}"]
    for each in doc["decisions"]:
        word = "approved" if each["decision"] == "approve" else "rejected"
        at = paint.when(each["at"], now)
        lines.append(f"  {word} by {plain(each['person'])} ({each['credential']}), {at}")
        if each["untrusted_reason"]:
            lines += _foreign(each["untrusted_reason"])
        lines += [f"    {line}" for line in (each["signature"] or "").splitlines()]
    if doc["state"] == "waiting":
        lines += fields([("next", command) for command in doc["next"]], paint.width)
    return lines


def approved(doc: "Approval", paint: Paint, who: str) -> list[str]:
    """What came of a yes."""
    has, needs = doc["needs"]["has"], doc["needs"]["needs"]
    head = f"{paint.glyph(words.GOOD)} {doc['id']} approved by {plain(who)}, {has} of {needs}."
    if has < needs:
        return [f"{head} It waits for {needs - has} more."]
    if doc["deployment_id"] is None:
        return [f"{head} Now {plain(doc['person'])} runs the command again."]
    name = doc["deployment_id"]
    watch = f"orchestrate deploy status {name} --follow"
    return [f"{head} {name} starts.", *fields([("watch", watch)], paint.width)]


def rejected(doc: "Approval", paint: Paint) -> list[str]:
    name = doc["environment"].rpartition("/")[2]
    still = f" {name} stays as it is." if doc["deployment_id"] else " Nothing was changed."
    return [f"{paint.glyph(words.QUIET)} {doc['id']} rejected.{still}"]


def plain(text: str) -> str:
    """`text` with every character beyond printable ASCII written as its code: no letter passes for
    another one, and none is invisible."""
    return "".join(
        c if " " <= c <= "~" else c.encode("unicode_escape", "replace").decode() for c in text
    )


def _who(doc: "Approval", paint: Paint, now: datetime) -> list[str]:
    you = doc["you"]
    asker = words.actor(doc["asked_by"])
    line = f"Asked by {plain(asker)} {paint.ago(doc['created_at'], now)}:"
    if you is None:
        return [line]
    roles = ", ".join(you["roles"]) or "no role"
    said = wrap(f"You are {plain(you['person'])} ({roles}, {_by(you)}). {line}", paint.width)
    return said if you["may"] else [*said, f"  but {plain(you['why'] or '')}"]


def _by(you: "You") -> str:
    """`key SHA256:2c26b46b68ff...`, `token dana-laptop`, `passphrase`."""
    kind, _, rest = you["credential"].partition(":")
    word = {"ssh": "key", "token": "token"}.get(kind, kind)
    return f"{word} {plain(cut(rest, FINGERPRINT))}".strip()


def _head(doc: "Approval") -> str:
    signed = doc["signed"]
    if doc["deployment_id"] is None:
        parts = [plain(doc["environment"]), "change of settings"]
    else:
        old = f"{plain(doc['from_version'] or '')} ({signed['before']}) -> "
        new = f"{plain(doc['to_version'] or '')} ({signed['after']})"
        parts = [plain(doc["environment"]), (old if doc["from_version"] else "") + new]
        parts += [doc["strategy"] or "", f"{signed['steps']} steps"]
    return "  ".join([*parts, f"plan {digest(doc['plan_digest'])}"])


def _changes(doc: "Approval", paint: Paint) -> list[str]:
    lines = ["  changes"]
    for change in doc["changes"]:
        whole = f"{change['sign']} {_change(change)}"
        first, *rest = wrap(whole, paint.width - 6)
        lines += [f"    {first}", *(f"      {part}" for part in rest)]
    return lines


def _change(change: "PlanChange") -> str:
    what = f"{change['what']} {plain(change['name'])}".strip()
    before, after = change["before"], change["after"]
    if before is None and after is None:
        return what
    if before is None:
        return f"{what} {plain(after or '')}"
    return f"{what} {plain(before)} -> {plain(after) if after is not None else 'nothing'}"


def _facts(doc: "Approval", paint: Paint, now: datetime) -> list[tuple[str, str]]:
    facts: list[tuple[str, str]] = []
    if doc["checks"]:
        facts.append(("checks", plain(doc["checks"])))
    if doc["at_least_s"]:
        facts.append(("takes", f"at least {words.took(doc['at_least_s'])}"))
    back = doc["rollback"]
    if back is not None:
        able = "restorable" if back["restorable"] else "NOT restorable"
        lost = f"; lost: {plain(', '.join(back['lost']))}" if back["lost"] else ""
        facts.append(("rollback", f"to {plain(back['version'])}, {able}{lost}"))
    elif doc["deployment_id"]:
        facts.append(("rollback", "none: nothing is live there yet"))
    needs = doc["needs"]
    roles = " or ".join(needs["roles"])
    until = _within(needs["expires_at"], paint, now)
    facts.append(("needs", f"{needs['has']} of {needs['needs']} from {roles}; expires {until}"))
    lacks = words.too_few(needs["approvers"], needs["needs"], needs["roles"])
    if lacks and doc["state"] == "waiting":
        facts.append(("but", lacks))
    return facts


def _within(text: str, paint: Paint, now: datetime) -> str:
    """`in 56m`, or the exact time where a program may read it."""
    if not paint.tables:
        return text
    moment = paint.moment(text)
    return f"in {words.age(now, moment)}" if moment > now else "over"


def _foreign(text: str) -> list[str]:
    return [f"  untrusted | {cut(plain(line), LONGEST_FOREIGN)}" for line in text.splitlines()[:8]]
