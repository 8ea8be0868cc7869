"""Names people type: what is well formed, and what they may have meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrate.core import names
from orchestrate.core.errors import InvalidInput, VersionMalformed
from orchestrate.core.names import check_name, check_version, did_you_mean, distance

pytestmark = pytest.mark.unit

ENVIRONMENTS = ["dev", "staging", "production", "eu-1"]


@pytest.mark.parametrize(
    "version", ["1.4.2", "v1", "2026-11-23.1", "1.0.0+build_5", "a", "0", "a" * 128]
)
def test_a_version_is_taken_as_it_is(version: str) -> None:
    assert check_version(version) == version


@pytest.mark.attack("SP03", "a version that begins with - or holds spaces", "refused")
@pytest.mark.attack("FS03", "a version such as .., a/b, NUL, 300 characters", "refused")
@pytest.mark.parametrize(
    "version",
    ["", ".", "..", "1..2", "-rf", "../etc", "a/b", "a b", "a\n", "a\x00", "é", "a" * 129, "1;2"],
)
def test_a_version_that_could_leave_a_path_or_a_header_is_refused(version: str) -> None:
    with pytest.raises(VersionMalformed) as caught:
        check_version(version)
    assert caught.value.fix


@pytest.mark.parametrize("name", ["staging", "eu-1", "1", "a" * 63])
def test_a_name_is_taken_as_it_is(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.attack(
    "FS03",
    "an environment or app named .., a/b, NUL, 300 characters, or with letters that look alike",
    "refused",
)
@pytest.mark.parametrize(
    "name",
    [
        *("", "Staging", "-a", "a_b", "a b", "a.b", "a\n", "é", "a" * 64),
        *("..", "a/b", "a\x00", "a" * 300, "pr\u043eduction", "a\u202e"),
    ],
)
def test_a_name_that_is_no_label_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_name(name)
    assert "63" in caught.value.why[0]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("prodution", ["production"]),
        ("stagnig", ["staging"]),
        ("eu-2", ["eu-1"]),
        ("dve", ["dev"]),
        ("qa", []),
        ("x", []),
        ("", []),
        ("completely-else", []),
    ],
)
def test_near_misses_are_offered_and_nothing_else(typed: str, meant: list[str]) -> None:
    assert did_you_mean(typed, ENVIRONMENTS) == meant


def test_the_nearest_of_many_come_first_and_three_at_most() -> None:
    known = ["web-11", "web-1", "web-2", "web-3", "web-4"]
    assert did_you_mean("web-1x", known) == ["web-1", "web-11", "web-2"]


def test_what_differs_in_length_is_not_even_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []
    monkeypatch.setattr(names, "distance", lambda one, other: compared.append(other) or 9)
    assert did_you_mean("x" * 1_000_000, ENVIRONMENTS) == []
    assert compared == []


@given(st.text("abc", max_size=6), st.text("abc", max_size=6))
def test_distance_is_the_same_both_ways_and_zero_only_for_equals(one: str, other: str) -> None:
    assert distance(one, other) == distance(other, one)
    assert (distance(one, other) == 0) == (one == other)
    assert abs(len(one) - len(other)) <= distance(one, other) <= max(len(one), len(other))


def test_neighbours_that_changed_places_are_one_edit() -> None:
    assert distance("stagnig", "staging") == 1


@pytest.mark.parametrize(
    ("lower", "higher"),
    [
        ("1.3.9", "1.4.0"),
        ("1.9", "1.10"),
        ("1.4.0-rc.1", "1.4.0"),
        ("1.4.0-rc.2", "1.4.0-rc.10"),
        ("1.4.0-1", "1.4.0-rc"),
        ("v1.4", "v2"),
        ("2026-11-22.1", "2026-11-23.1"),
    ],
)
def test_versions_are_ordered_as_people_mean_them(lower: str, higher: str) -> None:
    assert names.version_key(lower) < names.version_key(higher)


@pytest.mark.parametrize(("one", "other"), [("1.4", "1.4.0"), ("v1.0", "1"), ("1.0+a", "1.0+b")])
def test_versions_that_mean_the_same_are_equal(one: str, other: str) -> None:
    assert names.version_key(one) == names.version_key(other)


@given(st.from_regex(r"[0-9A-Za-z][0-9A-Za-z._+-]{0,20}", fullmatch=True),
       st.from_regex(r"[0-9A-Za-z][0-9A-Za-z._+-]{0,20}", fullmatch=True))  # fmt: skip
def test_any_two_versions_can_be_compared(one: str, other: str) -> None:
    first, second = names.version_key(one), names.version_key(other)
    assert (first < second) + (first > second) + (first == second) == 1
