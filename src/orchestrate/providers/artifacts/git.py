"""Commits of a repository, through `git` with nothing of the user's or the repository's run."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from orchestrate.core.errors import ArtifactInvalid, ArtifactMissing, ProviderUnavailable

TIMEOUT_S = 120
_SAFE = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "gc.auto=0")

_ALONE = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}


def is_local(repository: str) -> bool:
    """Whether it is a path rather than an address."""
    return "://" not in repository and ":" not in repository.split("/", 1)[0]


def commit_of(repository: str, ref: str) -> str | None:
    """The commit a ref stands for, None when there is none. Changes nothing, fetches nothing."""
    _check_ref(ref)
    if is_local(repository):
        name = f"{ref}^{{commit}}"
        found = _run(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", name)
        return found.strip() or None
    listed = _run(None, "ls-remote", "--", repository, ref, f"{ref}^{{}}").splitlines()
    return listed[-1].split()[0] if listed else None  # the peeled tag comes last


def tags(repository: str) -> list[str]:
    """Tags of a repository, newest version last."""
    if is_local(repository):
        return _run(repository, "tag", "--list", "--sort=version:refname").split()
    listed = _run(None, "ls-remote", "--tags", "--refs", "--", repository).splitlines()
    return [line.split("refs/tags/", 1)[1] for line in listed if "refs/tags/" in line]


@contextmanager
def archive(repository: str, commit: str, cache: str) -> Iterator[IO[bytes]]:
    """The files of a commit as a tar stream. A remote one is fetched into `cache` first."""
    # In a subdirectory of a work tree, archive would take only what is below it.
    folder = (
        _run(repository, "rev-parse", "--absolute-git-dir").strip()
        if is_local(repository)
        else _fetched(repository, commit, cache)
    )
    process = subprocess.Popen(
        [*_git(folder), "archive", "--format=tar", commit],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_environment(),
    )
    with process:
        assert process.stdout is not None
        yield process.stdout
        process.stdout.read()
    if process.returncode != 0:
        raise ArtifactMissing(f"commit {commit[:12]} is not in {repository} any more")


def checkout(repository: str, commit: str, directory: str) -> None:
    """The files of a commit in the new `directory`, with a history of that one commit.

    Nothing of the repository runs: no hook, no filter that an attribute names, no submodule. Raises
    ArtifactMissing when the commit cannot be had.
    """
    _run(None, "init", "--quiet", "--template=", "--", directory)
    source = os.path.abspath(repository) if is_local(repository) else repository
    wanted = ("--depth=1", "--no-tags", "--no-recurse-submodules", "--no-auto-maintenance")
    _run(directory, "fetch", "--quiet", *wanted, "--", source, commit)
    _run(
        directory, "checkout", "--quiet", "--detach", "--no-recurse-submodules", commit, alone=True
    )
    found = _run(directory, "rev-parse", "--verify", "HEAD").strip()
    if found != commit:
        raise ArtifactMissing(f"commit {commit[:12]} is not in {repository} any more")


def _fetched(repository: str, commit: str, cache: str) -> str:
    if not os.path.isdir(cache):
        _run(None, "init", "--bare", "--quiet", "--", cache)
    _run(cache, "fetch", "--quiet", "--depth=1", "--no-tags", "--", repository, commit)
    return cache


def _run(folder: str | None, *arguments: str, alone: bool = False) -> str:
    """What git says. `alone`: without the settings of the user and the machine, so that no filter
    is known that a repository could ask for."""
    try:
        done = subprocess.run(
            [*_git(folder), *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_S,
            check=False,
            stdin=subprocess.DEVNULL,
            env=_environment() | (_ALONE if alone else {}),
        )
    except subprocess.TimeoutExpired as problem:
        raise ArtifactMissing(
            f"git {arguments[0]} did not end within {TIMEOUT_S} s",
            fix=["see whether the repository can be reached"],
        ) from problem
    if done.returncode not in (0, 1):
        raise ArtifactMissing(
            f"git {arguments[0]} failed", why=done.stderr.strip().splitlines()[-3:]
        )
    return done.stdout


def _git(folder: str | None) -> list[str]:
    program = shutil.which("git")
    if program is None:
        raise ProviderUnavailable("git is not installed", fix=["apt-get install git"])
    return [program, *(("-C", folder) if folder else ()), *_SAFE]


def _environment() -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": os.environ.get("HOME", "/"),
        "LANG": "C.UTF-8",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": "file:https:ssh",
        **{k: v for k, v in os.environ.items() if k == "SSH_AUTH_SOCK"},
    }


def _check_ref(ref: str) -> None:
    if ref.startswith("-") or any(c.isspace() or c in "~^:?*[\\\0" for c in ref) or ".." in ref:
        raise ArtifactInvalid(f"{ref[:100]!r} is not a git ref")
