"""The matrix of the contract: each provider by each case, printed at the end of a run.

Hooks for tests/conftest.py. They run where the reports arrive, so it is whole under xdist too.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import pytest

SIGNS = {"passed": "+", "failed": "F", "skipped": "s", "cannot": "-"}


@dataclass
class Matrix:
    """Outcomes by case and platform; reasons by platform and what they are given for."""

    outcomes: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    reasons: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, report: pytest.TestReport) -> None:
        told = dict(report.user_properties)
        platform = told.get("platform")
        if platform is None or (report.when == "teardown" and report.passed):
            return
        case = _case(report.nodeid, str(platform))
        outcome = "cannot" if "cannot" in told and report.skipped else report.outcome
        before = self.outcomes[case].get(str(platform))
        if before in (None, "passed"):
            self.outcomes[case][str(platform)] = outcome
        if outcome == "cannot":
            self.reasons[(str(platform), str(told["cannot"]))].append(case)

    def lines(self) -> list[str]:
        """A line a case, and below them every reason once."""
        platforms = sorted({name for found in self.outcomes.values() for name in found})
        width = max(map(len, self.outcomes), default=0)
        found = [f"{'':{width}}  " + "  ".join(platforms)]
        for case, by in sorted(self.outcomes.items()):
            signs = [f"{SIGNS.get(by.get(p, ''), ' '):^{len(p)}}" for p in platforms]
            found.append(f"{case:{width}}  " + "  ".join(signs).rstrip())
        found.append("+ passed, F failed, s skipped for a missing part, - cannot by nature:")
        for (platform, reason), cases in sorted(self.reasons.items()):
            found.append(f"  {platform}: {reason} ({len(cases)} cases)")
        return found


matrix = Matrix()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    matrix.add(report)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if matrix.outcomes:
        terminalreporter.section("contract: provider by case")
        for line in matrix.lines():
            terminalreporter.line(line)


def _case(nodeid: str, platform: str) -> str:
    """`Class::test[local-x]` as `Class: outcome in words [x]`."""
    _, _, name = nodeid.partition("::")
    where, _, parameters = name.partition("[")
    kept = [p for p in parameters.rstrip("]").split("-", 1)[1:] if p != platform]
    words = where.replace("Test", "", 1).replace("::test_", ": ").replace("_", " ")
    return words + (f" [{kept[0]}]" if kept else "")
