"""Checks: questions asked before a change and after it, and what they answer."""

from dataclasses import dataclass
from typing import Literal

Result = Literal["pass", "fail", "error", "skipped"]


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

    @property
    def blocks(self) -> bool:
        return self.result in ("fail", "error")
