"""Master keys in a file of this home that only its owner can read."""

import os
import stat
from pathlib import Path

from sqlmodel import Session

from orchestrate.core.errors import MasterKeyInvalid
from orchestrate.store.ring import Key, checked, parsed, written

NAME = "master.key"
_LONGEST = 64 * 1024


class KeyFile:
    """`master.key` in the home, or the file that ORCHESTRATE_MASTER_KEY_FILE names."""

    name = "file"
    may_make = True

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self, session: Session | None = None) -> tuple[Key, ...]:
        """The keys; none when there is no file. Raises MasterKeyInvalid."""
        try:
            handle = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            return ()
        except OSError as error:
            what = "is a symbolic link" if self.path.is_symlink() else f"cannot be read: {error}"
            raise _refused(self.path, what, f"replace {self.path} by the file itself") from error
        try:
            _check(os.fstat(handle), self.path)
            text = os.read(handle, _LONGEST).decode("ascii", "replace")
        finally:
            os.close(handle)
        return parsed(text, str(self.path))

    def add(self, session: Session) -> Key:
        """A new key before the others. The first one of all never takes the place of a file."""
        present = self.load()
        new = checked(os.urandom(32), "a new key")
        if present:
            self._save((new, *present))
            return new
        self._write(part := self._part(), (new,))
        try:
            os.link(part, self.path)
        except FileExistsError:
            return self.load()[0]  # another process was quicker
        finally:
            part.unlink()
        _sync_directory(self.path.parent)
        return new

    def drop(self, session: Session, identity: str) -> bool:
        """Take a key away; the file too when it was the last one."""
        left = tuple(key for key in self.load() if key.id != identity)
        if left:
            self._save(left)
        else:
            self.path.unlink()
            _sync_directory(self.path.parent)
        return True

    def _save(self, keys: tuple[Key, ...]) -> None:
        """Put `keys` in place of what is there: whole or not at all, even when power is cut."""
        self._write(part := self._part(), keys)
        os.replace(part, self.path)
        _sync_directory(self.path.parent)

    def _part(self) -> Path:
        return self.path.with_name(f".{self.path.name}.{os.getpid()}.{os.urandom(4).hex()}")

    def _write(self, path: Path, keys: tuple[Key, ...]) -> None:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(written(keys))
            file.flush()
            os.fsync(file.fileno())


def _check(found: os.stat_result, path: Path) -> None:
    """Refuse a file that somebody else could have written or can read. The open file is looked
    at, so nobody can exchange it in between."""
    if not stat.S_ISREG(found.st_mode):
        raise _refused(path, "is not a regular file", f"replace {path} by a file")
    if found.st_uid != os.geteuid():
        what = f"belongs to user id {found.st_uid}, and the service runs as {os.geteuid()}"
        raise _refused(path, what, f"chown {os.geteuid()} {path}")
    if stat.S_IMODE(found.st_mode) & 0o077:
        mode = f"{stat.S_IMODE(found.st_mode):04o}"
        raise _refused(path, f"can be read by others: its mode is {mode}", f"chmod 600 {path}")


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _refused(path: Path, what: str, fix: str) -> MasterKeyInvalid:
    return MasterKeyInvalid(
        "the master key cannot be used", why=[f"{path} {what}"], fix=[fix, "then do it again"]
    )
