"""Running a check's command in a clean checkout of the version's commit."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from orchestrate.core.errors import Cancelled, NoDataError, ReportInvalid
from orchestrate.core.reports import MOST_BYTES
from orchestrate.core.untrusted import clean
from orchestrate.engine.checks.commit import Commit
from orchestrate.engine.checks.subject import Subject
from orchestrate.engine.revealed import masked
from orchestrate.providers.artifacts import git
from orchestrate.providers.local.unpack import discard
from orchestrate.providers.processes import command as commands
from orchestrate.providers.processes.command import Ran
from orchestrate.providers.processes.files import private_directory


@dataclass(frozen=True)
class Done:
    """A command that ended by itself, and the checkout as it left it."""

    ran: Ran
    checkout: str

    @property
    def last_words(self) -> str:
        """The last line it printed, fit to be shown."""
        said = (self.ran.errors or self.ran.output[-4000:]).decode("utf-8", "replace")
        text = clean(masked(said))
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return lines[-1][:160] if lines else ""

    def file(self, path: str) -> bytes:
        """A file it left. Raises NoDataError, and ReportInvalid for one that is none."""
        return read_inside(self.checkout, path)


@contextmanager
def done(
    subject: Subject,
    commit: Commit,
    command: Sequence[str],
    timeout_s: float,
    report: str | None = None,
) -> Iterator[Done]:
    """The command, carried out in a checkout that is removed afterwards. `report` is the file it
    leaves: one that the commit brings along is of another run, and is taken away before.

    Raises NoDataError when it did not end in time or cannot be started: then nothing is known; and
    ReportInvalid where no report can be left.
    """
    subject.refuse_running(os.path.basename(command[0]))
    base = private_directory(os.path.join(subject.home, "checks"))
    with tempfile.TemporaryDirectory(dir=base, ignore_cleanup_errors=True) as place:
        checkout, own = os.path.join(place, "checkout"), os.path.join(place, "home")
        git.checkout(commit.repository, commit.sha, checkout)
        if report is not None:
            remove_inside(checkout, report)
        os.mkdir(own, 0o700)
        variables = commands.environment(
            own, {"ORCHESTRATE_VERSION": subject.version or "", "ORCHESTRATE_COMMIT": commit.sha}
        )
        program = commands.found(command[0], variables)
        if program is None:
            raise NoDataError(
                f"{command[0]} is not installed where the service runs",
                fix=[f"install it, or correct the command: {' '.join(command)[:120]}"],
            )
        ran = commands.run([program, *command[1:]], checkout, variables, timeout_s, subject.stop)
        try:
            _refuse_unfinished(ran, command, timeout_s)
            yield Done(ran, checkout)
        finally:
            discard(checkout)


def _refuse_unfinished(ran: Ran, command: Sequence[str], timeout_s: float) -> None:
    name = os.path.basename(command[0])
    if ran.ended == "stopped":
        raise Cancelled(f"{name} was stopped")
    if ran.ended == "timeout":
        raise NoDataError(
            f"{name} did not end within {timeout_s:g}s and was killed",
            fix=["give it longer: `timeout` beside its command"],
        )
    if ran.code == 127:
        raise NoDataError(f"{name} could not be started", fix=["correct the command in checks"])


def read_inside(directory: str, path: str) -> bytes:
    """A regular file below `directory`, through no link. Raises NoDataError, ReportInvalid."""
    with _place(directory, path) as (folder, name):
        handle = _open(name, folder, os.O_NONBLOCK, path)
        with os.fdopen(handle, "rb") as file:
            return file.read(MOST_BYTES + 1)


def remove_inside(directory: str, path: str) -> None:
    """Take a file below `directory` away, through no link, where there is one. Raises
    ReportInvalid for a directory."""
    with suppress(FileNotFoundError, NoDataError), _place(directory, path) as (folder, name):
        os.unlink(name, dir_fd=folder)


@contextmanager
def _place(directory: str, path: str) -> Iterator[tuple[int, str]]:
    """The folder of a path below `directory`, opened through no link, and the name in it."""
    *folders, name = [part for part in path.split("/") if part not in ("", ".")] or [""]
    opened = [os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)]
    try:
        for folder in folders:
            opened.append(_open(folder, opened[-1], os.O_DIRECTORY, path))
        yield opened[-1], name
    except IsADirectoryError as problem:
        raise ReportInvalid(f"{path} is a directory") from problem
    finally:
        for each in opened:
            os.close(each)


def _open(name: str, folder: int, kind: int, path: str) -> int:
    if name in ("", ".."):
        raise ReportInvalid(f"{path!r} leads out of the checkout")
    try:
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | kind, dir_fd=folder)
    except FileNotFoundError as problem:
        raise NoDataError(
            f"the command left no {path}", fix=["see that it writes its report there"]
        ) from problem
    except OSError as problem:
        raise ReportInvalid(f"{path} cannot be read", why=[str(problem.strerror)]) from problem
    return handle
