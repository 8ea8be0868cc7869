"""The table of attacks says how each one ended."""

import pytest

from tests.support.attacks import MARKER, table


def report(outcome: str, *marks: tuple[str, str, str]) -> pytest.TestReport:
    return pytest.TestReport(
        nodeid="x",
        location=("x", 1, "x"),
        keywords={},
        outcome=outcome,  # type: ignore[arg-type]  # one of the three words
        longrepr=None,
        when="call",
        user_properties=[("attack", mark) for mark in marks],
    )


WIDER = ("ID03", "a wider token", "refused")
BYTE = ("AU01", "a byte is changed", "found")


def test_an_attack_that_was_held_shows_its_outcome() -> None:
    assert table([report("passed", WIDER), report("passed", WIDER)]) == [
        "ID    ATTACK         OUTCOME",
        "ID03  a wider token  refused",
        "attacks: 1 held=1 not_held=0",
    ]


@pytest.mark.parametrize(("outcome", "said"), [("failed", "NOT HELD"), ("skipped", "not run")])
def test_one_test_that_did_not_pass_is_enough_to_say_so(outcome: str, said: str) -> None:
    lines = table([report("passed", WIDER), report(outcome, WIDER), report("passed", BYTE)])
    assert lines[1] == "AU01  a byte is changed  found"
    assert lines[2].endswith(said)
    assert lines[3] == "attacks: 2 held=1 not_held=1"


def test_no_table_where_nothing_was_attacked() -> None:
    assert table([report("passed")]) == []


def test_the_mark_is_explained() -> None:
    assert MARKER.startswith("attack(id, attack, outcome):")
