"""What the trail records: one event for everything that was done, decided or refused."""

from typing import Literal

from pydantic import Field, JsonValue

from orchestrate.core.model import Model


class AuditEvent(Model):
    """One event. Secrets never enter it: a value is told by its name and version."""

    action: str = Field(pattern=r"^[a-z_]+\.[a-z_]+$")
    """What was done to what kind of thing: `deployment.start`, `approval.approve`, `secret.set`."""
    actor: str
    on_behalf_of: str | None = None
    person: str | None = None
    """The human behind the actor, where a door established one."""
    subject: str
    """What it was done to: `shop/production`, `d142`, `plan:<digest>`, `token:<id>`."""
    outcome: Literal["ok", "refused", "failed"] = "ok"
    details: dict[str, JsonValue] = Field(default_factory=dict)
    request_id: str | None = None
