"""Approvals: what an environment asks for, and the text that an approver signs.

An approval is a named person's yes to one plan digest, with an expiry. The text binds it: a yes
that was given for another store, request, plan, revision or time does not fit this one.
"""

import unicodedata
from enum import StrEnum
from typing import Literal

from pydantic import Field, field_validator

from orchestrate.core.identity import Role
from orchestrate.core.model import Model

NAMESPACE = "orchestrate-approval@v1"
"""Of the SSH signatures, so that one given for anything else is none."""
HEADING = "orchestrate-approval/v1"
Kind = Literal["deployment", "settings"]
"""What a request is for: to carry out a plan, or to weaken or delete an environment."""
_WORD = r"^[!-~]{1,300}$"
"""Printable, without spaces: a line of the text cannot be broken, nor hide anything."""


class Factor(StrEnum):
    """By what an approver proves who they are."""

    SSH = "ssh"
    """A signature with a registered SSH key."""
    TOKEN = "token"
    """A token of theirs."""
    PASSPHRASE = "passphrase"
    ELICITATION = "elicitation"
    """The question an agent's client asks: its answer can be automated. Nothing counts it, and
    `orchestrate.yaml` does not take it; rows of earlier settings may hold it."""


class Approvals(Model):
    """Who must say yes to a change before it begins."""

    count: int = Field(default=1, ge=1, le=10)
    """Different people who must."""
    roles: tuple[Literal[Role.APPROVER, Role.ADMIN], ...] = Field(
        default=(Role.APPROVER,), min_length=1
    )
    expires_s: float = Field(default=3600.0, ge=1, le=604800)
    """Time for it. Nobody's answer is a no: there is no setting that makes it a yes."""
    factors: tuple[Factor, ...] = Field(
        default=(Factor.SSH, Factor.TOKEN, Factor.PASSPHRASE), min_length=1
    )
    same_person: Literal["never"] = "never"
    """Whether who asks may approve."""


class State(StrEnum):
    """Where a request stands."""

    WAITING = "waiting"
    APPROVED = "approved"
    """Enough people said yes; it is looked at once more before the change begins."""
    REJECTED = "rejected"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    """What it was for was cancelled, gave way to a rollback, or failed."""


class Decision(StrEnum):
    APPROVE = "approve"
    REJECT = "reject"


class Statement(Model):
    """What a person decides about. `text` is the very text that is signed."""

    store: str = Field(pattern=_WORD)
    request: str = Field(pattern=r"^a[0-9]+$")
    plan: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    environment: str = Field(pattern=_WORD)
    """`app/name`."""
    before: str = Field(pattern=_WORD)
    """`r41`, or `nothing`; of a change of settings `settings`."""
    after: str = Field(pattern=_WORD)
    steps: int = Field(ge=0)
    """Steps of the plan, so that a longer one does not pass for this."""
    expires: str = Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$")
    nonce: str = Field(pattern=r"^[0-9a-f]{32}$")

    def text(self, decision: Decision) -> str:
        """The text, ended by a line break."""
        return "\n".join(
            (
                HEADING,
                f"store {self.store}",
                f"request {self.request}",
                f"plan {self.plan}",
                f"environment {self.environment}",
                f"from {self.before} to {self.after}",
                f"steps {self.steps}",
                f"expires {self.expires}",
                f"nonce {self.nonce}",
                f"decision {decision.value}",
                "",
            )
        )


class BreakGlass(Model):
    """A change that passes by the approvals and windows of an environment: asked by an admin with a
    reason, and agreed to by a second one. It is shown wherever the deployment is."""

    reason: str = Field(min_length=1, max_length=500)
    asked_by: str
    approved_by: str | None = None
    """None while the second admin has not agreed: nothing is passed by yet."""

    @property
    def broken(self) -> bool:
        return self.approved_by is not None

    @field_validator("reason")
    @classmethod
    def _said(cls, reason: str) -> str:
        if not reason.strip():
            raise ValueError("breaking the glass needs a reason")
        return reason


BREAK_GLASS_RULE = Approvals(count=1, roles=(Role.ADMIN,))
"""A second admin, whatever the environment asks for otherwise."""


def same_person(one: str, other: str) -> bool:
    """Whether two names are one person's, however they are written."""
    return person_key(one) == person_key(other)


def person_key(name: str) -> str:
    """A person's name as it is compared."""
    return unicodedata.normalize("NFKC", name).casefold().strip()
