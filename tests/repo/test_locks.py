"""The locks: hashed, without an address, in step with pyproject.toml, free of what must stay out.

Runs without a network, as part of `make check`.
"""

from __future__ import annotations

import re
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.support.repository import ROOT, tracked

pytestmark = pytest.mark.unit

RUN = ROOT / "requirements.lock"
DEV = ROOT / "requirements-dev.lock"
BOOTSTRAP = ROOT / "requirements-bootstrap.lock"
LOCKS = (RUN, DEV, BOOTSTRAP)

FORBIDDEN = {
    "httpx": "no release since 2024; httpx2 is the one HTTP stack",
    "urllib3-future": "it overwrites urllib3 in site-packages",
    "niquests": "it brings urllib3-future",
    "typer": "click alone starts three times faster",
    "fastapi": "routes come from TOOLS",
}
PIN = re.compile(r"^(?P<requirement>[A-Za-z0-9][^\s;]*==\S+)(?P<marker> ; [^\\]+)? \\$")


@dataclass(frozen=True)
class Pin:
    """One locked version, and how many hashes it may be installed by."""

    name: str
    version: Version
    hashes: int


def pins(lock: Path) -> list[Pin]:
    found: list[Pin] = []
    for line in lock.read_text(encoding="utf-8").splitlines():
        if line.startswith("    --hash=sha256:"):
            last = found[-1]
            found[-1] = Pin(last.name, last.version, last.hashes + 1)
        elif not line.lstrip().startswith("#"):
            match = PIN.match(line)
            assert match, f"{lock.name}: not a pinned and hashed requirement: {line}"
            requirement = Requirement(match["requirement"])
            version = str(requirement.specifier).removeprefix("==")
            found.append(Pin(canonicalize_name(requirement.name), Version(version), 0))
    return found


def project() -> dict[str, dict[str, dict[str, list[str]] | list[str]]]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_version_is_pinned_by_hash(lock: Path) -> None:
    assert pins(lock)
    assert [pin.name for pin in pins(lock) if pin.hashes == 0] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_no_address_is_committed(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    assert re.findall(r"\w+://\S+|--(?:\w+-)*index(?:-url)?\b.*|--find-links.*|.* @ .*", text) == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_what_must_stay_out_is_out(lock: Path) -> None:
    names = {pin.name for pin in pins(lock)}
    assert {name: why for name, why in FORBIDDEN.items() if name in names} == {}


def test_what_users_get_is_locked_in_step_with_the_project() -> None:
    direct = project()["project"]["dependencies"]
    assert isinstance(direct, list)
    assert unsatisfied(direct, RUN) == []


def test_what_developers_get_is_locked_in_step_with_the_project() -> None:
    declared = project()
    direct = declared["project"]["dependencies"]
    extras = declared["project"]["optional-dependencies"]
    assert isinstance(direct, list)
    assert isinstance(extras, dict)
    groups = [names for names in declared["dependency-groups"].values() if isinstance(names, list)]
    wanted = [*direct, *extras["edge"], *(name for names in groups for name in names)]
    assert unsatisfied(wanted, DEV) == []


def test_developers_test_the_versions_users_get() -> None:
    developed = {(pin.name, pin.version) for pin in pins(DEV)}
    assert [pin for pin in pins(RUN) if (pin.name, pin.version) not in developed] == []


def test_no_lock_with_addresses_is_tracked() -> None:
    addressed = {"uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock"}
    assert [path for path in tracked() if path.name in addressed] == []


def test_a_uv_lock_made_by_habit_is_ignored() -> None:
    ignored = subprocess.run(["git", "check-ignore", "--quiet", "uv.lock"], cwd=ROOT)
    assert ignored.returncode == 0


def unsatisfied(wanted: list[str], lock: Path) -> list[str]:
    """Return the requirements which no pin of a lock satisfies; `make lock` mends them."""
    locked = pins(lock)
    return [
        text
        for text in wanted
        if not any(
            canonicalize_name(requirement.name) == pin.name
            and requirement.specifier.contains(pin.version, prereleases=True)
            for requirement in [Requirement(text)]
            for pin in locked
        )
    ]
