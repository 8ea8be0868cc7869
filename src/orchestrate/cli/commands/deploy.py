"""Deploy a version, and go back: plan, show, ask where a person must agree, start, follow."""

from typing import TYPE_CHECKING, cast

from orchestrate.cli.client import Answer, segment
from orchestrate.cli.commands.reads import plan as make_plan
from orchestrate.cli.commands.which import environment_to_change
from orchestrate.cli.follow import follow
from orchestrate.cli.render import plan as plans
from orchestrate.cli.render.deployment import detached, digest, final
from orchestrate.cli.session import Given, Session
from orchestrate.core.errors import ConfirmationNeeded, InvalidInput, NothingToDo

if TYPE_CHECKING:
    from orchestrate.cli.documents import Deployment, Environment, Plan

FORWARD = frozenset({"pending", "validating", "awaiting_approval", "deploying", "verifying"})
"""Phases in which a deployment is on its way to its own revision."""


def deploy(session: Session, given: Given) -> int:
    """Deploy --version to --env, or carry out --plan. 0 when it succeeded."""
    within_s, timeout_s = _patience(given), given.seconds("timeout")
    try:
        answer = _plan(session, given)
    except NothingToDo as nothing:
        session.say([nothing.message])
        return 0
    plan = cast("Plan", answer.document)
    if plan["nothing_to_do"]:
        session.answer(answer, [plan["summary"]])
        return 0
    glass = given.text("break_glass")
    running = None if glass else _already_running(session, plan)
    if running is not None:
        session.note([f"{running.document['id']} does this already; this watches it"])
        return _watch(session, given, running, within_s)
    session.note(plans.short(plan, session.paint))
    if not (_typed_name(session, given, plan) if glass else _agreed(session, given, plan)):
        session.note(["nothing was changed"])
        return 1
    started = session.client.post(
        "/api/deployments",
        {
            "plan": plan["digest"],
            "reason": given.text("reason"),
            "timeout_s": timeout_s,
            "queue": given.flag("queue"),
            "force": given.flag("force"),
            "confirmed": True,
            **({"break_glass": glass} if glass else {}),
        },
    )
    return _watch(session, given, started, within_s)


def rollback(session: Session, given: Given) -> int:
    """Go back: planned and started in one call, because it is in a hurry."""
    within_s = _patience(given)
    name = environment_to_change(given)
    try:
        started = _roll_back(session, given, name, confirmed=given.flag("yes"))
    except ConfirmationNeeded as needed:
        if not session.mode.prompts:
            raise
        session.note([f"{needed.message}:", *(f"  {why}" for why in needed.why)])
        if not session.confirm("go back all the same?"):
            session.note(["nothing was changed"])
            return 1
        started = _roll_back(session, given, name, confirmed=True)
    except NothingToDo as nothing:
        session.say([nothing.message])
        return 0
    return _watch(session, given, started, within_s)


def _patience(given: Given) -> float | None:
    """Seconds to watch. Raises InvalidInput, before anything was started."""
    if given.flag("detach") and given.flag("wait"):
        raise InvalidInput("--wait and --detach exclude each other", fix=["give one of them"])
    return given.seconds("wait_timeout")


def _plan(session: Session, given: Given) -> Answer:
    """The plan that --plan names, else a new one for --env and --version."""
    wanted = given.text("plan")
    if wanted is None:
        return make_plan(session, given, environment_to_change(given))
    answer = session.client.get(f"/api/plans/{segment(wanted)}")
    plan = cast("Plan", answer.document)
    _check_same(plan, "--env", plan["environment"], given.text("env"))
    _check_same(plan, "--version", plan["to_version"], given.text("version"))
    _check_same(plan, "--strategy", plan["strategy"], given.text("strategy"))
    return answer


def _check_same(plan: "Plan", option: str, planned: str, asked: str | None) -> None:
    if asked is None or asked in (planned, f"{plan['app']}/{planned}"):
        return
    raise InvalidInput(
        f"plan {digest(plan['digest'])} is for {planned}, and {option} says {asked}",
        fix=["give the plan alone, or leave it out for a new one"],
    )


def _already_running(session: Session, plan: "Plan") -> Answer | None:
    """The deployment that is on its way to the very revision of the plan.

    Its digest cannot tell: what has been done meanwhile makes the plan another one.
    """
    if plan["to_revision"] is None:
        return None  # no deployment has ever been on its way to it
    name = f"{plan['app']}/{plan['environment']}"
    answer = session.client.get(f"/api/environments/{segment(name)}")
    running = cast("Environment", answer.document)["running"]
    if running is None:
        return None
    found = session.client.get(f"/api/deployments/{segment(running['id'])}")
    document = cast("Deployment", found.document)
    same = (document["kind"], document["to_revision"]) == (plan["kind"], plan["to_revision"])
    return found if same and document["phase"] in FORWARD else None


def _agreed(session: Session, given: Given, plan: "Plan") -> bool:
    """Whether the plan may be carried out: nobody has to agree, or somebody did."""
    if not plan["needs_confirmation"] or given.flag("yes") or given.text("plan"):
        return True
    if not session.mode.prompts:
        raise ConfirmationNeeded(
            f"{plan['environment']} needs a yes to plan {digest(plan['digest'])}",
            why=["nobody can be asked here; nothing was changed"],
            fix=[
                f"to carry out this very plan: {plans.deploy_command(plan)}",
                "to carry out whatever is planned then: add --yes",
            ],
        )
    if not session.confirm(f"deploy this to {plan['environment']}?"):
        return False
    session.note([f"without the question: {plans.deploy_command(plan)}"])
    return True


def _typed_name(session: Session, given: Given, plan: "Plan") -> bool:
    """Whether the environment's name was typed: approvals and windows are to be passed by."""
    name = plan["environment"]
    typed = given.text("confirm")
    if typed is None:
        if not session.mode.prompts:
            raise ConfirmationNeeded(
                f"breaking the glass of {name} must be confirmed with its name",
                why=["nobody can be asked here; nothing was changed"],
                fix=[f'{plans.deploy_command(plan)} --break-glass "..." --confirm {name}'],
            )
        session.note([f"this passes by what protects {name}; a second admin must agree to it"])
        typed = session.ask("type its name to go on: ").strip()
    return typed == name


def _roll_back(session: Session, given: Given, name: str, *, confirmed: bool) -> Answer:
    return session.client.post(
        f"/api/environments/{segment(name)}/rollback",
        {
            "version": given.text("version"),
            "reason": given.text("reason"),
            "force": given.flag("force"),
            "quarantine": given.flag("quarantine"),
            "confirmed": confirmed,
        },
    )


def _watch(session: Session, given: Given, started: Answer, within_s: float | None) -> int:
    """Follow what was started, or with --detach say where it can be found."""
    document = cast("Deployment", started.document)
    if not given.flag("detach"):
        return follow(session, document["id"], within_s)
    if session.wish.quiet:
        session.answer(started, [document["id"]])
    elif document["terminal"]:
        session.answer(started, final(document, session.paint, session.now()))
    else:
        session.answer(started, detached(document, "was accepted"))
    return 0
