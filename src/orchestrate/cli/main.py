"""Every command but `mcp`: find it, carry it out, say what went wrong, return an exit code.

0: what was asked is true. 1: it is not. 2: it was asked wrongly. 128+n: ended by a signal.
"""

import os
import sys
from collections.abc import Callable, Sequence
from typing import cast

from orchestrate.cli import hot
from orchestrate.cli.session import Given, Session, wish_of
from orchestrate.core.errors import OrchestrateError

INTERRUPTED = 130
NO_READER = 141

Run = Callable[[Session, Given], int]


def main(arguments: Sequence[str]) -> int:
    """Exit code of the command in `arguments`."""
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]  # a text file, always
    try:
        parsed = hot.parse(arguments)
        if parsed is not None:
            command, values = parsed
            return carry_out(command.run, Given(values))
        from orchestrate.cli.app import dispatch

        return dispatch(arguments)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read standard output has gone; writing what is buffered would fail once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NO_READER


def carry_out(run: str, given: Given) -> int:
    """Run a command's function, `module:name`, and turn what it raises into words."""
    session = Session(wish_of(given))
    try:
        return cast("Run", find_object(run))(session, given)
    except OrchestrateError as error:
        return session.fail(error)
    except (KeyboardInterrupt, BrokenPipeError):
        raise
    except Exception as error:
        return session.fail(_unexpected(error))


def find_object(name: str) -> object:
    """What `module:name` names."""
    from importlib import import_module

    module, _, attribute = name.partition(":")
    found: object = getattr(import_module(module), attribute)
    return found


def _unexpected(error: Exception) -> OrchestrateError:
    """An error of ours: its trace goes to a file, one sentence to the screen."""
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile(
        "w", prefix="orchestrate-", suffix=".trace", delete=False
    ) as file:
        traceback.print_exception(error, file=file)
    known = OrchestrateError(
        f"an unexpected error: {type(error).__name__}: {error}",
        why=["this is a fault of orchestrate"],
        fix=[f"report it with {file.name}"],
    )
    known.__cause__ = error
    return known
