"""Reads the `config` of an environment: each setting by a function, every problem told at once.

What belongs here: the reader, the kinds of value that the settings of several providers have, and
the variables that an application sees on each of them.
"""

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from pydantic import JsonValue

from orchestrate.core.durations import seconds
from orchestrate.core.errors import InvalidInput, ProviderConfigInvalid
from orchestrate.core.names import did_you_mean
from orchestrate.core.revision import Revision

T = TypeVar("T")
RESERVED = "ORCHESTRATE_"
_SIZE = re.compile(r"(\d+)\s*(B|KB|MB|GB|KiB|MiB|GiB)?")
_UNITS = {
    None: 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9,
    "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30,
}  # fmt: skip


class Reader:
    """The config of an environment of `provider`. A function raises ValueError for a bad value."""

    def __init__(self, provider: str, config: Mapping[str, JsonValue]) -> None:
        self.provider = provider
        self.config = dict(config)
        self.left = set(config)
        self.known: set[str] = set()
        self.problems: list[str] = []

    def take(self, name: str, read: Callable[[JsonValue], T], default: T) -> T:
        """The setting `name`, `default` when it is not given or not right."""
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
        """A setting that must be given."""
        if name not in self.config:
            self.problems.append(f"{name} is missing; for example {example}")

    def finish(self) -> None:
        """Raises ProviderConfigInvalid when anything was wrong, or is left over."""
        for name in sorted(self.left):
            near = did_you_mean(name, self.known)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(self.known))}"
            self.problems.append(f"{name} is not a setting of {self.provider}; {hint}")
        if self.problems:
            raise ProviderConfigInvalid(
                f"the config of this environment is not what provider {self.provider} needs",
                why=self.problems,
                fix=["correct `config` in orchestrate.yaml"],
            )


def words(value: JsonValue) -> tuple[str, ...]:
    """A command as a list."""
    if isinstance(value, list) and value and all(isinstance(part, str | int) for part in value):
        return tuple(str(part) for part in value)
    raise ValueError("it must be a list of words such as [python3, app.py]; there is no shell")


def variable(value: JsonValue) -> str:
    """The name of an environment variable."""
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
        return value
    raise ValueError("it must be the name of an environment variable")


def duration(value: JsonValue) -> float:
    """Seconds."""
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return seconds(value)
    raise ValueError("it must be a duration such as 10s")


def count(least: int, most: int) -> Callable[[JsonValue], int]:
    """A whole number within bounds."""

    def read(value: JsonValue) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        raise ValueError(f"it must be a number from {least} to {most}")

    return read


def size(value: JsonValue) -> int:
    """Bytes."""
    found = _SIZE.fullmatch(str(value)) if isinstance(value, str | int) else None
    if found is None or isinstance(value, bool):
        raise ValueError("it must be a size such as 10MiB")
    return int(found[1]) * _UNITS[found[2]]


def variables_of(revision: Revision) -> dict[str, str]:
    """What an application sees of a revision, whatever runs it: its variables, and what it is.

    Raises ProviderConfigInvalid when a variable has one of our names.
    """
    reserved = [name for name in revision.variables if name.startswith(RESERVED)]
    if reserved:
        raise ProviderConfigInvalid(
            f"variables may not set {', '.join(reserved)}",
            why=[f"names that start with {RESERVED} are set by this program"],
            fix=["choose another name"],
        )
    app, _, name = revision.environment.partition("/")
    return {
        **revision.variables,
        "ORCHESTRATE_APP": app,
        "ORCHESTRATE_ENVIRONMENT": name,
        "ORCHESTRATE_VERSION": revision.version,
        "ORCHESTRATE_REVISION": revision.key,
    }
