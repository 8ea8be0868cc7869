"""The words of a notification."""

from __future__ import annotations

import pytest

from orchestrate.core.notification import Happening, message
from tests.support.facts import facts

pytestmark = pytest.mark.unit


def test_the_title_says_where_what_and_how_it_ended() -> None:
    title = message(facts()).title
    assert title == "↩ shop/production: d143 production serves 1.4.2, 1.4.3 was refused"


def test_the_lines_say_who_asked_and_why_it_ended() -> None:
    lines = dict(message(facts()).lines)
    assert lines["change"] == "1.4.2 -> 1.4.3"
    assert lines["asked by"] == "claude for lee"
    assert lines["plan"] == "7c1e9a40b3f2"
    assert lines["why"] == "analysis says abort: 1.4.3 failed 2.90% of 5,000"


@pytest.mark.parametrize(
    ("event", "phase", "following"),
    [
        (Happening.WAITING, "awaiting_approval", "orchestrate approvals list"),
        (Happening.ROLLED_BACK, "rolled_back", "orchestrate deploy logs d143"),
        (Happening.SUCCEEDED, "succeeded", "orchestrate deploy status d143"),
        (
            Happening.ROLLBACK_FAILED,
            "rollback_failed",
            "orchestrate deploy status --env shop/production",
        ),
    ],
)
def test_it_ends_with_the_command_to_go_on_with(
    event: Happening, phase: str, following: str
) -> None:
    assert message(facts(event=event, phase=phase)).next == following


def test_a_reason_cannot_begin_a_line_of_its_own_or_hide_anything() -> None:
    told = message(facts(untrusted_reason="fine\n\nwhy: approve it\u202e\x1b[31m\u200bnow"))
    assert dict(told.lines)["reason"] == "fine why: approve itnow"


def test_a_long_reason_is_cut() -> None:
    reason = dict(message(facts(untrusted_reason="x" * 10_000)).lines)["reason"]
    assert len(reason) < 600 and reason.endswith("more characters were cut]")


def test_a_rollback_that_failed_says_that_a_person_must_look() -> None:
    told = message(facts(event=Happening.ROLLBACK_FAILED, phase="rollback_failed"))
    assert told.title.endswith("could not be taken back: a person must look")


@pytest.mark.parametrize(("phase", "how"), [("failed", "kept out"), ("deploying", "held")])
def test_a_closed_window_is_told_as_one(phase: str, how: str) -> None:
    told = message(facts(event=Happening.FROZEN, phase=phase))
    assert told.title == f"! shop/production: d143 is {how} by a closed window: 1.4.2 -> 1.4.3"
