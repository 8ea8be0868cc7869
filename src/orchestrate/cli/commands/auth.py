"""Who may do what: people and tokens, and the token this client keeps."""

import os
import sys
from typing import TYPE_CHECKING, cast

from orchestrate.cli import kept
from orchestrate.cli.client import Answer, segment
from orchestrate.cli.render import access
from orchestrate.cli.session import Given, Session
from orchestrate.core.errors import ConfirmationNeeded, InvalidInput

if TYPE_CHECKING:
    from orchestrate.cli.trust_documents import (
        Access,
        MadeToken,
        People,
        PersonAnswer,
        RevokedToken,
        TokenList,
    )


def status(session: Session, given: Given) -> int:
    answer = session.client.get("/api/access")
    document = cast("Access", answer.document)
    lines = [document["name"]] if session.wish.quiet else access.status(document)
    session.answer(answer, lines)
    return 0


def people(session: Session, given: Given) -> int:
    answer = session.client.get("/api/people")
    document = cast("People", answer.document)
    lines = access.people(document, session.paint)
    if session.wish.quiet:
        lines = [item["name"] for item in document["items"]]
    session.answer(answer, lines)
    return 0


def add(session: Session, given: Given) -> int:
    body = {
        "person": given.text("argument"),
        "roles": list(given.many("role")),
        "environments": list(given.many("env")),
        "uids": [_uid(text) for text in given.many("uid")],
        "keys": [_read_key(path) for path in given.many("key")],
    }
    return _person(session, session.client.post("/api/people", body))


def grant(session: Session, given: Given) -> int:
    return _change(session, given, {"grant": _roles(given)})


def revoke(session: Session, given: Given) -> int:
    return _change(session, given, {"revoke": _roles(given)})


def remove(session: Session, given: Given) -> int:
    name = given.text("argument") or ""
    return _person(session, session.client.delete(f"/api/people/{segment(name)}"))


def token(session: Session, given: Given) -> int:
    """The token goes to standard output, what is to be said about it beside it."""
    role = given.text("role")
    if role is None:
        raise InvalidInput(
            "what may the token do?", fix=["orchestrate auth token --role deployer --env staging"]
        )
    body = {
        "role": role,
        "person": given.text("for"),
        "label": given.text("label") or "",
        "agent": given.text("agent"),
        "environments": list(given.many("env")),
        "expires_s": given.seconds("expires"),
    }
    answer = session.client.post("/api/tokens", body)
    document = cast("MadeToken", answer.document)
    session.note(access.made(document))
    session.answer(answer, [document["token"]])
    return 0


def tokens(session: Session, given: Given) -> int:
    query = {
        "everybody": "true" if given.flag("all") else None,
        "ended": "true" if given.flag("ended") else None,
    }
    answer = session.client.get("/api/tokens", query)
    document = cast("TokenList", answer.document)
    lines = access.tokens(document, session.paint, session.now())
    if session.wish.quiet:
        lines = [item["id"] for item in document["items"]]
    session.answer(answer, lines)
    return 0


def end(session: Session, given: Given) -> int:
    answer = session.client.delete(f"/api/tokens/{segment(given.text('argument') or '')}")
    document = cast("RevokedToken", answer.document)
    session.answer(answer, [f"{name} is good no more" for name in document["ended"]])
    return 0


def login(session: Session, given: Given) -> int:
    """Ask the service who the token is before it is kept."""
    url = _url()
    found = _typed(session)
    answer = kept.client(url, found).get("/api/access")
    kept.keep(url, found)
    session.answer(answer, access.status(cast("Access", answer.document)))
    session.note([f"the token is kept for {url}"])
    return 0


def logout(session: Session, given: Given) -> int:
    url = _url()
    was = kept.forget(url)
    session.say([f"the token for {url} is forgotten" if was else f"none was kept for {url}"])
    return 0


def _change(session: Session, given: Given, body: dict[str, list[str]]) -> int:
    name = given.text("argument") or ""
    return _person(session, session.client.post(f"/api/people/{segment(name)}/roles", body))


def _person(session: Session, answer: Answer) -> int:
    document = cast("PersonAnswer", answer.document)
    session.answer(answer, [document["summary"]])
    return 0


def _roles(given: Given) -> list[str]:
    roles = given.many("role")
    if not roles:
        raise InvalidInput("which role?", fix=["add --role viewer, deployer, approver or admin"])
    return list(roles)


def _uid(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise InvalidInput(f"{text[:40]!r} is not a user id", fix=["id -u prints it"])
    return int(text)


def _read_key(path: str) -> str:
    try:
        with open(os.path.expanduser(path), encoding="utf-8") as file:
            return file.read(16384).strip()
    except (OSError, UnicodeDecodeError) as problem:
        raise InvalidInput(
            f"cannot read {path}", why=[str(problem)], fix=["give the .pub file of the key"]
        ) from problem


def _url() -> str:
    url = os.environ.get("ORCHESTRATE_URL")
    if not url:
        raise InvalidInput(
            "for which service?",
            why=["on this machine no token is needed: the kernel says who you are"],
            fix=["export ORCHESTRATE_URL=https://deploy.example.com"],
        )
    return url


def _typed(session: Session) -> str:
    """The token, from a person who does not see it, or from standard input."""
    if session.mode.prompts:
        from getpass import getpass

        return getpass("token: ", stream=sys.stderr).strip()
    if sys.stdin.isatty():
        raise ConfirmationNeeded(
            "a token must be given, and nobody can be asked here",
            fix=["orchestrate auth login < FILE"],
        )
    return sys.stdin.readline().strip()
