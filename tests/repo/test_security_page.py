"""docs/security.md tells of the attacks that tests carry, and of no others."""

import re
from pathlib import Path

import pytest

from tests.support.repository import ROOT

pytestmark = pytest.mark.unit

PAGE = ROOT / "docs" / "security.md"
CASES = ROOT / "tests" / "repo" / "security_cases.txt"
"""Every id of the threat model."""
FOUND_SINCE = {"AP16", "AP17", "SK11"}
"""What reviews have added to it: a contraction without a yes, commands exchanged after it, secrets
of this program under names of the application's."""
_MARK = re.compile(r'mark\.attack\(\s*"([A-Z]{2}\d\d)"')
_CELL = re.compile(r"^\|([^|]*)\|", re.MULTILINE)
_ID = re.compile(r"[A-Z]{2}\d\d")
_ROW = re.compile(r"^\| ([A-Z]{2}\d\d) \|", re.MULTILINE)


def test_the_page_tells_of_every_attack_and_of_none_that_was_not_tried() -> None:
    tried = set().union(*marked().values())
    told = set(_ROW.findall(PAGE.read_text(encoding="utf-8").partition("## What cannot occur")[0]))
    assert told
    assert told - tried == set(), "told, and no test carries it"
    assert tried - told == set(), "carried by a test, and not told"


def test_every_case_of_the_threat_model_is_a_test_or_has_a_reason() -> None:
    cases = CASES.read_text(encoding="utf-8").split()
    assert len(cases) == len(set(cases)) == 137
    tried = set().union(*marked().values())
    reasons = PAGE.read_text(encoding="utf-8").partition("## What cannot occur")[2]
    excused = {each for cell in _CELL.findall(reasons) for each in _ID.findall(cell)}
    assert set(cases) - tried - excused == set(), "neither a test nor a reason"
    assert tried | excused <= set(cases) | FOUND_SINCE, "an id that the threat model does not know"


def test_the_command_of_the_page_runs_every_attack() -> None:
    line = next(each for each in PAGE.read_text("utf-8").splitlines() if "make test ARGS" in each)
    named = {word.strip('"') for word in line.split() if word.strip('"').startswith("tests/")}
    named |= {line.partition('ARGS="')[2].split()[0]}
    there = {f"tests/{path.relative_to(ROOT / 'tests').parts[0]}" for path in marked()}
    assert named == there


def marked() -> dict[Path, set[str]]:
    """Of each file of tests the ids that it carries."""
    files = [p for p in (ROOT / "tests").rglob("test_*.py") if p.name != "test_attacks.py"]
    found = {path: set(_MARK.findall(path.read_text(encoding="utf-8"))) for path in files}
    return {path: ids for path, ids in found.items() if ids}
