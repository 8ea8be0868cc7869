"""Reports of other tools, read with suspicion: what they hold is text from outside.

Pure: bytes in, counts and findings out. A report that is not what it should be is ReportInvalid,
which is no answer and therefore never a pass.
"""

from dataclasses import dataclass

from orchestrate.core.errors import ReportInvalid
from orchestrate.core.validation import SEVERITIES, Severity

MOST_BYTES = 32 << 20


@dataclass(frozen=True)
class Finding:
    """One thing that a scan found."""

    id: str
    text: str
    """What and where, in a line."""
    severity: Severity | None
    """None: the tool does not say, which counts as the worst."""
    names: tuple[str, ...] = ()
    """Other names it is known by."""

    def at_least(self, threshold: Severity) -> bool:
        if self.severity is None:
            return True
        return SEVERITIES.index(self.severity) >= SEVERITIES.index(threshold)


@dataclass(frozen=True)
class Scan:
    """What a scan looked at, and what it found."""

    tool: str
    findings: tuple[Finding, ...]
    looked_at: int
    """Dependencies, rules or files; what `unit` says."""
    unit: str
    missed: tuple[str, ...] = ()
    """What the tool says that it could not look at."""


def refuse_large(content: bytes, what: str) -> None:
    if len(content) > MOST_BYTES:
        raise ReportInvalid(f"{what} is larger than {MOST_BYTES >> 20} MiB")
    if not content.strip():
        raise ReportInvalid(f"{what} is empty")
