"""The house: its short links, what each room says of itself, and how large a file may grow."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest

from tests.support.repository import ROOT, SOURCE, tracked

pytestmark = pytest.mark.unit

LINKS = ("server", "tools", "providers", "store", "prompts")
PACKAGES = sorted(path.parent for path in SOURCE.rglob("__init__.py"))
LONGEST = 450
# alembic loads its revisions by path; nothing imports them.
LOADED_BY_PATH = {SOURCE / "store" / "migrations" / "versions"}
FORBIDDEN_NAMES = {"utils", "util", "helpers", "common", "misc"}


@pytest.mark.parametrize("name", LINKS)
def test_the_link_at_the_top_leads_to_its_package_from_wherever_the_checkout_is(name: str) -> None:
    link = ROOT / name
    assert link.is_symlink()
    assert os.readlink(link) == f"src/orchestrate/{name}"
    assert (link / "__init__.py").is_file()


def test_every_folder_of_modules_is_a_package() -> None:
    holding = {path.parent for path in SOURCE.rglob("*.py")} - LOADED_BY_PATH
    assert sorted(holding) == PACKAGES


@pytest.mark.parametrize("package", PACKAGES, ids=lambda p: str(p.relative_to(SOURCE.parent)))
def test_each_package_says_what_belongs_in_it(package: Path) -> None:
    text = ast.get_docstring(ast.parse((package / "__init__.py").read_text(encoding="utf-8")))
    assert text is not None
    first = text.split("\n\n")[0]
    assert len(first.split()) >= 5
    assert first.rstrip().endswith((".", ":"))


def test_no_file_is_more_than_one_room() -> None:
    lengths = {
        str(path): len((ROOT / path).read_text(encoding="utf-8").splitlines())
        for path in tracked()
        if path.suffix == ".py"
    }
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST} == {}


def test_no_room_is_a_drawer_for_anything() -> None:
    drawers = [
        path for path in tracked() if FORBIDDEN_NAMES & {*path.parent.parts, path.stem.lower()}
    ]
    assert drawers == []
