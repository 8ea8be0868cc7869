"""The audit trail: read it, verify it, take it away as a file."""

import json
import os
import sys
from typing import IO, TYPE_CHECKING, cast

from orchestrate.cli.client import Answer
from orchestrate.cli.render import audit
from orchestrate.cli.session import Given, Session
from orchestrate.core.errors import InvalidInput, PermanentError

if TYPE_CHECKING:
    from orchestrate.cli.trust_documents import AcceptedRestore, AuditList, AuditReport

LIMIT = 20
PAGE = 1000
VERIFY_S = 600.0
"""Longest wait for a verification: ten million entries."""


def entries(session: Session, given: Given) -> int:
    query = {
        "limit": given.whole("limit", LIMIT),
        "cursor": given.text("before"),
        "since": given.text("since"),
        "action": given.text("action"),
        "actor": given.text("by"),
        "subject": given.text("subject"),
        "outcome": given.text("outcome"),
    }
    answer = session.client.get("/api/audit", query)
    document = cast("AuditList", answer.document)
    lines = audit.entries(document, session.paint, session.now())
    if session.wish.quiet:
        lines = [str(item["seq"]) for item in document["items"]]
    session.answer(answer, lines)
    return 0


def verify(session: Session, given: Given) -> int:
    """1 when the trail is not as it was written."""
    head = given.text("head")
    body = {"since": given.whole("since", 0), "head": _read(head) if head else None}
    answer: Answer = session.client.post("/api/audit/verify", body, timeout_s=VERIFY_S)
    document = cast("AuditReport", answer.document)
    save = given.text("save_head")
    if save and document["head"] is not None:
        _write(save, document["head"])
    session.answer(answer, audit.report(document, session.paint))
    return 0 if document["ok"] else 1


def export(session: Session, given: Given) -> int:
    """JSON lines: one for the store, then one an entry."""
    path = given.text("file")
    if path is None:
        _export(session, given.whole("since", 0), sys.stdout)
        return 0
    try:
        with open(path, "x", encoding="utf-8") as file:
            count = _export(session, given.whole("since", 0), file)
    except OSError as problem:
        raise PermanentError(
            f"cannot write {path}: {problem.strerror}", fix=["give --file a new name"]
        ) from problem
    session.note([f"{count} entries are in {path}"])
    return 0


def accept_restore(session: Session, given: Given) -> int:
    reason = given.text("reason")
    if not reason:
        raise InvalidInput("accepting needs a reason", fix=['add one: --reason "..."'])
    answer = session.client.post("/api/audit/accept-restore", {"reason": reason})
    document = cast("AcceptedRestore", answer.document)
    session.answer(answer, audit.accepted(document))
    return 0


def _export(session: Session, after: int, file: IO[str]) -> int:
    count = 0
    while True:
        page = {"after": after, "limit": PAGE}
        document = cast("AuditList", session.client.get("/api/audit", page).document)
        if count == 0:
            file.write(json.dumps({"store": document["store"], "after": after}) + "\n")
        for item in document["items"]:
            file.write(json.dumps(item) + "\n")
            after = item["seq"]
        count += len(document["items"])
        if document["next_cursor"] is None:
            file.flush()
            return count


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read(2000)
    except (OSError, UnicodeDecodeError) as problem:
        raise InvalidInput(
            f"cannot read {path}", why=[str(problem)], fix=["give a file that --save-head wrote"]
        ) from problem


def _write(path: str, head: str) -> None:
    """In one go: a head that was cut is none."""
    part = f"{path}.part"
    try:
        with open(part, "w", encoding="utf-8") as file:
            file.write(head)
        os.replace(part, path)
    except OSError as problem:
        raise PermanentError(
            f"cannot write {path}: {problem.strerror}", fix=["give --save-head another file"]
        ) from problem
