"""`orchestrate demo`, as whoever clones the repository runs it first."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.support import processes
from tests.support.repository import ROOT

pytestmark = [pytest.mark.system, pytest.mark.alone]

# About a minute where nothing else runs; a machine that also tests is allowed more.
WITHIN_S = 240


@pytest.mark.timeout(WITHIN_S + 60)
def test_the_demo_keeps_what_it_promises_and_leaves_nothing() -> None:
    with tempfile.TemporaryDirectory(prefix="d-", dir="/tmp") as parent:
        done = _demo(parent)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stderr == ""
        _tells_what_happened(done.stdout)
        assert os.listdir(parent) == []
        assert processes.of_home(Path(parent).resolve()) == []


def test_interrupted_it_ends_what_it_started() -> None:
    with tempfile.TemporaryDirectory(prefix="d-", dir="/tmp") as parent:
        command = [sys.executable, "-P", "-m", "orchestrate", "demo"]
        demo = subprocess.Popen(
            command, env=_environment(parent), cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert demo.stdout is not None
        with demo.stdout:
            said = []
            for line in demo.stdout:
                said.append(line)
                if "Deploy 1.1.0" in line:
                    demo.send_signal(signal.SIGINT)
        assert demo.wait(timeout=30) == 130, "".join(said)
        assert os.listdir(parent) == []
        assert processes.of_home(Path(parent).resolve()) == []


def test_without_the_shop_it_says_where_to_find_it(tmp_path: Path) -> None:
    done = _demo(str(tmp_path), "--app", str(tmp_path))
    assert done.returncode == 2
    assert done.stdout == ""
    assert f"{tmp_path} is not the shop of the demonstration" in done.stderr
    assert "fix: orchestrate demo --app CLONE/examples/shop" in done.stderr
    assert list(tmp_path.iterdir()) == []


def _tells_what_happened(text: str) -> None:
    assert "shop serves 1.1.0, was 1.0.0" in text
    assert "shop serves 1.1.0, 1.2.0 did not become healthy" in text
    assert "shop serves 1.3.0, was 1.1.0" in text
    assert "shop serves 1.1.0 again" in text
    total = re.search(r"0 of ([0-9,]+) requests were lost", text)
    assert total is not None
    assert int(total[1].replace(",", "")) > 10_000
    assert "1.2.0, which failed its health check, never got traffic" in text
    assert re.search(r"1\.3\.0 gave its last answer \d+ ms after the call to roll back", text)
    assert "after the rollback 1.1.0 answered, nothing else" in text
    rows = {line[:24].strip(): line[24:].split() for line in text.splitlines()}
    for act in ("deploy 1.1.0, canary", "deploy 1.2.0, refused", "roll back to 1.1.0"):
        _, requests, lost, *_ = rows[act]
        assert int(requests.replace(",", "")) > 0
        assert lost == "0"
    assert max(map(len, text.splitlines())) <= 80


def _demo(temporary: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "orchestrate", "demo", *arguments],
        env=_environment(temporary),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )


def _environment(temporary: str) -> dict[str, str]:
    ours = {k: v for k, v in os.environ.items() if not k.startswith("ORCHESTRATE_")}
    return {**ours, "TMPDIR": temporary}
