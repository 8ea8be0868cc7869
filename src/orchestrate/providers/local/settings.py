"""The `config` of an environment on this machine, checked."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from orchestrate.providers.settings import Reader, count, duration, size, variable, words


@dataclass(frozen=True)
class GitSource:
    """A commit of a repository. `{version}` stands for the version in `ref`."""

    repository: str
    ref: str
    subdirectory: str = ""


@dataclass(frozen=True)
class Settings:
    """What runs, where it comes from, and how much of it."""

    root: str
    """Directory that relative artifact paths start from."""
    command: tuple[str, ...]
    artifact: str | GitSource
    """A path with `{version}` in it (directory or archive), or a git source."""
    port_variable: str = "PORT"
    replicas: int = 1
    grace_s: float = 10.0
    log_bytes: int = 10 << 20
    log_files: int = 3
    keep: int = 5
    """Unpacked versions kept beside those that run."""
    most_files: int = 100_000
    most_bytes: int = 4 << 30


def settings_of(config: Mapping[str, JsonValue]) -> Settings:
    """The settings in `config`. Raises ProviderConfigInvalid with every problem at once."""
    reader = Reader("local", config)
    nothing: str | GitSource = ""
    found = Settings(
        root=reader.take("root", _absolute, ""),
        command=reader.take("command", words, ()),
        artifact=reader.take("artifact", _artifact, nothing),
        port_variable=reader.take("port_variable", variable, "PORT"),
        replicas=reader.take("replicas", count(1, 100), 1),
        grace_s=reader.take("grace", duration, 10.0),
        log_bytes=reader.take("log_size", size, 10 << 20),
        log_files=reader.take("log_files", count(0, 100), 3),
        keep=reader.take("keep", count(0, 1000), 5),
        most_files=reader.take("max_files", count(1, 10_000_000), 100_000),
        most_bytes=reader.take("max_size", size, 4 << 30),
    )
    for name, example in (
        ("command", "[python3, app.py]"),
        ("artifact", "releases/{version}"),
        ("root", "the directory of orchestrate.yaml, filled in when that is read"),
    ):
        reader.demand(name, example)
    reader.finish()
    return found


def _absolute(value: JsonValue) -> str:
    if isinstance(value, str) and os.path.isabs(value):
        return value
    raise ValueError("it must be an absolute path")


def _artifact(value: JsonValue) -> str | GitSource:
    if isinstance(value, str) and value:
        return value
    if isinstance(value, dict) and isinstance(value.get("git"), str):
        unknown = set(value) - {"git", "ref", "subdirectory"}
        ref, below = value.get("ref", "v{version}"), value.get("subdirectory", "")
        if not unknown and isinstance(ref, str) and isinstance(below, str):
            return GitSource(str(value["git"]), ref, _below(below))
    raise ValueError(
        "it must be a path such as releases/{version} or dist/app-{version}.tar.gz,"
        " or {git: REPOSITORY, ref: v{version}, subdirectory: PATH}"
    )


def _below(path: str) -> str:
    if os.path.isabs(path) or ".." in path.split("/"):
        raise ValueError("subdirectory must lie within the repository")
    return path.strip("/")
