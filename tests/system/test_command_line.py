"""The whole job by a person: nothing but the command, which starts the service by itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.api import Api
from tests.support.cli import Result, Terminal, command, environment, run
from tests.support.local import APP
from tests.support.ports import free_port
from tests.support.real import need_program
from tests.support.service import end_all

pytestmark = pytest.mark.system

MAY_START = {"ORCHESTRATE_NO_AUTOSTART": "0"}
CONFIG = """\
app: shop
environments:
  staging:
    type: {type}
    provider: local
    url: http://127.0.0.1:{port}
    strategy: {{type: blue-green, keep_old: 10m, bake: {bake}}}
    health: {{version_header: X-Version, healthy_after: 1, interval: 50ms}}
    config:
      command: ["{{python}}", -I, -S, app.py]
      artifact: releases/{{version}}
      replicas: 1
"""


class Shop:
    """A repository with an orchestrate.yaml and releases, and the command run in it."""

    def __init__(self, home: Path, root: Path) -> None:
        self.home = home
        self.root = root
        self.url = f"http://127.0.0.1:{free_port()}"

    def write(self, *, kind: str = "staging", bake: str = "0s") -> None:
        port = self.url.rpartition(":")[2]
        text = CONFIG.format(type=kind, port=port, bake=bake)
        (self.root / "orchestrate.yaml").write_text(text, encoding="utf-8")

    def release(self, version: str, *, failing: bool = False) -> None:
        source = APP.replace("{version}", version).replace("{failing}", str(failing))
        directory = self.root / "releases" / version
        directory.mkdir(parents=True)
        (directory / "app.py").write_text(source, encoding="utf-8")

    def __call__(self, *arguments: str) -> Result:
        return run(*arguments, env=MAY_START, cwd=self.root)


@pytest.fixture
def shop(home: Path, tmp_path: Path) -> Iterator[Shop]:
    need_program("traefik", 'pip install "orchestrate-mcp[edge]"')
    made = Shop(home, tmp_path)
    for version in ("1.0.0", "1.1.0"):
        made.release(version)
    made.write()
    yield made
    end_all(home)


def test_the_command_alone_does_the_whole_job(shop: Shop) -> None:
    created = shop("env", "create", "--file", "orchestrate.yaml")
    assert (created.code, created.out) == (0, "environments: 1 created\n")
    first = shop("deploy", "--env", "staging", "--version", "1.0.0")
    assert first.code == 0, first
    assert first.out.splitlines()[-1].endswith("staging serves 1.0.0")
    second = shop("deploy", "--env", "staging", "--version", "1.1.0", "--json")
    assert (second.code, second.document["summary"]) == (0, "staging serves 1.1.0, was 1.0.0")
    again = shop("deploy", "--env", "staging", "--version", "1.1.0")
    assert (again.code, again.err) == (0, "")
    assert "Nothing to do" in again.out
    back = shop("deploy", "rollback", "--env", "staging", "--reason", "to see it")
    assert back.code == 0
    assert back.out.splitlines()[-1].endswith("staging serves 1.0.0 again")
    status = dict(line.split("\t") for line in shop("deploy", "status").out.splitlines())
    assert status["live.version"] == "1.0.0"
    assert status["health"] == "healthy"
    assert shop("deploy", "logs", "--env", "staging").code == 0
    assert shop("deploy", "history", "-q").out == "d3\nd2\nd1\n"
    gone = shop("env", "delete", "staging", "--confirm", "staging", "--reason", "done")
    assert (gone.code, gone.out) == (0, "staging is deleted; its history is kept\n")


def test_many_commands_at_once_on_a_cold_machine_find_one_service(shop: Shop) -> None:
    started = [
        subprocess.Popen(
            command("env", "list", "--json"),
            env=environment(**MAY_START),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(3)
    ]
    answers = [process.communicate(timeout=60) for process in started]
    assert [process.returncode for process in started] == [0, 0, 0], answers
    assert len({out for out, _ in answers}) == 1
    log = (shop.home / "service.log").read_text(encoding="utf-8")
    assert log.count(f"serving at {shop.home}") == 1


def test_json_is_what_rest_answers_byte_for_byte(shop: Shop) -> None:
    shop("env", "create", "--file", "orchestrate.yaml")
    shop("deploy", "--env", "staging", "--version", "1.0.0")
    api = Api(shop.home)
    for arguments, path in (
        (("deploy", "status", "d1"), "/api/deployments/d1"),
        (("deploy", "history"), "/api/deployments?limit=10"),
        (("env", "list"), "/api/overview"),
    ):
        assert shop(*arguments, "--json").document == api.call("GET", path)


def test_a_failed_version_is_told_with_its_last_words_and_1(shop: Shop) -> None:
    shop.release("1.2.0", failing=True)
    shop("env", "create", "--file", "orchestrate.yaml")
    shop("deploy", "--env", "staging", "--version", "1.0.0")
    failed = shop("deploy", "--env", "staging", "--version", "1.2.0", "--timeout", "3s")
    assert failed.code == 1
    assert failed.out.splitlines()[-1].split()[3] == "rolled_back"
    assert shop("deploy", "status", "-q").out == "1.0.0\n"


def test_production_is_asked_about_and_followed_through_the_death_of_the_service(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.write(kind="production", bake="3s")
    shop("env", "create", "--file", "orchestrate.yaml")
    deploy = ("deploy", "--env", "staging", "--version", "1.0.0")
    refused = shop(*deploy)
    assert refused.code == 2
    assert "error[confirmation_needed]" in refused.err
    monkeypatch.chdir(shop.root)
    with Terminal(deploy, env=MAY_START) as terminal:
        terminal.wait_for("[y/N]")
        terminal.press(b"y\n")
        terminal.wait_for("bake")
        terminal.wait_for("to go")
        card = json.loads((shop.home / "service.json").read_text(encoding="utf-8"))
        os.kill(card["pid"], signal.SIGKILL)
        terminal.wait_for("connected again, d1 goes on")
        assert terminal.end() == 0
    assert "✓ d1 succeeded: staging serves 1.0.0" in terminal.text
