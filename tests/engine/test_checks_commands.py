"""Programs that are asked after a change: what they know, and how they end."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from orchestrate.core.protocols import Replica
from orchestrate.core.verification import (
    SmokeCommand,
    Verification,
)
from orchestrate.engine.checks import command
from orchestrate.engine.checks.observed import Found
from tests.engine.observing import NOT_YET, door, observed, platform, result
from tests.support.pretended import Pretended
from tests.support.waiting import eventually

__all__ = ["door", "platform"]


class TestCommands:
    def run(self, platform: Pretended, text: str, timeout_s: float = 20, **more: object) -> Found:
        each = SmokeCommand(name="look", command=(sys.executable, "-c", text), timeout_s=timeout_s)
        return command.check(observed(platform, Verification(commands=(each,)), **more), {})

    def test_know_the_url_and_the_version_and_nothing_of_the_service(
        self, platform: Pretended, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ORCHESTRATE_TOKEN", "of the service")
        text = (
            "import os; e = os.environ; assert 'ORCHESTRATE_TOKEN' not in e;"
            "assert (e['ORCHESTRATE_VERSION'], e['ORCHESTRATE_APP']) == ('2.0.0', 'shop');"
            f"assert e['ORCHESTRATE_URL'] == '{platform.address}'"
        )
        assert result(self.run(platform, text)) == ("pass", "look: exit code 0")

    def test_that_fail_show_their_last_lines(self, platform: Pretended) -> None:
        found = self.run(platform, "print('cart is empty'); raise SystemExit(9)")
        assert "ended with exit code 9" in result(found)[1]
        assert found.lines == ("untrusted | look: cart is empty",)

    def test_that_hang_are_ended_with_all_that_they_started(self, platform: Pretended) -> None:
        text = (
            "import subprocess, sys, time;"
            "its = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
            "print(its.pid, flush=True); time.sleep(600)"
        )
        found = self.run(platform, text, timeout_s=5)
        assert "did not end within 5s" in result(found)[1]
        child = int(found.lines[0].removeprefix("untrusted | look: "))
        eventually(lambda: not Path(f"/proc/{child}").exists() or _is_dead(child))

    def test_that_leave_something_behind_have_it_ended(self, platform: Pretended) -> None:
        text = (
            "import subprocess, sys;"
            "its = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
            "print(its.pid, flush=True); raise SystemExit(1)"
        )
        found = self.run(platform, text)
        child = int(found.lines[0].removeprefix("untrusted | look: "))
        eventually(lambda: not Path(f"/proc/{child}").exists() or _is_dead(child))

    def test_are_cut_off_at_the_deadline_which_says_nothing_of_the_release(
        self, platform: Pretended
    ) -> None:
        found = self.run(platform, "import time; time.sleep(600)", left_s=1.0)
        assert found.result is None, "the deployment ends by its deadline"
        assert "did not end within 1s" in found.text

    def test_are_told_to_end_and_have_a_moment_for_it(self, platform: Pretended) -> None:
        text = (
            "import signal, sys, time\n"
            "def end(*_): print('ended well'); sys.exit(0)\n"
            "signal.signal(signal.SIGTERM, end); print('ready', flush=True); time.sleep(600)"
        )
        found = self.run(platform, text, timeout_s=3)
        assert found.lines[-1] == "untrusted | look: ended well"

    def test_that_end_by_a_signal_say_which(self, platform: Pretended) -> None:
        text = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
        assert "was ended by SIGSEGV" in result(self.run(platform, text))[1]

    def test_are_not_sent_to_the_old_version_before_there_is_traffic(
        self, platform: Pretended, tmp_path: Path
    ) -> None:
        platform.replicas_of["new"] = [Replica(0, "running")]
        text = f"open({str(tmp_path / 'asked')!r}, 'w')"
        found = self.run(platform, text, percent=0, url="http://127.0.0.1:9")
        assert result(found) == NOT_YET
        assert not (tmp_path / "asked").exists()
        assert result(self.run(platform, text))[0] == "pass", "with traffic they are run"

    def test_that_cannot_be_started_say_why(self, platform: Pretended) -> None:
        each = SmokeCommand(name="look", command=("/nowhere/look",))
        found = command.check(observed(platform, Verification(commands=(each,))), {})
        assert (
            result(found)[1]
            == "look: /nowhere/look could not be started: No such file or directory"
        )


def _is_dead(pid: int) -> bool:
    """Ended, and nobody has asked for its exit code yet."""
    return " Z " in Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
