"""Directories of the service's own: nobody else may have made, moved or written them."""

import os
import stat
from pathlib import Path

from orchestrate.core.errors import UsageProblem


def directory(path: Path) -> None:
    """Make it, 0700, or tighten the one that is there.

    Raises UsageProblem for a link, for one of another user, and for one that others may write:
    what is in it may be theirs already, which no mode that is set now undoes.
    """
    try:
        path.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        pass
    try:
        held = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as problem:
        raise _refused(path, _kind(path, problem)) from problem
    try:
        found, own = os.fstat(held), os.geteuid()
        if found.st_uid != own:
            said = f"it belongs to user {found.st_uid}, and the service runs as user {own}"
            raise _refused(path, said, f"chown -R {own} {path}, if all in it is yours")
        mode = stat.S_IMODE(found.st_mode)
        if mode & 0o022:
            said = f"others may write it: its mode is {mode:04o}"
            raise _refused(path, said, f"look what is in it, then: chmod 700 {path}")
        os.fchmod(held, 0o700)
    finally:
        os.close(held)


def _kind(path: Path, problem: OSError) -> str:
    if path.is_symlink():
        return "it is a symbolic link: who can move it decides whose state this is"
    return f"it cannot be opened as a directory: {problem.strerror}"


def _refused(path: Path, why: str, *fix: str) -> UsageProblem:
    other = "set ORCHESTRATE_HOME to a directory of your own"
    return UsageProblem(
        f"{path} is no place for the service's state",
        why=[why],
        fix=[*fix, f"or {other}" if fix else other],
    )
