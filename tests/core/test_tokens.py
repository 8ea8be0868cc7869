"""Tokens by their form alone, and what of scopes lies within others."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrate.core.identity import Principal, Role, narrowed, reaches, within
from orchestrate.core.redact import TOKEN, redact
from orchestrate.core.tokens import compose, parse

pytestmark = pytest.mark.unit

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
NAMES = st.sampled_from(["a", "b", "x/a", "x/b", "y/a"])
SCOPES = st.sets(NAMES, max_size=3)
ALL = [("x", "a"), ("x", "b"), ("y", "a"), ("y", "b"), ("y", "c")]


@given(
    st.sampled_from(Role), st.binary(min_size=6, max_size=6), st.binary(min_size=32, max_size=32)
)
def test_a_token_is_read_back_and_recognised(role: Role, identity: bytes, secret: bytes) -> None:
    made = compose(role, identity, secret)
    assert len(made.text) == 63
    assert parse(made.text) == made
    assert TOKEN.fullmatch(made.text)
    assert made.text[5:] not in redact(f"Bearer {made.text}, and more")


@given(st.integers(0, 62), st.sampled_from(DIGITS), st.randoms(use_true_random=False))
def test_a_slip_of_the_hand_is_no_token(at: int, digit: str, dice: random.Random) -> None:
    text = compose(Role.DEPLOYER, dice.randbytes(6), dice.randbytes(32)).text
    slipped = text[:at] + digit + text[at + 1 :]
    assert slipped == text or parse(slipped) is None


def test_what_looks_like_a_token_is_none() -> None:
    dice = random.Random(5)
    looks = ("orcd_" + "".join(dice.choices(DIGITS, k=58)) for _ in range(20_000))
    assert not any(map(parse, looks))
    assert parse("") is None and parse("orcd_" + "é" * 58) is None


@given(SCOPES, SCOPES)
def test_what_lies_within_two_scopes_is_what_both_hold(one: set[str], other: set[str]) -> None:
    both = narrowed(one, other)
    for app, name in ALL:
        held = reaches(one, app, name) and reaches(other, app, name)
        assert held == (both is not None and reaches(both, app, name))


@given(SCOPES, SCOPES)
def test_a_scope_within_another_reaches_nothing_more(outer: set[str], inner: set[str]) -> None:
    if within(outer, inner):
        assert all(reaches(outer, *each) for each in ALL if reaches(inner, *each))


@pytest.mark.parametrize(
    ("roles", "may"),
    [
        ({Role.VIEWER}, {Role.VIEWER}),
        ({Role.DEPLOYER}, {Role.VIEWER, Role.DEPLOYER}),
        ({Role.APPROVER}, {Role.VIEWER, Role.APPROVER}),
        ({Role.ADMIN}, {Role.VIEWER, Role.DEPLOYER, Role.ADMIN}),
        (set(), set()),
    ],
)
def test_a_role_brings_those_below_it_and_approving_stands_aside(
    roles: set[Role], may: set[Role]
) -> None:
    principal = Principal("lee", "lee", roles=frozenset(roles))
    assert {role for role in Role if principal.may(role)} == may
