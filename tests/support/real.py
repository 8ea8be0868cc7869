"""Real parts a test may need: a program or a package, with the command that provides it.

A test whose part is missing is skipped on a developer's machine and fails under --require-real, so
that continuous integration cannot turn green by running less.
"""

from __future__ import annotations

import importlib
import shutil
import sysconfig
from types import ModuleType

import pytest

_required = False


def require_real(required: bool) -> None:
    """Decide, once per run, whether a missing part fails a test instead of skipping it."""
    global _required
    _required = required


def need_program(name: str, command: str) -> str:
    """Return the path of a program on PATH or in the virtual environment.

    command: what a person types to get it, such as "apt-get install git".
    """
    path = shutil.which(name) or shutil.which(name, path=sysconfig.get_path("scripts"))
    need(path is not None, name, command)
    assert path is not None
    return path


def need_module(name: str, command: str) -> ModuleType:
    """Import and return an optional package; an import that fails inside it is not hidden."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name.partition(".")[0]:
            raise
        need(False, f"the package {name}", command)
        raise


def need(present: bool, what: str, command: str) -> None:
    """Go on when a part is present; else skip, or fail under --require-real."""
    if present:
        return
    reason = f"{what} is missing; get it with: {command}"
    if _required:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
