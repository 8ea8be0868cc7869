"""A directory as an artifact: what is in it, and one digest for all of it."""

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader

from orchestrate.core.errors import ArtifactInvalid

SKIPPED = frozenset({".git", "__pycache__"})
"""Never part of an artifact: they change without the program changing."""


@dataclass(frozen=True)
class Entry:
    """A regular file, or a symbolic link that stays inside."""

    path: str
    """Relative, with `/`."""
    size: int = 0
    executable: bool = False
    target: str | None = None
    """Of a link."""


def entries(root: str, most_files: int) -> Iterator[Entry]:
    """What is in a directory, sorted by path. Raises ArtifactInvalid for what may not be there."""
    count = 0
    for entry in _walk(root, ""):
        count += 1
        if count > most_files:
            raise ArtifactInvalid(
                f"{root} holds more than {most_files} files",
                fix=["set max_files in config, or leave files out"],
            )
        yield entry


def digest(root: str, most_files: int) -> str:
    """`sha256:...` over every path, executable bit and content."""
    total = hashlib.sha256()
    for entry in entries(root, most_files):
        total.update(line_of(entry, content_digest(root, entry)))
    return f"sha256:{total.hexdigest()}"


def line_of(entry: Entry, content: str) -> bytes:
    """An entry's part of the digest. Lengths come first, so no two trees read the same."""
    kind = "link" if entry.target is not None else ("exec" if entry.executable else "file")
    name = entry.path.encode("utf-8", "surrogateescape")
    return b"%s %d:%s %s\n" % (kind.encode(), len(name), name, content.encode())


def content_digest(root: str, entry: Entry) -> str:
    """sha256 of a file's content, or of a link's target."""
    if entry.target is not None:
        return hashlib.sha256(entry.target.encode("utf-8", "surrogateescape")).hexdigest()
    with open_file(os.path.join(root, entry.path)) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def open_file(path: str) -> BufferedReader:
    """A file for reading; never what a link points to."""
    return open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")


def inside(path: str, target: str) -> bool:
    """Whether a link at `path` to `target` stays below the root."""
    if os.path.isabs(target):
        return False
    joined = os.path.normpath(os.path.join(os.path.dirname(path), target))
    return joined != ".." and not joined.startswith("../")


def _walk(root: str, below: str) -> Iterator[Entry]:
    for item in sorted(os.scandir(os.path.join(root, below)), key=lambda found: found.name):
        path = f"{below}/{item.name}" if below else item.name
        if item.name in SKIPPED:
            continue
        if item.is_symlink():
            yield _link(root, path)
        elif item.is_dir():
            yield from _walk(root, path)
        elif item.is_file():
            found = item.stat(follow_symlinks=False)
            yield Entry(path, found.st_size, bool(found.st_mode & stat.S_IXUSR))
        else:
            raise ArtifactInvalid(
                f"{path} is neither a file nor a directory",
                why=[f"it is in {root}"],
                fix=["leave it out of the artifact"],
            )


def _link(root: str, path: str) -> Entry:
    target = os.readlink(os.path.join(root, path))
    if inside(path, target):
        return Entry(path, target=target)
    raise ArtifactInvalid(
        f"{path} is a symbolic link that leads out of the artifact",
        why=[f"it points to {target}"],
        fix=["put what it points to into the artifact"],
    )
