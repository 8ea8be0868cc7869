"""Look at the migrations of an environment, and contract its database."""

from typing import TYPE_CHECKING, cast

from orchestrate.cli.client import Answer, segment
from orchestrate.cli.commands.which import environment_to_change
from orchestrate.cli.follow import follow
from orchestrate.cli.render.deployment import detached
from orchestrate.cli.render.table import Column, table
from orchestrate.cli.session import Given, Session
from orchestrate.core.errors import ConfirmationNeeded, InvalidInput

if TYPE_CHECKING:
    from orchestrate.cli.documents import Deployment, Migrations


def migrate(session: Session, given: Given) -> int:
    """Show what is applied; with --contract, remove what was replaced and follow to the end."""
    if not given.flag("contract"):
        return _show(session, given)
    if given.flag("detach") and given.flag("wait"):
        raise InvalidInput("--wait and --detach exclude each other", fix=["give one of them"])
    within_s = given.seconds("wait_timeout")
    name = environment_to_change(given)
    try:
        started = _contract(session, given, name, confirmed=given.flag("yes"))
    except ConfirmationNeeded as needed:
        if not session.mode.prompts:
            raise
        session.note([f"{needed.message}:", *(f"  {why}" for why in needed.why)])
        if not session.confirm("contract it?"):
            session.note(["nothing was changed"])
            return 1
        started = _contract(session, given, name, confirmed=True)
    document = cast("Deployment", started.document)
    if given.flag("detach"):
        session.answer(started, detached(document))
        return 0
    return follow(session, document["id"], within_s)


def _show(session: Session, given: Given) -> int:
    name = environment_to_change(given)
    answer = session.client.post(f"/api/environments/{segment(name)}/migrations", {})
    document = cast("Migrations", answer.document)
    rows = [
        [each["name"], each["phase"], "applied" if each["applied"] else "to come"]
        for each in document["items"]
    ]
    columns = (Column("NAME", cut=True), Column("PHASE"), Column("STATE"))
    lines = [document["summary"], *(table(columns, rows, session.paint) if rows else [])]
    lines += [f"next   {following}" for following in document["next"]]
    session.answer(answer, lines)
    return 0


def _contract(session: Session, given: Given, name: str, *, confirmed: bool) -> Answer:
    body = {"reason": given.text("reason"), "confirmed": confirmed}
    return session.client.post(f"/api/environments/{segment(name)}/contract", body)
