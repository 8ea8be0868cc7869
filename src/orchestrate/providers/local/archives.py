"""Reading archives that somebody else made: what their names, headers and directories may be."""

import os
import re
import struct
import unicodedata
from typing import IO, Protocol

from orchestrate.core.errors import ArtifactInvalid

LARGEST_HEADER = 1 << 20
"""Bytes of one extended header: a name, or what belongs to it."""
DEEPEST = 128
LONGEST = 4096
_DRIVE = re.compile(r"^[A-Za-z]:")
_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_COMMENT = (1 << 16) + _END.size


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Forward:
    """A stream that only goes forward, as a tar is read. A read that no file asks for is refused:
    headers say themselves how long they are, and are held in memory."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._at = 0

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= LARGEST_HEADER:
            raise refused("a header", "it is larger than any header is")
        parts: list[bytes] = []
        while size > 0 and (part := self._stream.read(size)):
            parts.append(part)
            size -= len(part)
            self._at += len(part)
        return b"".join(parts)

    def tell(self) -> int:
        return self._at

    def seek(self, to: int) -> int:
        if to < self._at:
            raise refused("an entry", "it lies before the one that precedes it")
        while self._at < to:
            if not self.read(min(to - self._at, LARGEST_HEADER)):
                break
        return self._at

    def write(self, content: bytes) -> int:
        raise OSError("it is only read")

    def close(self) -> None:
        """The stream is somebody else's."""


class Names:
    """The paths of an archive's entries, each clean and none twice. A commit may hold names that
    differ in case alone: what git has is compared by their bytes."""

    def __init__(self, *, of_commit: bool = False) -> None:
        self._seen: dict[str, str] = {}
        self._of_commit = of_commit

    def checked(self, name: str) -> str:
        """An entry's path. Raises ArtifactInvalid for one that leads out, that cannot be shown, or
        that some file system takes for an earlier one."""
        parts = [part for part in name.split("/") if part not in ("", ".")]
        leads_out = name.startswith("/") or ".." in parts or "\\" in name or _DRIVE.match(name)
        if leads_out or "\0" in name:
            raise refused(name, "its path leads out of the artifact")
        path = "/".join(parts)
        if len(parts) > DEEPEST or len(os.fsencode(path)) > LONGEST:
            raise refused(name, "its path is too long")
        if any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in path):
            raise refused(name, "its path holds characters that cannot be seen")
        for count in range(1, len(parts) + 1):
            self._refuse_twin("/".join(parts[:count]))
        return path

    def _refuse_twin(self, path: str) -> None:
        if self._of_commit:
            return
        twin = self._seen.setdefault(unicodedata.normalize("NFC", path).casefold(), path)
        if twin != path:
            raise refused(path, f"it differs from {twin[:200]!r} in case or in accents alone")


def refuse_crowded(content: IO[bytes], most_files: int) -> None:
    """Raises ArtifactInvalid for a zip whose directory is larger than so many entries need: it is
    held in memory before the first of them is seen."""
    size = _directory_size(content)
    if size > (most_files + 1) * 1024:
        raise ArtifactInvalid(
            f"the artifact unpacks to more than {most_files} files",
            why=["its directory is as large as that of many more"],
            fix=["raise max_files in config when that is meant"],
        )
    content.seek(0)


def _directory_size(content: IO[bytes]) -> int:
    length = content.seek(0, os.SEEK_END)
    start = max(length - _COMMENT, 0)
    content.seek(start)
    tail = content.read(_COMMENT)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END.size:
        return 0  # no zip: whoever reads it says so
    size = int(_END.unpack_from(tail, at)[5])
    if size != 0xFFFFFFFF or start + at < _LOCATOR.size:
        return size
    content.seek(start + at - _LOCATOR.size)
    mark, _, place, _ = _LOCATOR.unpack(content.read(_LOCATOR.size))
    if mark != b"PK\x06\x07" or place > length - _END64.size:
        return size
    content.seek(place)
    return int(_END64.unpack(content.read(_END64.size))[8])


def refused(path: str, why: str) -> ArtifactInvalid:
    return ArtifactInvalid(
        f"the artifact holds {path[:200]!r}, which is refused",
        why=[why],
        fix=["build the artifact without it"],
    )
