"""Masking: no form of a value is left in a text, and nothing else is taken out of it."""

from __future__ import annotations

import base64
import html
import json
import shlex
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrate.core.redact import Redactor, redact
from orchestrate.core.secret import MASK, Secret

pytestmark = pytest.mark.unit

VALUE = 'p@ss "wörd"/+%&\'x\\1'


@pytest.mark.parametrize(
    "form",
    [
        VALUE,
        base64.b64encode(VALUE.encode()).decode(),
        base64.urlsafe_b64encode(VALUE.encode()).decode().rstrip("="),
        quote(VALUE),
        quote(VALUE, safe=""),
        quote_plus(VALUE),
        quote(VALUE, safe="!~*'()"),
        "".join(f"%{byte:02x}" for byte in VALUE.encode()),
        VALUE.replace("%", "%25").replace('"', "%22"),
        json.dumps(VALUE),
        json.dumps(VALUE, ensure_ascii=False),
        json.dumps(json.dumps({"a": VALUE})),
        repr(VALUE),
        shlex.quote(VALUE),
        html.escape(VALUE),
        VALUE.encode().hex(),
        VALUE[::-1],
        VALUE[len(VALUE) // 2 :] + VALUE[: len(VALUE) // 2],
    ],
)
def test_a_value_is_masked_in_every_form(form: str) -> None:
    found = redact(f"before {form} after", [Secret(VALUE)])
    assert MASK in found and form not in found and "wörd" not in found
    assert found.startswith("before ") and found.endswith(" after")


@pytest.mark.parametrize("before", ["", "a", "ab", "user:", "longer-user:"])
def test_a_value_within_something_longer_is_masked_in_base64(before: str) -> None:
    whole = base64.b64encode(f"{before}{VALUE}".encode()).decode()
    found = redact(f"Authorization: Basic {whole}", [VALUE])
    assert MASK in found
    rest = found.removeprefix("Authorization: Basic ").replace(MASK, "")
    assert len(rest) <= len(base64.b64encode(before.encode())) + 6


def test_each_line_of_a_value_of_several_is_masked_and_its_frame_is_not() -> None:
    begin, end = "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----"
    key = f"{begin}\nMIIEvAIBADANBgkqhkiG9w0\nBAQEFAASCBKYwggSiAgEAA\n{end}\n"
    found = redact("x MIIEvAIBADANBgkqhkiG9w0\n-----BEGIN PRIVATE KEY-----", [key])
    assert found == f"x {MASK}\n-----BEGIN PRIVATE KEY-----"


@pytest.mark.attack("SK06", "a secret of three letters would mask half of a log", "not looked for")
def test_a_short_value_destroys_no_output() -> None:
    assert redact("the error is at line 7", ["err", "e", "7", ""]) == "the error is at line 7"


def test_the_longest_value_is_masked_whole() -> None:
    assert redact("secret-password-2", ["secret-password", "secret-password-2"]) == MASK


def test_a_token_of_ours_is_masked_without_being_told() -> None:
    token = "orca_" + "a1B2" * 14 + "zz"
    assert redact(f"bearer {token}.") == f"bearer orca_{MASK}."
    assert redact("orca_short and xorca_" + "a" * 58) == "orca_short and xorca_" + "a" * 58


@given(st.text(min_size=8), st.text(max_size=30), st.text(max_size=30))
def test_no_value_is_left(value: str, before: str, after: str) -> None:
    mask = Redactor([value])
    for form in (value, json.dumps(value)[1:-1], quote(value.encode("utf-8", "surrogatepass"))):
        found = mask(before + form + after)
        assert value not in found.replace(MASK, "\0")
