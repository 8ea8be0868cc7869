"""Options of the whole run, and the fixtures every folder of tests uses."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import attacks, matrix, processes, real
from tests.support.ending import end_all
from tests.support.matrix import pytest_runtest_logreport as pytest_runtest_logreport
from tests.support.snapshot import Snapshot

# Bytes. A unix socket's address holds 108, and the service's sockets are home/run/NAME.sock.
LONGEST_HOME = 80


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require-real",
        action="store_true",
        help="fail, and do not skip, a test whose real part is missing",
    )
    parser.addoption(
        "--kubeconfig",
        help="a kubeconfig file: the contract runs on that cluster's current namespace too",
    )
    parser.addoption(
        "--cluster-image",
        help="image for it, registry/busybox:{version}, with tags 1.0.0, 1.1.0 and 1.2.0",
    )
    parser.addoption(
        "--update-snapshots",
        action="store_true",
        help="write the golden files anew (refused when CI is set)",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--update-snapshots") and os.environ.get("CI"):
        raise pytest.UsageError("--update-snapshots is for a person to look at, not for CI")
    real.require_real(bool(config.getoption("--require-real")))
    config.addinivalue_line("markers", attacks.MARKER)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        attacks.note(item)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    """In a worker this is before it says that it has finished."""
    end_all()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The matrix of the contract, and the table of attacks that were attempted in this run."""
    matrix.pytest_terminal_summary(terminalreporter)
    ended = ("passed", "failed", "error", "skipped")
    lines = attacks.table(r for state in ended for r in terminalreporter.stats.get(state, ()))
    if lines:
        terminalreporter.section("attacks")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture
def snapshot(pytestconfig: pytest.Config) -> Snapshot:
    """Golden files, written by --update-snapshots."""
    return Snapshot(update=bool(pytestconfig.getoption("--update-snapshots")))


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A private ORCHESTRATE_HOME, short enough for a socket, with nothing left running after.

    A test that starts a service ends it: whatever still runs is ended here, by pid, and fails the
    test by name.
    """
    path = _short_directory()
    monkeypatch.setenv("ORCHESTRATE_HOME", str(path))
    yield path
    left = processes.of_home(path)
    for process in left:
        processes.end(process.pid)
    shutil.rmtree(path)
    if left:
        pytest.fail("left running:\n" + "\n".join(map(str, left)), pytrace=False)


def _short_directory() -> Path:
    path = Path(tempfile.mkdtemp(prefix="orc-")).resolve()
    if len(os.fsencode(path)) > LONGEST_HOME:
        path.rmdir()
        path = Path(tempfile.mkdtemp(prefix="orc-", dir="/tmp")).resolve()
    return path
