"""docs/traps.md: every trap is held by a test that is there and says so, or by a reason."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator

import pytest

from tests.support.repository import ROOT

pytestmark = pytest.mark.unit

ROW = re.compile(r"^\| (\d+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
CONCERNED = range(1, 63)


def page() -> dict[int, str]:
    """What holds each trap, by its number."""
    text = (ROOT / "docs" / "traps.md").read_text(encoding="utf-8")
    return {int(number): held.strip() for number, _, held in ROW.findall(text)}


def named() -> set[tuple[int, str]]:
    """The tests of the page, with the number of their trap."""
    return {
        (n, test) for n, held in page().items() for test in re.findall(r"`(tests/[^`]+)`", held)
    }


def marked() -> Iterator[tuple[int, str]]:
    """The tests that bear the mark."""
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.trap":
                    (number,) = mark.args
                    assert isinstance(number, ast.Constant) and isinstance(number.value, int)
                    yield number.value, f"{path.relative_to(ROOT)}::{node.name}"


def test_every_trap_that_concerns_us_has_its_line() -> None:
    assert sorted(set(CONCERNED) ^ page().keys()) == []


def test_every_line_names_a_test_or_a_reason() -> None:
    reasons = {n: held for n, held in page().items() if "`tests/" not in held}
    assert [n for n, held in reasons.items() if len(held) < 40 or "a matter of" in held] == []
    # What is not built yet is no reason for ever.
    assert {n for n, held in reasons.items() if " yet; " in held} <= {42, 43}


def test_every_test_on_the_page_is_there_and_bears_the_mark() -> None:
    assert sorted(named() - set(marked())) == []


def test_every_marked_test_is_on_the_page() -> None:
    assert sorted(set(marked()) - named()) == []


def test_no_trap_is_held_by_a_reason_where_a_test_could_be_named() -> None:
    found: dict[int, list[str]] = defaultdict(list)
    for number, test in marked():
        found[number].append(test)
    assert [n for n, held in page().items() if found[n] and "`tests/" not in held] == []
