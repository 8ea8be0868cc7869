"""Volumes and tmpfs, in the forms Compose has for them."""

import os
import re
from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_RIGHT = (
    "it must be a list of NAME:/path, /path/here:/path with :ro after it or not,"
    " or {source, target, read_only}"
)


@dataclass(frozen=True)
class Volume:
    """A named volume, or a directory of the engine's machine, in a container."""

    kind: Literal["volume", "bind"]
    source: str
    target: str
    read_only: bool = False


def volumes(value: JsonValue) -> tuple[Volume, ...]:
    """The volumes in a list. Raises ValueError."""
    if not isinstance(value, list):
        raise ValueError(_RIGHT)
    return tuple(_volume(each) for each in value)


def tmpfs(value: JsonValue) -> dict[str, str]:
    """Options by path, of a list of `/path` or `/path:options`. Raises ValueError."""
    if not isinstance(value, list):
        raise ValueError("it must be a list of paths such as /tmp or /tmp:size=64m")
    found = {}
    for each in value:
        path, _, options = str(each).partition(":")
        found[_path(path)] = options
    return found


def _volume(value: JsonValue) -> Volume:
    if isinstance(value, dict):
        read_only = value.get("read_only", False)
        if set(value) - {"source", "target", "read_only"} or not isinstance(read_only, bool):
            raise ValueError(_RIGHT)
        return _made(str(value.get("source", "")), str(value.get("target", "")), read_only)
    parts = value.split(":") if isinstance(value, str) else []
    if len(parts) not in (2, 3) or parts[2:] not in ([], ["ro"], ["rw"]):
        raise ValueError(_RIGHT)
    return _made(parts[0], parts[1], parts[2:] == ["ro"])


def _made(source: str, target: str, read_only: bool) -> Volume:
    if os.path.isabs(source):
        return Volume("bind", _path(source), _path(target), read_only)
    if _NAME.fullmatch(source):
        return Volume("volume", source, _path(target), read_only)
    raise ValueError(f"{source!r} is neither the name of a volume nor an absolute path")


def _path(path: str) -> str:
    if not os.path.isabs(path) or ".." in path.split("/"):
        raise ValueError(f"{path!r} is no absolute path")
    return path
