"""Writing an artifact's files below one directory, and nowhere else.

Regular files and directories only; links are taken from directories and git, never from archives,
and only those that stay inside. Counts and bytes are capped by what is really written.
"""

import gzip
import hashlib
import os
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from typing import IO

from orchestrate.core.errors import ArtifactInvalid
from orchestrate.providers.local import archives, tree

BLOCK = 1 << 20


class Target:
    """A new directory being filled, with its limits."""

    def __init__(self, directory: str, most_files: int, most_bytes: int) -> None:
        self.directory = directory
        self.most_files, self.most_bytes = most_files, most_bytes
        self.files, self.bytes = 0, 0
        self.made = {""}

    def add_directory(self, path: str) -> None:
        """With its parents. One that is there as something else is an error."""
        if path in self.made:
            return
        self.add_directory(os.path.dirname(path))
        self._count()
        os.mkdir(os.path.join(self.directory, path), 0o755)
        self.made.add(path)

    def add_file(self, path: str, content: IO[bytes], executable: bool) -> None:
        self._count()
        self.add_directory(os.path.dirname(path))
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = os.open(os.path.join(self.directory, path), flags, 0o600)
        with os.fdopen(handle, "wb") as file:
            while block := content.read(BLOCK):
                self.bytes += len(block)
                if self.bytes > self.most_bytes:
                    raise _too_large(f"more than {self.most_bytes} bytes", "max_size")
                file.write(block)
            os.fchmod(file.fileno(), 0o555 if executable else 0o444)

    def add_link(self, path: str, target: str) -> None:
        if not tree.inside(path, target):
            raise archives.refused(
                path, f"it is a link that leads out of the artifact, to {target}"
            )
        self._count()
        self.add_directory(os.path.dirname(path))
        os.symlink(target, os.path.join(self.directory, path))

    def seal(self) -> None:
        """See it on the disk, and make it read-only."""
        if self.files > 64:
            os.sync()
        for folder, _, names in os.walk(self.directory, topdown=False):
            if self.files <= 64:
                for name in names:
                    _sync(os.path.join(folder, name))
            os.chmod(folder, 0o555)

    def _count(self) -> None:
        self.files += 1
        if self.files > self.most_files:
            raise _too_large(f"more than {self.most_files} files", "max_files")


def from_directory(source: str, target: Target) -> str:
    """Copy a directory; returns its digest as it was copied."""
    total = hashlib.sha256()
    for entry in tree.entries(source, target.most_files):
        if entry.target is not None:
            target.add_link(entry.path, entry.target)
        else:
            with tree.open_file(os.path.join(source, entry.path)) as content:
                target.add_file(entry.path, content, entry.executable)
        total.update(tree.line_of(entry, tree.content_digest(target.directory, entry)))
    return f"sha256:{total.hexdigest()}"


def from_archive(path: str, content: IO[bytes], target: Target) -> None:
    """Unpack `.zip`, `.tar`, `.tar.gz` or `.tgz`, told apart by name. Raises ArtifactInvalid."""
    try:
        if path.endswith(".zip"):
            _from_zip(content, target)
        else:
            from_tar(content, target, compressed=not path.endswith(".tar"), links=False)
    except (
        tarfile.TarError,
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        EOFError,
        FileExistsError,
        RecursionError,
        NotImplementedError,
        ValueError,
    ) as problem:
        raise ArtifactInvalid(
            f"{os.path.basename(path)} is broken",
            why=[str(problem) or type(problem).__name__],
            fix=["build the archive again"],
        ) from problem
    except OSError as problem:
        if problem.errno is not None:
            raise
        raise ArtifactInvalid(
            f"{os.path.basename(path)} is broken", why=[str(problem)]
        ) from problem


def from_tar(
    content: IO[bytes], target: Target, *, compressed: bool, links: bool, below: str = ""
) -> None:
    """Unpack a tar stream; with `below`, only what lies in that directory of it."""
    stream: archives.Readable = content
    if compressed:
        stream = gzip.GzipFile(fileobj=content, mode="rb")
    with tarfile.TarFile(fileobj=archives.Forward(stream), mode="r") as archive:
        names = archives.Names(of_commit=links)
        for member in archive:
            path = names.checked(member.name)
            if member.size < 0:
                raise archives.refused(path, "its size is negative")
            if below:
                if not path.startswith(f"{below}/"):
                    continue
                path = path.removeprefix(f"{below}/")
            if not path:
                continue
            if member.isdir():
                target.add_directory(path)
            elif links and member.issym():
                target.add_link(path, member.linkname)
            elif member.isreg() and not member.issparse():
                _refuse_privileged(path, member.mode)
                file = archive.extractfile(member)
                assert file is not None
                target.add_file(path, file, bool(member.mode & stat.S_IXUSR))
            else:
                raise archives.refused(path, "it is a link or a device, and only files are taken")


def discard(directory: str) -> None:
    """Remove an unpacked directory, read-only as it is; nothing when it is gone."""
    if not os.path.isdir(directory):
        return
    for folder, _, _ in os.walk(directory):
        os.chmod(folder, 0o700)
    shutil.rmtree(directory)


def _from_zip(content: IO[bytes], target: Target) -> None:
    archives.refuse_crowded(content, target.most_files)
    with zipfile.ZipFile(content) as archive:
        names = archives.Names()
        for member in archive.infolist():
            path = names.checked(member.filename)
            mode = member.external_attr >> 16
            if not path:
                continue
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise archives.refused(path, "it is a link or a device, and only files are taken")
            if member.flag_bits & 1:
                raise archives.refused(path, "it is encrypted")
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                # What others unpack to cannot be bounded while they are being unpacked.
                raise archives.refused(path, "it is compressed in an unusual way")
            if member.is_dir():
                target.add_directory(path)
            else:
                _refuse_privileged(path, mode)
                with archive.open(member) as file:
                    target.add_file(path, file, bool(mode & stat.S_IXUSR))


def _refuse_privileged(path: str, mode: int) -> None:
    if mode & (stat.S_ISUID | stat.S_ISGID):
        raise archives.refused(path, "it is set to run as another user or group")


def _too_large(what: str, setting: str) -> ArtifactInvalid:
    return ArtifactInvalid(
        f"the artifact unpacks to {what}",
        why=["unpacking was stopped there"],
        fix=[f"raise {setting} in config when that is meant"],
    )


def _sync(path: str) -> None:
    if os.path.islink(path):
        return
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
