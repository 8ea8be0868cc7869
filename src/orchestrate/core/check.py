"""Checks: questions asked before a change and after it, and what they answer."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import Field, JsonValue

from orchestrate.core.model import Model

Result = Literal["pass", "fail", "error", "skipped"]


class Evidence(Model):
    """What was looked at: an answer without it is none."""

    about: str
    """The commit (`git:...`) or digest (`sha256:...`) it is about, or `environment`."""
    source: str
    """Who said so: a command, a registry, GitHub."""
    at: datetime
    """When it was so, UTC: the time of the test run, not of the question about it."""
    facts: dict[str, JsonValue] = Field(default_factory=dict)
    """Numbers and names."""
    reused: bool = False
    """It was looked at for an earlier question about the same commit or digest."""


@dataclass(frozen=True)
class CheckResult:
    """`error` means that the question could not be answered, which is never a pass."""

    name: str
    result: Result
    text: str
    fix: str | None = None
    duration_s: float = 0.0
    code: str | None = None
    """Code of the error this leads to; None means `step_failed`."""
    evidence: Evidence | None = None

    @property
    def blocks(self) -> bool:
        return self.result in ("fail", "error")
