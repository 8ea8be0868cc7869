"""Steer a running deployment: pause, resume, promote, cancel."""

from typing import TYPE_CHECKING, cast

from orchestrate.cli.client import Answer, segment
from orchestrate.cli.commands.which import deployment_meant, environment_to_change
from orchestrate.cli.follow import follow
from orchestrate.cli.render.deployment import brief, detached
from orchestrate.cli.session import Given, Session

if TYPE_CHECKING:
    from orchestrate.cli.documents import Deployment

STOPPED = frozenset({"cancelled", "rolled_back"})


def pause(session: Session, given: Given) -> int:
    """Stop advancing; the traffic stays as it is."""
    return _ask(session, given, "pause", "is asked to pause after what it does now")


def resume(session: Session, given: Given) -> int:
    return _ask(session, given, "resume", "is asked to go on")


def promote(session: Session, given: Given) -> int:
    return _ask(session, given, "promote", "is asked to go on without the verdict")


def cancel(session: Session, given: Given) -> int:
    """Cancel, and follow until what was live is back. 0 when it was stopped, 1 when it was too
    late for that."""
    within_s = given.seconds("wait_timeout")
    answer = _post(session, given, "cancel")
    document = cast("Deployment", answer.document)
    if not given.flag("detach"):
        return follow(session, document["id"], within_s, good=STOPPED)
    session.answer(answer, detached(document, "is asked to stop"))
    return 0


def _ask(session: Session, given: Given, action: str, what: str) -> int:
    answer = _post(session, given, action)
    document = cast("Deployment", answer.document)
    if session.wish.quiet:
        session.answer(answer, [document["id"]])
    elif document["terminal"]:
        session.answer(answer, brief(document, session.paint))
    else:
        session.answer(answer, detached(document, what))
    return 0


def _post(session: Session, given: Given, action: str) -> Answer:
    if given.text("argument") is None:
        environment_to_change(given)
    name = deployment_meant(session, given)
    body = {"reason": given.text("reason")}
    return session.client.post(f"/api/deployments/{segment(name)}/{action}", body)
