"""What an agent's client spawns: nothing but a pump, and no import that it can do without."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrate.cli.shim import first_line
from tests.support.cli import WITHIN_S, environment

ONE_MB = b"x" * (1 << 20)


@contextmanager
def listening(home: Path, serve: Callable[[socket.socket], None]) -> Iterator[None]:
    """A listener at the MCP door that gives its one connection to `serve`."""
    (home / "run").mkdir(exist_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(home / "run" / "mcp.sock"))
        listener.listen()
        listener.settimeout(WITHIN_S)

        def accept() -> None:
            link, _ = listener.accept()
            with link:
                serve(link)

        thread = threading.Thread(target=accept)
        thread.start()
        yield
        thread.join()


def shim(*arguments: str, python: tuple[str, ...] = (), **env: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, *python, "-m", "orchestrate", "mcp", *arguments],
        env=environment(**env),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def echo(link: socket.socket) -> None:
    while data := link.recv(65536):
        link.sendall(data)


def test_bytes_go_both_ways_whole_and_the_end_of_input_is_the_end(home: Path) -> None:
    with listening(home, echo):
        out, err = shim().communicate(ONE_MB, timeout=WITHIN_S)
    assert out == ONE_MB
    assert err == b""


def test_what_the_service_still_says_after_the_end_of_input_arrives(home: Path) -> None:
    def answer_at_the_end(link: socket.socket) -> None:
        while link.recv(65536):
            pass
        link.sendall(ONE_MB)

    with listening(home, answer_at_the_end):
        process = shim()
        out, err = process.communicate(b'{"id":1}\n', timeout=WITHIN_S)
    assert (out, err, process.returncode) == (ONE_MB, b"", 0)


def test_a_service_that_goes_away_ends_it_with_one_line_and_one(home: Path) -> None:
    with listening(home, lambda link: link.sendall(b"hello\n")):
        process = shim()
        assert process.stdout is not None and process.stderr is not None
        out, err = process.stdout.read(), process.stderr.read().decode()
        code = process.wait(WITHIN_S)
        for pipe in (process.stdin, process.stdout, process.stderr):
            assert pipe is not None
            pipe.close()
    assert out == b"hello\n"
    assert (code, err.count("\n")) == (1, 1)
    assert err.startswith("orchestrate mcp: the service ended")


def test_a_client_that_reads_no_more_ends_it_quietly(home: Path) -> None:
    gone = threading.Event()

    def talk(link: socket.socket) -> None:
        assert gone.wait(WITHIN_S)
        try:
            while True:
                link.sendall(ONE_MB)
        except OSError:
            return

    with listening(home, talk):
        process = shim()
        assert process.stdin and process.stdout and process.stderr
        process.stdout.close()
        gone.set()
        assert process.wait(WITHIN_S) == 0
        assert process.stderr.read() == b""
        process.stdin.close()
        process.stderr.close()


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ((), b""),
        (("--read-only",), b'{"orchestrate":{"read_only":true}}\n'),
        (("--toolsets", "read,deploy"), b'{"orchestrate":{"toolsets":["read","deploy"]}}\n'),
        (
            ("--read-only", "--toolsets=read"),
            b'{"orchestrate":{"read_only":true,"toolsets":["read"]}}\n',
        ),
    ],
)
def test_what_narrows_the_service_goes_ahead_of_the_client_s_bytes(
    arguments: tuple[str, ...], sent: bytes, home: Path
) -> None:
    with listening(home, echo):
        out, _ = shim(*arguments).communicate(b"{}\n", timeout=WITHIN_S)
    assert out == sent + b"{}\n"


@pytest.mark.unit
@pytest.mark.parametrize("arguments", [["--help"], ["--toolsets"], ["--toolsets", 'a"b'], ["x"]])
def test_what_is_not_plain_is_left_to_be_explained(arguments: list[str]) -> None:
    assert first_line(arguments) is None


def test_a_bad_toolset_is_told_and_nothing_is_served(home: Path) -> None:
    process = shim("--toolsets", 'read,"x')
    _, err = process.communicate(timeout=WITHIN_S)
    assert process.returncode == 2
    assert b"is not a toolset" in err


def test_it_imports_nothing_it_can_do_without(home: Path) -> None:
    from orchestrate import __version__

    card = f'{{"version": "{__version__}", "pid": 1}}'
    (home / "service.json").write_text(card, encoding="utf-8")
    with listening(home, echo):
        _, err = shim(python=("-X", "importtime")).communicate(b"{}\n", timeout=WITHIN_S)
    base = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import socket, runpy"],
        env=environment(),
        capture_output=True,
        timeout=WITHIN_S,
    )
    ours = _imported(err) - _imported(base.stderr)
    assert ours == {
        "orchestrate", "orchestrate.cli", "orchestrate.cli.home", "orchestrate.cli.shim",
    }  # fmt: skip


def test_without_a_service_that_may_be_started_it_says_so(home: Path) -> None:
    process = shim()
    out, err = process.communicate(b"", timeout=WITHIN_S)
    assert (process.returncode, out) == (1, b"")
    assert err.decode().startswith("error[service_unreachable]: no service runs")


def test_a_service_elsewhere_is_not_for_this_command(home: Path) -> None:
    process = shim(ORCHESTRATE_URL="https://deploy.example.com")
    _, err = process.communicate(b"", timeout=WITHIN_S)
    assert process.returncode == 1
    assert b"/mcp" in err


def test_a_pipe_that_was_made_non_blocking_loses_nothing(home: Path) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with listening(home, lambda link: link.sendall(ONE_MB)):
        process = subprocess.Popen(
            [sys.executable, "-m", "orchestrate", "mcp"],
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=writer,
            stderr=subprocess.DEVNULL,
        )
        os.close(writer)
        got = bytearray()
        while data := os.read(reader, 65536):
            got += data
        process.wait(WITHIN_S)
    os.close(reader)
    assert process.stdin is not None
    process.stdin.close()
    assert bytes(got) == ONE_MB


def _imported(said: bytes) -> set[str]:
    return {
        line.rpartition("|")[2].strip()
        for line in said.decode().split("\n")
        if line.startswith("import time:") and "imported package" not in line
    }
