"""Time counts while somebody looks: a pause of the service is nobody's fault."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrate.engine.executors.look import SLACK_S, elapsed, watched

pytestmark = pytest.mark.unit


def test_the_first_look_has_watched_nothing() -> None:
    assert elapsed(watched({}, 1000.0)) == 0


def test_time_between_looks_counts() -> None:
    memory = watched({}, 1000.0)
    memory = watched({**memory, "again": 0.5}, 1000.7)
    assert elapsed(memory) == pytest.approx(0.7)


@pytest.mark.trap(56)
def test_a_service_that_was_down_for_an_hour_has_watched_seconds_of_it() -> None:
    memory = watched({}, 1000.0)
    memory = watched({**memory, "again": 0.5}, 4600.0)
    assert elapsed(memory) == pytest.approx(2 * 0.5 + SLACK_S)


@pytest.mark.trap(56)
def test_a_clock_that_goes_back_takes_nothing_away() -> None:
    memory = watched({"watched": 7.0, "last": 1000.0, "again": 1.0}, 400.0)
    assert elapsed(memory) == 7.0


@given(st.lists(st.floats(-100, 100), max_size=30))
def test_what_was_watched_never_shrinks(steps: list[float]) -> None:
    now, memory = 1000.0, watched({}, 1000.0)
    for step in steps:
        now += step
        before = elapsed(memory)
        memory = watched({**memory, "again": 1.0}, now)
        assert before <= elapsed(memory) <= before + 2 + SLACK_S
