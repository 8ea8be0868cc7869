"""The roots of the tree."""

from collections.abc import Iterable, Mapping
from typing import ClassVar

Details = Mapping[str, str | int | float | bool | None]


class OrchestrateError(Exception):
    """Base of all. `code` names the class, `status` is the HTTP answer, `exit_code` the CLI's."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        message: str,
        *,
        why: Iterable[str] = (),
        fix: Iterable[str] = (),
        details: Details | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.why = tuple(why)
        self.fix = tuple(fix)
        self.details: Details = dict(details or {})
        self.retry_after_s = retry_after_s

    @property
    def retryable(self) -> bool:
        """Whether the same call may succeed later without anything being changed."""
        return isinstance(self, TemporaryError)

    def as_dict(self) -> dict[str, object]:
        """The error as every door shows it (the `error` member of orchestrate.error.v1)."""
        return {
            "code": self.code,
            "message": self.message,
            "why": list(self.why),
            "fix": list(self.fix),
            "retryable": self.retryable,
            "retry_after_s": self.retry_after_s,
            "details": dict(self.details),
        }


class PermanentError(OrchestrateError):
    """The same call will fail again."""

    code = "permanent"


class TemporaryError(OrchestrateError):
    """Worth trying again."""

    code = "temporary"
    status = 503


class NoDataError(OrchestrateError):
    """The answer is not known; neither pass nor fail."""

    code = "no_data"
    status = 503
