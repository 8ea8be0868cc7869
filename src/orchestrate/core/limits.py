"""How much one person, with all their agents, may ask of an environment."""

from pydantic import Field

from orchestrate.core.model import Model


class Limits(Model):
    """Limits of an environment. A rollback is never kept out by one."""

    deployments_per_hour: int | None = Field(default=None, ge=1, le=10_000)
    """Of one person within 60 minutes; None: no limit."""
