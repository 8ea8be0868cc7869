"""Clean checkouts of a commit, also of repositories that want to run something."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from orchestrate.core.errors import ArtifactInvalid, ArtifactMissing
from orchestrate.providers.artifacts import git
from tests.support.real import need_program

pytestmark = pytest.mark.system


def do(folder: Path, *arguments: str) -> str:
    program = need_program("git", "apt-get install git")
    who = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        [program, "-C", str(folder), *who, *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    path = tmp_path / "repository"
    path.mkdir()
    do(path, "init", "-q", "-b", "main")
    (path / "app.py").write_text("one\n")
    do(path, "add", ".")
    do(path, "commit", "-qm", "one")
    return path


def test_a_checkout_holds_the_commit_and_not_what_is_changed_beside_it(
    repository: Path, tmp_path: Path
) -> None:
    commit = do(repository, "rev-parse", "HEAD")
    (repository / "app.py").write_text("not committed\n")
    git.checkout(str(repository), commit, str(tmp_path / "out"))
    assert (tmp_path / "out" / "app.py").read_text() == "one\n"
    assert do(tmp_path / "out", "rev-parse", "HEAD") == commit


@pytest.mark.attack("SP04", "hooks, filters, fsmonitor and submodules of a repository", "none runs")
def test_nothing_of_the_repository_runs(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = tmp_path / "X"
    script = tmp_path / "evil.sh"
    script.write_text(f"#!/bin/sh\ntouch {marker}\ncat\n")
    script.chmod(0o755)
    for hook in ("post-checkout", "post-merge", "reference-transaction", "pre-auto-gc"):
        (repository / ".git" / "hooks" / hook).write_text(f"#!/bin/sh\ntouch {marker}\n")
        (repository / ".git" / "hooks" / hook).chmod(0o755)
    # The user's own settings know a filter of that name, as they know git-lfs.
    user = tmp_path / "user"
    user.mkdir()
    (user / ".gitconfig").write_text(
        f'[filter "evil"]\n smudge = {script}\n process = {script}\n required = true\n'
        f"[core]\n fsmonitor = {script}\n"
    )
    (repository / ".gitattributes").write_text("* filter=evil\n")
    (repository / ".gitmodules").write_text(
        f'[submodule "s"]\n path = s\n url = ext::sh -c "touch {marker}"\n'
        f" update = !touch {marker}\n"
    )
    do(repository, "add", ".gitattributes", ".gitmodules")
    do(repository, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},s")
    do(repository, "-c", "core.hooksPath=/dev/null", "commit", "-qm", "evil")
    commit = do(repository, "rev-parse", "HEAD")
    marker.unlink(missing_ok=True)
    monkeypatch.setenv("HOME", str(user))
    git.checkout(str(repository), commit, str(tmp_path / "out"))
    assert (tmp_path / "out" / "app.py").exists()
    assert not marker.exists()


@pytest.mark.attack(
    "SP03", "a ref or a repository that begins with -", "refused, or taken as a name"
)
@pytest.mark.parametrize(
    "ref", ["--upload-pack=touch X", "-oProxyCommand=x", "--format=%(x)", "a b"]
)
def test_a_ref_is_no_option(repository: Path, tmp_path: Path, ref: str) -> None:
    with pytest.raises(ArtifactInvalid):
        git.commit_of(str(repository), ref)
    with pytest.raises(ArtifactMissing):
        git.checkout("--upload-pack=touch X", "1" * 40, str(tmp_path / "out"))


@pytest.mark.attack("SP04", "a repository address that runs a program", "refused")
def test_an_address_that_is_a_command_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactMissing):
        git.checkout(f"ext::touch {tmp_path}/X", "1" * 40, str(tmp_path / "out"))
    assert not (tmp_path / "X").exists()


def test_a_commit_that_is_not_there_is_said(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtifactMissing):
        git.checkout(str(repository), "1" * 40, str(tmp_path / "out"))
