"""The `config` of an environment on this machine, checked."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from pydantic import JsonValue

from orchestrate.core.durations import seconds
from orchestrate.core.errors import InvalidInput, ProviderConfigInvalid
from orchestrate.core.names import did_you_mean

T = TypeVar("T")
_SIZE = re.compile(r"(\d+)\s*(B|KB|MB|GB|KiB|MiB|GiB)?")
_UNITS = {
    None: 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9,
    "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30,
}  # fmt: skip


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
    reader = _Reader(config)
    nothing: str | GitSource = ""
    found = Settings(
        root=reader.take("root", _absolute, ""),
        command=reader.take("command", _command, ()),
        artifact=reader.take("artifact", _artifact, nothing),
        port_variable=reader.take("port_variable", _variable, "PORT"),
        replicas=reader.take("replicas", _count(1, 100), 1),
        grace_s=reader.take("grace", _duration, 10.0),
        log_bytes=reader.take("log_size", _size, 10 << 20),
        log_files=reader.take("log_files", _count(0, 100), 3),
        keep=reader.take("keep", _count(0, 1000), 5),
        most_files=reader.take("max_files", _count(1, 10_000_000), 100_000),
        most_bytes=reader.take("max_size", _size, 4 << 30),
    )
    for name, example in (
        ("command", "[python3, app.py]"),
        ("artifact", "releases/{version}"),
        ("root", "the directory of orchestrate.yaml, filled in when that is read"),
    ):
        reader.demand(name, example)
    reader.finish()
    return found


class _Reader:
    def __init__(self, config: Mapping[str, JsonValue]) -> None:
        self.config = dict(config)
        self.left = set(config)
        self.known: set[str] = set()
        self.problems: list[str] = []

    def take(self, name: str, read: Callable[[JsonValue], T], default: T) -> T:
        self.known.add(name)
        self.left.discard(name)
        if name not in self.config:
            return default
        try:
            return read(self.config[name])
        except (ValueError, InvalidInput) as problem:
            self.problems.append(f"{name}: {problem}")
            return default

    def demand(self, name: str, example: str) -> None:
        if name not in self.config:
            self.problems.append(f"{name} is missing; for example {example}")

    def finish(self) -> None:
        for name in sorted(self.left):
            near = did_you_mean(name, self.known)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(self.known))}"
            self.problems.append(f"{name} is not a setting of local; {hint}")
        if self.problems:
            raise ProviderConfigInvalid(
                "the config of this environment is not what provider local needs",
                why=self.problems,
                fix=["correct `config` in orchestrate.yaml"],
            )


def _absolute(value: JsonValue) -> str:
    if isinstance(value, str) and os.path.isabs(value):
        return value
    raise ValueError("it must be an absolute path")


def _command(value: JsonValue) -> tuple[str, ...]:
    if isinstance(value, list) and value and all(isinstance(part, str | int) for part in value):
        return tuple(str(part) for part in value)
    raise ValueError("it must be a list of words such as [python3, app.py]; there is no shell")


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


def _variable(value: JsonValue) -> str:
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
        return value
    raise ValueError("it must be the name of an environment variable")


def _duration(value: JsonValue) -> float:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return seconds(value)
    raise ValueError("it must be a duration such as 10s")


def _count(least: int, most: int) -> Callable[[JsonValue], int]:
    def read(value: JsonValue) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        raise ValueError(f"it must be a number from {least} to {most}")

    return read


def _size(value: JsonValue) -> int:
    found = _SIZE.fullmatch(str(value)) if isinstance(value, str | int) else None
    if found is None or isinstance(value, bool):
        raise ValueError("it must be a size such as 10MiB")
    return int(found[1]) * _UNITS[found[2]]
