"""The error tree: each code is one class, keeps its meaning, and is described for people."""

import json
import re
from pathlib import Path

import pytest

from orchestrate.core import errors
from orchestrate.core.error_codes import from_dict, known
from orchestrate.core.errors import (
    OrchestrateError,
    PermanentError,
    RateLimited,
    TemporaryError,
    UnknownEnvironment,
    UsageProblem,
)

pytestmark = pytest.mark.unit

PAGE = Path(__file__).parents[2] / "docs" / "errors.md"


def classes() -> list[type[OrchestrateError]]:
    found = (each for each in vars(errors).values() if isinstance(each, type))
    return [each for each in found if issubclass(each, OrchestrateError)]


def sections() -> dict[str, str]:
    """Text below each `### \\`code\\`` heading."""
    parts = re.split(r"^### `(\w+)`\n", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_class_has_a_code_of_its_own() -> None:
    assert sorted(each.code for each in classes()) == sorted({each.code for each in classes()})
    assert all("code" in vars(each) for each in classes())


def test_every_code_is_known_and_spelt_alike() -> None:
    assert set(classes()) <= set(known().values())
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", code) for code in known())


def test_only_what_was_asked_wrongly_exits_with_two() -> None:
    for each in classes():
        assert each.exit_code == (2 if issubclass(each, UsageProblem) else 1)


def test_every_error_has_an_http_answer_of_its_kind() -> None:
    for each in classes():
        assert 400 <= each.status < 600
        if issubclass(each, UsageProblem):
            assert each.status < 500


def test_only_temporary_errors_are_worth_a_retry() -> None:
    assert {each for each in classes() if each("x").retryable} == {
        each for each in classes() if issubclass(each, TemporaryError)
    }


def test_every_code_has_a_section_in_the_reference_and_no_section_is_left_over() -> None:
    assert sorted(sections()) == sorted(each.code for each in classes())


@pytest.mark.parametrize("code", sorted(each.code for each in classes()))
def test_each_section_says_what_to_do(code: str) -> None:
    text = sections()[code]
    assert "**What to do:**" in text
    kind = known()[code]
    assert f"HTTP {kind.status}" in text
    assert f"exit code {kind.exit_code}" in text


def test_an_error_survives_the_way_to_a_client() -> None:
    sent = RateLimited(
        "too many", why=["60 a minute"], fix=["wait"], details={"limit": 60}, retry_after_s=2.5
    )
    got = from_dict(json.loads(json.dumps(sent.as_dict())))
    assert type(got) is RateLimited
    assert got.as_dict() == sent.as_dict()
    assert str(got) == "too many"


def test_an_unknown_code_is_permanent_and_keeps_its_words() -> None:
    got = from_dict({"code": "from_the_future", "message": "m", "why": ["w"], "fix": ["f"]})
    assert type(got) is PermanentError
    assert (got.message, got.why, got.fix) == ("m", ("w",), ("f",))


def test_an_error_shows_everything_it_knows() -> None:
    error = UnknownEnvironment("there is no environment x", why=["known are dev"], fix=["dev?"])
    assert error.as_dict() == {
        "code": "unknown_environment",
        "message": "there is no environment x",
        "why": ["known are dev"],
        "fix": ["dev?"],
        "retryable": False,
        "retry_after_s": None,
        "details": {},
    }
