"""What a command is given: the service, the terminal, and how to speak to it.

Answers go to standard output, everything else to standard error. With `--json` there is exactly one
document on standard output, on failure too, and nothing on standard error.
"""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from orchestrate.cli import client
from orchestrate.cli.mode import Mode, Streams, Wish, decide
from orchestrate.cli.render.error import render
from orchestrate.cli.render.paint import Paint
from orchestrate.core.errors import ConfirmationNeeded, OrchestrateError


class Given:
    """The options and arguments of a command by their names, as they were typed."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values

    def text(self, name: str) -> str | None:
        found = self._values.get(name)
        return found if isinstance(found, str) else None

    def whole(self, name: str, default: int) -> int:
        found = self._values.get(name)
        return found if isinstance(found, int) else default

    def flag(self, name: str) -> bool:
        return self._values.get(name) is True

    def many(self, name: str) -> tuple[str, ...]:
        found = self._values.get(name)
        return tuple(map(str, found)) if isinstance(found, tuple | list) else ()

    def seconds(self, name: str) -> float | None:
        """A duration such as `45m`. Raises InvalidInput."""
        found = self.text(name)
        if found is None:
            return None
        from orchestrate.core.durations import seconds

        return seconds(found)


def wish_of(given: Given) -> Wish:
    """What the options that every command has ask for."""
    return Wish(
        output="json" if given.flag("json") else given.text("output") or "text",
        quiet=given.flag("quiet"),
        no_color=given.flag("no_color"),
        no_input=given.flag("no_input"),
        utc=given.flag("utc"),
    )


class Session:
    """One run of one command."""

    def __init__(self, wish: Wish, mode: Mode | None = None) -> None:
        self.wish = wish
        self.mode = mode or decide(os.environ, _streams(), wish)
        self.paint = Paint(
            self.mode.width, self.mode.ascii, self.mode.colour, self.mode.tables, self.mode.utc
        )
        self.client = client.default(self.warn)

    @property
    def json(self) -> bool:
        return self.wish.output != "text"

    def now(self) -> datetime:
        return datetime.now(UTC)

    def answer(self, answer: client.Answer, lines: Sequence[str]) -> None:
        """The answer: the document as it came, or its lines."""
        if self.json:
            self.document(answer.body)
        else:
            self.say(lines)

    def document(self, body: bytes) -> None:
        """The one document of `--json`, byte for byte as the service wrote it."""
        sys.stdout.write(body.decode().rstrip("\n") + "\n")
        sys.stdout.flush()

    def say(self, lines: Sequence[str]) -> None:
        """Lines of the answer, to standard output."""
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()

    def note(self, lines: Sequence[str]) -> None:
        """Lines beside the answer, to standard error; none with `--json` or `--quiet`."""
        if self.json or self.wish.quiet:
            return
        sys.stdout.flush()
        sys.stderr.write("".join(f"{line}\n" for line in lines))
        sys.stderr.flush()

    def warn(self, text: str) -> None:
        self.note([self.paint.tone("warning:", "wants") + f" {text}"])

    def confirm(self, question: str) -> bool:
        """A person's yes; anything but `y` and `yes` is a no. Raises ConfirmationNeeded where
        nobody can be asked."""
        return self.ask(f"{question} [y/N] ").strip().lower() in ("y", "yes")

    def ask(self, question: str) -> str:
        """What a person types; the question goes to standard error."""
        if not self.mode.prompts:
            raise ConfirmationNeeded("this needs an answer, and nobody can be asked here")
        sys.stderr.write(question)
        sys.stderr.flush()
        return sys.stdin.readline()

    def fail(self, error: OrchestrateError) -> int:
        """Say what went wrong. Returns the exit code."""
        if self.json:
            self.document(error_body(error))
        else:
            sys.stdout.flush()
            sys.stderr.write("".join(f"{line}\n" for line in render(error, self.paint)))
        return error.exit_code


def error_body(error: OrchestrateError) -> bytes:
    """orchestrate.error.v1: as the service wrote it, or for an error of this side."""
    if isinstance(error.__cause__, client.Answered):
        return error.__cause__.body
    known = {**error.as_dict(), "request_id": None}
    return json.dumps({"schema": "orchestrate.error.v1", "error": known}).encode()


def _streams() -> Streams:
    try:
        size = os.get_terminal_size(sys.stdout.fileno())
        columns, rows = size.columns or 80, size.lines or 24
    except (OSError, ValueError):
        columns, rows = 80, 24
    return Streams(
        stdin_tty=_is_tty(0),
        stdout_tty=_is_tty(1),
        encoding=sys.stdout.encoding or "ascii",
        columns=columns,
        rows=rows,
    )


def _is_tty(number: int) -> bool:
    try:
        return os.isatty(number)
    except OSError:
        return False
