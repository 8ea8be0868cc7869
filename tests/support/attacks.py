"""Attacks: tests that carry the id of a case of the threat model, and the table of how they ended.

    @pytest.mark.attack("ID03", "a deployer mints a token wider than its own", "refused")
    def test_a_token_is_never_wider_than_its_parent() -> None: ...

The three words are the case's id (letters, two digits), what is attempted, and what comes of it
while the test passes. A test may carry several marks, and a mark several tests (or parameters).
At the end of a run the table `ID  ATTACK  OUTCOME` shows every mark that ran: its outcome where
all its tests passed, `NOT HELD` where one failed, `not run` where one was skipped.
docs/security.md has a line for each case that cannot occur here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

import pytest

MARKER = "attack(id, attack, outcome): a case of the threat model; see tests/support/attacks.py"
_PROPERTY = "attack"
_ID = re.compile(r"[A-Z]{2}[0-9]{2}")


class Attack(NamedTuple):
    """One mark."""

    id: str
    attack: str
    outcome: str


def note(item: pytest.Item) -> None:
    """Have the reports of a test carry its marks: they travel so from the workers of xdist too.

    Raises UsageError for a mark that is not three texts, the first of them an id.
    """
    for mark in item.iter_markers("attack"):
        words = [word for word in mark.args if isinstance(word, str) and word]
        if len(words) != 3 or mark.kwargs or not _ID.fullmatch(words[0]):
            raise pytest.UsageError(f"{item.nodeid}: attack takes an id, the attack, the outcome")
        item.user_properties.append((_PROPERTY, tuple(words)))


def table(reports: Iterable[pytest.TestReport]) -> list[str]:
    """The lines of the table; none when no test with a mark ran."""
    found: dict[Attack, set[str]] = {}
    for report in reports:
        for name, value in report.user_properties:
            if name == _PROPERTY and isinstance(value, tuple | list):
                found.setdefault(Attack(*map(str, value)), set()).add(report.outcome)
    if not found:
        return []
    width = max(len("ATTACK"), *(len(each.attack) for each in found))
    lines = [f"{'ID':<6}{'ATTACK':<{width}}  OUTCOME"]
    for each in sorted(found):
        lines.append(f"{each.id:<6}{each.attack:<{width}}  {_ended(each, found[each])}")
    held = sum(outcomes == {"passed"} for outcomes in found.values())
    lines.append(f"attacks: {len(found)} held={held} not_held={len(found) - held}")
    return lines


def _ended(attack: Attack, outcomes: set[str]) -> str:
    if "failed" in outcomes:
        return "NOT HELD"
    return "not run" if "skipped" in outcomes else attack.outcome
