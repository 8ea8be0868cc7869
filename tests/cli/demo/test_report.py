"""The demonstration's last word: it must not praise what went wrong."""

from __future__ import annotations

import pytest

from orchestrate.cli.demo import report
from orchestrate.cli.demo.stage import Act
from orchestrate.cli.load import Event, Result
from orchestrate.cli.render.paint import Paint, cells

MS = 1_000_000
ACTS = [
    Act("deploy 1.3.0, blue-green", 0, 100 * MS),
    Act("roll back to 1.1.0", 200 * MS, 300 * MS),
    Act("afterwards", 300 * MS, 400 * MS),
]
GOOD = [
    Event(10 * MS, 12 * MS, "1.1.0", 200, ""),
    Event(50 * MS, 52 * MS, "1.3.0", 200, ""),
    Event(220 * MS, 238 * MS, "1.3.0", 500, "5xx"),
    Event(250 * MS, 252 * MS, "1.1.0", 201, ""),
    Event(350 * MS, 352 * MS, "1.1.0", 200, ""),
]
LOST = Event(60 * MS, 61 * MS, "-", 502, "5xx")
REFUSED = Event(60 * MS, 61 * MS, "1.2.0", 200, "")
LATE = Event(360 * MS, 361 * MS, "1.3.0", 200, "")


def test_all_promises_kept_are_all_told_as_kept() -> None:
    kept = report.promises(ACTS, _result(GOOD))
    assert [k for k, _ in kept] == [True] * 4
    assert "0 of 5 requests were lost" in kept[0][1]
    assert "38 ms after the call" in kept[2][1]


@pytest.mark.parametrize(
    ("event", "broken"), [(LOST, 0), (REFUSED, 1), (LATE, 3)], ids=["lost", "refused", "late"]
)
def test_a_broken_promise_is_told_as_broken(event: Event, broken: int) -> None:
    kept = [k for k, _ in report.promises(ACTS, _result([*GOOD, event]))]
    assert kept == [number != broken for number in range(4)]


def test_a_request_that_was_never_sent_is_lost() -> None:
    kept, sentence = report.promises(ACTS, _result(GOOD, unsent=3))[0]
    assert not kept
    assert "3 of 5 requests" in sentence


def test_a_bad_version_that_never_answered_badly_shows_nothing() -> None:
    kept, _ = report.promises(ACTS, _result([e for e in GOOD if not e.kind]))[2]
    assert not kept


def test_the_table_has_a_row_for_each_act_and_fits_80_columns() -> None:
    lines = report.table_of(ACTS, _result([*GOOD, LOST]), Paint(80))
    assert len(lines) == 1 + len(ACTS) + 1
    assert sum(int(line[24:].split()[1]) for line in lines[1:-1]) == 6
    assert lines[1].split() == "deploy 1.3.0, blue-green 100ms 3 1 0 1.1.0 50%, 1.3.0 50%".split()
    assert lines[-1].split()[-6:] == "1 1 1.1.0 60%, 1.3.0 40%".split()
    assert max(map(cells, lines)) <= 80


def test_kept_running_it_says_where_and_how_to_end_it() -> None:
    text = "\n".join(report.what_next("/tmp/orc-1", "http://127.0.0.1:8080"))
    assert "export ORCHESTRATE_HOME=/tmp/orc-1" in text
    assert "orchestrate env delete shop --confirm shop" in text


def _result(events: list[Event], unsent: int = 0) -> Result:
    by_version: dict[str, int] = {}
    for event in events:
        by_version[event.version] = by_version.get(event.version, 0) + 1
    return Result(
        requests=len(events),
        failed=sum(1 for e in events if e.kind),
        by_kind={},
        by_status={},
        by_version=by_version,
        in_flight=0,
        unsent=unsent,
        idle_closed=0,
        lag_ms=0.0,
        events=tuple(events),
    )
