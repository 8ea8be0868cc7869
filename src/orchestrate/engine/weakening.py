"""Weakening what protects an environment: by an admin, and once there is somebody else who may
approve, with their yes to this very change.

A repository's file can be written by whoever can write to the repository, an agent among them: it
tightens an environment by itself, and never loosens one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from orchestrate.core.approval import BREAK_GLASS_RULE, Approvals, State
from orchestrate.core.audit import AuditEvent
from orchestrate.core.canonical import digest, short
from orchestrate.core.environment import Environment
from orchestrate.core.errors import ApprovalRequired, Forbidden, OrchestrateError
from orchestrate.core.identity import Principal, Role
from orchestrate.core.protection import rule_of
from orchestrate.engine.counting import count
from orchestrate.engine.requesting import asks, audit_request, expire, open_request, ours, use_up
from orchestrate.engine.seal import Seal
from orchestrate.store import approvals, approvers, audit
from orchestrate.store.approvals import ApprovalRow
from orchestrate.store.database import Session
from orchestrate.store.tables import EnvironmentRow, now


@dataclass(frozen=True)
class Weakening:
    """A change that protects an environment less: `after` is None when it is deleted."""

    row: EnvironmentRow
    before: Environment
    after: Environment | None
    lines: tuple[str, ...]
    """In what, one line each."""

    @property
    def digest(self) -> str:
        """Of the very change: any other settings are another one."""
        what: dict[str, JsonValue] = {
            "environment": self.row.id,
            "before": self.before.model_dump(mode="json", exclude={"source"}),
            "after": self.after.model_dump(mode="json", exclude={"source"}) if self.after else None,
        }
        return digest(what)

    @property
    def rule(self) -> Approvals:
        """As a deployment there needs it; an admin's yes where none is required."""
        return rule_of(self.before) or BREAK_GLASS_RULE


@dataclass(frozen=True)
class Answer:
    """Whether it may be done: `refused` says why not; `request` is the approval it uses."""

    refused: OrchestrateError | None = None
    request: ApprovalRow | None = None


def allow(session: Session, seal: Seal, principal: Principal, weakening: Weakening) -> Answer:
    """Whether it may be done now. The caller holds the environment, and commits when it is refused
    too: a request that was made here is to stay. When it is done: `spend`."""
    name = weakening.row.name
    if principal.kind != "person" or not principal.may(Role.ADMIN):
        _note(session, principal, weakening)
        return Answer(
            Forbidden(
                f"only an admin makes {name} less protected",
                why=[*weakening.lines, _TIGHTEN],
                fix=["ask an admin to do this"],
            )
        )
    if not approvers.others(session, principal.person, weakening.rule.roles):
        return Answer()
    request = _open_one(session, seal, principal, weakening)
    if _approved(session, seal, request):
        return Answer(request=request)
    return Answer(
        ApprovalRequired(
            f"making {name} less protected needs an approval: {request.name}",
            why=[*weakening.lines, _TIGHTEN, "nothing was changed"],
            fix=[
                f"ask an approver to run: orchestrate approvals approve {request.name}",
                f"then run this command again, before {request.expires_at:%H:%M} UTC",
            ],
            details={"approval": request.name, "plan": short(request.plan_digest)},
        )
    )


def spend(session: Session, answer: Answer) -> None:
    """The change is made: its approval is good for nothing else."""
    if answer.request is not None:
        use_up(session, answer.request, now())
        audit_request(session, answer.request, "approval.use", "ok", {})


_TIGHTEN = "a file in a repository may tighten what protects an environment, and not loosen it"


def _open_one(
    session: Session, seal: Seal, principal: Principal, weakening: Weakening
) -> ApprovalRow:
    """The request for this very change: one that is open, else a new one."""
    found = approvals.of_settings(session, weakening.row.id or 0, weakening.digest)
    for each in found:
        open_still = each.ended_at is None and not expire(session, each, now())
        if open_still and each.person == principal.person:
            return each
    request = open_request(
        session,
        seal,
        weakening.row,
        kind="settings",
        rule=weakening.rule,
        at=now(),
        plan_digest=weakening.digest,
        before="settings",
        after="settings" if weakening.after else "deleted",
        steps=len(weakening.lines),
        actor=principal.name,
        on_behalf_of=None,
        person=principal.person,
        summary="\n".join(weakening.lines),
    )
    details: dict[str, JsonValue] = {"asks": asks(request), "change": [*weakening.lines]}
    audit_request(session, request, "approval.request", "ok", details)
    return request


def _approved(session: Session, seal: Seal, request: ApprovalRow) -> bool:
    if request.state != State.APPROVED.value or not ours(session, seal, request):
        return False
    counted = count(session, seal, request)
    return not counted.rejected and len(counted.good) >= request.approvals.count


def _note(session: Session, principal: Principal, weakening: Weakening) -> None:
    lines: Sequence[JsonValue] = weakening.lines
    audit.append(
        session,
        AuditEvent(
            action="environment.weaken",
            actor=principal.name,
            person=principal.person,
            subject=f"{weakening.row.app}/{weakening.row.name}",
            outcome="refused",
            details={"change": list(lines)},
        ),
    )
