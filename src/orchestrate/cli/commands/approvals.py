"""Approvals: who waits for a yes, what it would change, and a person's decision."""

from typing import TYPE_CHECKING, NamedTuple, cast

from orchestrate.cli.client import Answer, segment
from orchestrate.cli.render import approvals as screens
from orchestrate.cli.session import Given, Session
from orchestrate.core.errors import ApprovalInvalid, ConfirmationNeeded, InvalidInput

if TYPE_CHECKING:
    from orchestrate.cli.documents import Approval, ApprovalList

TYPED = 4
"""Characters of the digest that are typed."""


class Means(NamedTuple):
    """By what somebody proves who they are: a key's file, a passphrase, or (neither) a token."""

    key: str | None
    public: str | None
    person: str | None
    passphrase: bool


BY_TOKEN = Means(None, None, None, False)


def listed(session: Session, given: Given) -> int:
    """Requests that wait; with --all those that were decided too."""
    query = {
        "environment": given.text("env"),
        "state": None if given.flag("all") else "waiting",
        "limit": given.whole("limit", 20),
        "cursor": given.text("before"),
    }
    answer = session.client.get("/api/approvals", query)
    document = cast("ApprovalList", answer.document)
    lines = screens.listed(document, session.paint, session.now(), everything=given.flag("all"))
    if session.wish.quiet:
        lines = [item["id"] for item in document["items"]]
    session.answer(answer, lines)
    return 0


def show(session: Session, given: Given) -> int:
    """A request in full: the whole digest, every change, and every signature."""
    answer = session.client.get(f"/api/approvals/{segment(given.text('argument') or '')}")
    document = cast("Approval", answer.document)
    if given.flag("text"):
        session.say(_text(document, "approve").splitlines())
        return 0
    session.answer(answer, screens.shown(document, session.paint, session.now()))
    return 0


def approve(session: Session, given: Given) -> int:
    """Approve, after looking. 1 when nothing was typed."""
    means, document = _look(session, given)
    session.note(screens.asked(document, session.paint, session.now()))
    if not _agreed(session, given, document):
        session.note(["nothing was approved"])
        return 1
    answer = _decide(session, given, document, means, "approve")
    decided = cast("Approval", answer.document)
    session.answer(answer, screens.approved(decided, session.paint, _name(document)))
    return 0


def reject(session: Session, given: Given) -> int:
    """Reject: one no is enough."""
    means, document = _look(session, given)
    answer = _decide(session, given, document, means, "reject")
    decided = cast("Approval", answer.document)
    session.answer(answer, screens.rejected(decided, session.paint))
    return 0


def _look(session: Session, given: Given) -> tuple[Means, "Approval"]:
    """The request, with who decides: by what was named, else by the caller's token, else by one
    of the usual keys."""
    path = f"/api/approvals/{segment(given.text('argument') or '')}"
    means = _named(given)
    document = cast("Approval", session.client.get(path, _who(means)).document)
    if means == BY_TOKEN and document["you"] is None:
        means = _usual()
        document = cast("Approval", session.client.get(path, _who(means)).document)
    signed = document["signed"]
    if (signed["request"], signed["plan"]) != (document["id"], document["plan_digest"]):
        raise ApprovalInvalid(
            "what would be signed is not what is shown", why=["the answer contradicts itself"]
        )
    return means, document


def _who(means: Means) -> dict[str, str | int | float | None]:
    return {"key": means.public, "person": means.person}


def _named(given: Given) -> Means:
    key, person = given.text("key"), given.text("as")
    if given.flag("passphrase"):
        if key is not None or person is None:
            raise InvalidInput(
                "--passphrase goes with --as NAME, and without --key",
                fix=["orchestrate approvals approve ID --passphrase --as NAME"],
            )
        return Means(None, None, person, True)
    if key is None:
        return BY_TOKEN
    from orchestrate.cli import signing

    return Means(key, signing.public_key(key), None, False)


def _usual() -> Means:
    from orchestrate.cli import signing

    key = signing.usual_key()
    if key is None:
        raise InvalidInput(
            "nothing here proves who decides",
            why=["no --key, no approver's token, and no key in ~/.ssh"],
            fix=[
                "sign with a registered key: --key FILE",
                "or: --passphrase --as NAME",
            ],
        )
    return Means(key, signing.public_key(key), None, False)


def _agreed(session: Session, given: Given, document: "Approval") -> bool:
    """Whether this very plan was named: in full, or by its first characters at a terminal."""
    digest = document["plan_digest"].removeprefix("sha256:")
    named = given.text("plan")
    if named is not None:
        return named.removeprefix("sha256:") == digest or _another(document, named)
    if not session.mode.prompts:
        raise ConfirmationNeeded(
            f"{document['id']} must be approved with the whole digest of its plan",
            why=["nobody can be asked here; nothing was approved"],
            fix=[
                f"look at it: orchestrate approvals show {document['id']}",
                f"orchestrate approvals approve {document['id']} --plan DIGEST",
            ],
        )
    question = (
        f"To approve, type the first {TYPED} characters of the plan; to refuse, press Enter: "
    )
    return session.ask(question).strip().lower() == digest[:TYPED]


def _another(document: "Approval", named: str) -> bool:
    raise InvalidInput(
        f"{document['id']} asks for another plan than {named[:80]}",
        why=[f"it asks for {document['plan_digest']}"],
        fix=["give the whole digest, as `orchestrate approvals show` prints it"],
    )


def _decide(
    session: Session, given: Given, document: "Approval", means: Means, decision: str
) -> Answer:
    body: dict[str, object] = {"plan": document["plan_digest"], "reason": given.text("reason")}
    if means.key is not None:
        from orchestrate.cli import signing
        from orchestrate.core.approval import NAMESPACE

        body["signature"] = signing.sign(means.key, _text(document, decision), NAMESPACE)
    elif means.passphrase:
        body |= {"person": means.person, "passphrase": _passphrase(session, means.person or "")}
    return session.client.post(f"/api/approvals/{document['id']}/{decision}", body)


def _text(document: "Approval", decision: str) -> str:
    """Built here from what is shown, so that nothing else can be put before a person's key."""
    from orchestrate.core.approval import Decision, Statement

    return Statement.model_validate(document["signed"]).text(Decision(decision))


def _passphrase(session: Session, person: str) -> str:
    if not session.mode.prompts:
        raise ConfirmationNeeded(
            "a passphrase is typed at a terminal, and there is none",
            fix=["sign with a key where nobody can be asked: --key FILE --plan DIGEST"],
        )
    import getpass

    return getpass.getpass(f"passphrase of {person}: ")


def _name(document: "Approval") -> str:
    return document["you"]["person"] if document["you"] else "you"


def set_passphrase(session: Session, given: Given) -> int:
    """Set a person's passphrase, typed twice, or read from standard input."""
    name = given.text("argument") or ""
    passphrase = _passphrase(session, name) if session.mode.prompts else _from_input()
    if session.mode.prompts and _passphrase(session, f"{name}, again") != passphrase:
        raise InvalidInput("the two are not the same", fix=["try again"])
    body = {"passphrase": passphrase}
    answer = session.client.post(f"/api/people/{segment(name)}/passphrase", body)
    session.answer(answer, [f"{name} may approve by passphrase now"])
    return 0


def _from_input() -> str:
    import sys

    return sys.stdin.readline().rstrip("\n")
