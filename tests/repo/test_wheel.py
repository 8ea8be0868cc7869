"""The wheel people install: what is in it, and that it runs inside somebody else's repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

import orchestrate
from tests.support.real import need_program
from tests.support.repository import ROOT, tracked
from tests.support.snapshot import Snapshot

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

PINNED = Path(__file__).with_name("wheel_files.txt")
HOSTILE = ("server", "tools", "store", "core", "cli", "engine", "providers", "prompts")


@dataclass(frozen=True)
class Built:
    """A wheel, the sdist it was built from, and a fresh environment that has the wheel."""

    wheel: Path
    sdist: Path
    program: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    place = tmp_path_factory.mktemp("wheel")
    tree = copy_tracked(place / "tree")
    backend = ("--no-build-isolation", "--python", sys.executable)
    uv("build", *backend, "--out-dir", str(place), cwd=tree)
    (wheel,) = place.glob("*.whl")
    (sdist,) = place.glob("*.tar.gz")
    return Built(wheel, sdist, install(wheel, place / "venv"))


@pytest.fixture
def users_repository(tmp_path: Path) -> Path:
    """A repository with packages of its own under our folders' names; each ends who imports it."""
    for name in HOSTILE:
        package = tmp_path / name
        package.mkdir()
        (package / "__init__.py").write_text(
            f"raise SystemExit('imported the package {name} of the working directory')\n",
            encoding="utf-8",
        )
    return tmp_path


def test_the_wheel_holds_the_package_and_nothing_else(built: Built, snapshot: Snapshot) -> None:
    with zipfile.ZipFile(built.wheel) as wheel:
        names = sorted(name for name in wheel.namelist() if not name.endswith("/"))
    info = f"orchestrate_mcp-{orchestrate.__version__}.dist-info"
    assert {name.split("/")[0] for name in names} == {"orchestrate", info}
    snapshot.check(PINNED, "".join(f"{name}\n" for name in names).replace(info, "dist-info"))


def test_every_file_of_the_package_reaches_the_wheel(built: Built) -> None:
    source = {str(p.relative_to("src")) for p in tracked() if p.parts[:2] == ("src", "orchestrate")}
    with zipfile.ZipFile(built.wheel) as wheel:
        assert source - set(wheel.namelist()) == set()


def test_the_sdist_holds_each_module_once(built: Built) -> None:
    with tarfile.open(built.sdist) as sdist:
        members = [member.name.split("/", 1)[-1] for member in sdist.getmembers()]
    modules = [name for name in members if name.endswith(".py")]
    assert len(set(modules)) == len(modules)
    assert [name for name in modules if not name.startswith("src/orchestrate/")] == []


def test_the_installed_program_says_its_version(built: Built, users_repository: Path) -> None:
    out = run(built.program, "--version", cwd=users_repository)
    assert (out.returncode, out.stderr) == (0, "")
    assert orchestrate.__version__ in out.stdout


def test_the_installed_program_explains_itself(built: Built, users_repository: Path) -> None:
    out = run(built.program, "--help", cwd=users_repository)
    assert (out.returncode, out.stderr) == (0, "")
    assert "deploy" in out.stdout


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_of_the_users_own_is_taken_from_or_by_us(
    built: Built, users_repository: Path, name: str
) -> None:
    python = built.program.with_name("python")
    ours = run(python, "-c", f"import orchestrate.{name}", cwd=users_repository)
    assert (ours.returncode, ours.stderr) == (0, "")
    theirs = run(python, "-c", f"import {name}", cwd=users_repository)
    assert f"imported the package {name} of the working directory" in theirs.stderr


def copy_tracked(target: Path) -> Path:
    """Copy what git tracks as it stands in the tree, so that a stray file cannot make the wheel."""
    for path in tracked():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, target / path, follow_symlinks=False)
    return target


def install(wheel: Path, venv: Path) -> Path:
    uv("venv", "--python", sys.executable, str(venv))
    python = str(venv / "bin" / "python")
    lock = str(ROOT / "requirements.lock")
    uv("pip", "install", "--python", python, "--require-hashes", "--requirements", lock)
    uv("pip", "install", "--python", python, "--no-deps", "--no-index", str(wheel))
    return venv / "bin" / "orchestrate"


def uv(*arguments: str, cwd: Path | None = None) -> None:
    program = need_program("uv", "make setup")
    environment = {k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"}
    # The build backend is a program in our own environment's bin.
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    out = subprocess.run(
        [program, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=240
    )
    assert out.returncode == 0, out.stderr


def run(program: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a program as its user would, in the worst of working directories."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(cwd),
        "ORCHESTRATE_HOME": str(cwd / "state"),
        "PYTHONPATH": ".",
    }
    return subprocess.run(
        [str(program), *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
