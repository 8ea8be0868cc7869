"""docs/security.md tells of the attacks that tests carry, and of no others."""

import re

import pytest

from tests.support.repository import ROOT

pytestmark = pytest.mark.unit

PAGE = ROOT / "docs" / "security.md"
_MARK = re.compile(r'mark\.attack\(\s*"([A-Z]{2}\d\d)"')
_ROW = re.compile(r"^\| ([A-Z]{2}\d\d) \|", re.MULTILINE)


def test_the_page_tells_of_every_attack_and_of_none_that_was_not_tried() -> None:
    files = [p for p in (ROOT / "tests").rglob("test_*.py") if p.name != "test_attacks.py"]
    tried = {name for path in files for name in _MARK.findall(path.read_text(encoding="utf-8"))}
    told = set(_ROW.findall(PAGE.read_text(encoding="utf-8").partition("## What cannot occur")[0]))
    assert told
    assert told - tried == set(), "told, and no test carries it"
    assert tried - told == set(), "carried by a test, and not told"
