"""40 secrets planted in environments whose applications print them; then everything is asked, and
everything that came out and everything that was written is searched."""

from __future__ import annotations

import asyncio
import json
import resource
import sqlite3
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from orchestrate.cli.spec import COMMANDS
from orchestrate.tools import TOOLS
from tests.support import cli, processes
from tests.support.agent import agent
from tests.support.api import Problem
from tests.support.planted import APP, COUNT, Looker, backed_up, planted
from tests.support.real import need_program
from tests.support.service import World, world
from tests.support.sinks import Hook, hook
from tests.support.waiting import eventually

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

GATE = {"start_timeout_s": 4, "interval_s": 0.2}
UNASKED = {"stop_service", "retire_service"}
"""Routes that end the service; `orchestrate stop` asks the first."""
NOT_RUN = {
    ("mcp",): "asked through an agent's client below",
    ("serve",): "runs already",
    ("demo",): "a home of its own, and no secret",
    ("init",): "writes a file of names only; asked for its help",
}


@dataclass
class Stage:
    """A world with planted secrets, and all that came out of it."""

    world: World
    values: list[str]
    looker: Looker
    sink: Hook
    """Who is told of everything."""
    out: list[tuple[str, bytes]] = field(default_factory=list)
    ran: set[tuple[str, ...]] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)

    def run(self, *arguments: str, given: str | None = None) -> cli.Result:
        done = subprocess.run(
            cli.command(*arguments),
            env=cli.environment(ORCHESTRATE_HOME=str(self.world.home)),
            input=given if given is not None else "",
            capture_output=True,
            encoding="utf-8",
            timeout=120,
        )
        known = [c.path for c in COMMANDS if arguments[: len(c.path)] == c.path]
        self.ran |= {max(known, key=len)} if known else set()
        said = done.stdout + done.stderr
        self.out.append((" ".join(arguments), said.encode()))
        return cli.Result(done.returncode, done.stdout, done.stderr)

    def call(self, method: str, path: str, body: dict[str, object] | None = None) -> None:
        try:
            said: object = self.world.api.call(method, path, body)
        except Problem as problem:
            said = [problem.code, problem.message, problem.why, problem.fix]
        self.out.append((f"{method} {path}", json.dumps(said, ensure_ascii=False).encode()))


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    need_program("traefik", 'pip install "orchestrate-mcp[edge]"')
    with hook() as sink, world(ORCHESTRATE_ALLOW_OUTBOUND=f"127.0.0.1:{sink.port}") as found:
        for version, failing in (
            ("1.0.0", False),
            ("1.1.0", False),
            ("1.2.0", True),
            ("1.3.0", False),
        ):
            found.release(version, APP, failing=failing)
        values = planted(seed=5)
        yield Stage(found, values, Looker(values), sink)


def plant(stage: Stage) -> None:
    """20 values in staging, a second version of ten of them, and ten more imported by REST."""
    config = {"command": ["{python}", "-I", "-S", "app.py"], "grace": "1s"}
    telling = {
        "name": "team",
        "events": ["started", "succeeded", "failed", "rolled_back", "rollback_failed"],
        "sink": {"kind": "webhook", "url": stage.sink.url},
    }
    site = stage.world.small(
        "staging",
        strategy={"type": "recreate"},
        health=GATE,
        config=config,
        notifications=[telling],
    )
    names = [f"PLANTED_{n}" for n in range(20)]
    for name, value in zip(names, stage.values[:20], strict=True):
        done = stage.run("secrets", "set", name, "--env", "staging", given=value)
        assert done.code == 0, done
    settings = {**site.settings, "secrets": [*names, *(f"PLANTED_I{n}" for n in range(10))]}
    imported = {f"PLANTED_I{n}": value for n, value in enumerate(stage.values[20:30])}
    body: dict[str, object] = {"environments": [settings], "secrets": {"staging": imported}}
    stage.call("POST", "/api/environments", {**body, "dry_run": True})
    stage.call("POST", "/api/environments", body)


@pytest.mark.trap(62)
@pytest.mark.attack("SK05", "40 planted values, in all that comes out or is written", "0 hits")
@pytest.mark.attack("AG02", "an application prints its secrets where an agent reads", "masked")
def test_no_planted_value_comes_out_anywhere(stage: Stage, tmp_path: Path) -> None:
    assert len(stage.values) == COUNT
    plant(stage)
    ask_the_commands(stage)
    ask_the_routes(stage)
    asyncio.run(ask_as_an_agent(stage))
    break_it(stage)
    stage.out += [("notification", each.raw) for each in stage.sink.wait(5)]
    assert {c.path for c in COMMANDS} == stage.ran | set(NOT_RUN)
    assert {tool.name for tool in TOOLS} == stage.asked | UNASKED

    assert {what: hits for what, text in stage.out if (hits := stage.looker.hits(text))} == {}
    home = stage.world.home
    backed_up(home / "orchestrate.db", home / "backup.db")
    assert stage.looker.on_disk(home, but="/logs/") == {}
    theirs = {p.pid for p in processes.of_home(home) if "app.py" in p.command}
    ours = {p.pid: p.command for p in processes.of_home(home) if p.pid not in theirs}
    assert len(ours) >= 3 and theirs
    assert stage.looker.in_processes(ours) == {}

    # The search finds what is there: the application has them, and wrote them down itself.
    assert len(stage.looker.in_processes(dict.fromkeys(theirs, ""))) == len(theirs)
    assert stage.looker.on_disk(home, but=".db")


@pytest.mark.attack("SK05", "the service dies with values in its memory", "no core dump")
def test_the_service_leaves_no_core_dump(stage: Stage) -> None:
    stage.run("secrets", "list", "--env", "staging")
    service = stage.world.service
    resource.prlimit(service.pid, resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2)
    assert service.process is not None
    service.process.send_signal(6)
    service.process.wait(timeout=30)
    pattern = Path("/proc/sys/kernel/core_pattern").read_text().strip()
    places = [
        stage.world.home,
        Path(pattern).parent if pattern.startswith("/") else Path("/nowhere"),
    ]
    assert [p for place in places if place.is_dir() for p in place.glob("core*")] == []
    service.start()


def ask_the_commands(stage: Stage) -> None:
    run = stage.run
    run("deploy", "--env", "staging", "--version", "1.0.0")
    for n in range(10):
        run("secrets", "rotate", f"PLANTED_{n}", "--env", "staging", given=stage.values[30 + n])
    run("deploy", "diff", "--env", "staging", "--version", "1.1.0")
    run("deploy", "diff", "--env", "staging", "--version", "1.1.0", "--json")
    run("deploy", "--env", "staging", "--version", "1.1.0", "--output", "jsonl")
    run("deploy", "--env", "staging", "--version", "1.2.0")
    run("deploy", "--env", "staging", "--version", "1.3.0", "--json")
    for more in ((), ("--json",), ("--output", "jsonl")):
        run("deploy", "logs", "--env", "staging", *more)
        run("deploy", "logs", "--env", "staging", "--version", "1.2.0", *more)
        run("deploy", "status", "--env", "staging", *more)
        run("deploy", "history", "--env", "staging", *more)
        run("deploy", "validate", "--env", "staging", "--version", "1.0.0", *more)
        run("env", "list", *more)
        run("env", "show", "staging", "--variables", *more)
        run("secrets", "list", "--env", "staging", *more)
        run("audit", "list", "--limit", "500", *more)
        run("audit", "verify", *more)
        run("audit", "export", *more)
        run("doctor", *more)
    for n in range(1, 5):
        run("deploy", "status", f"d{n}")
        run("deploy", "logs", f"d{n}", "--grep", stage.values[0][:6])
        run("deploy", "analysis", f"d{n}")
    for verb in ("pause", "resume", "promote", "cancel"):
        run("deploy", verb, "d1")
    run("deploy", "rollback", "--env", "staging")
    run("secrets", "rotate", "--master-key")
    run("secrets", "rm", "PLANTED_19", "--env", "staging")
    run("secrets", "rm", "PLANTED_19", "--env", "staging", "--confirm", "PLANTED_19")
    run("env", "create", "--file", "nothing.yaml")
    run("env", "delete", "nothing", "--confirm", "nothing")
    run("audit", "accept-restore", "--reason", "because")
    for command in COMMANDS:
        if command.path not in stage.ran | set(NOT_RUN) | {("stop",)}:
            run(*command.path, "--no-input", "--env", "staging")
    run("stop")
    service = stage.world.service
    assert service.process is not None
    service.process.wait(timeout=30)
    service.start()


def ask_the_routes(stage: Stage) -> None:
    """Every route: as it should be asked, and with a value where something else belongs."""
    for tool in TOOLS:
        method, path = tool.rest
        if tool.name in UNASKED:
            continue
        stage.asked.add(tool.name)
        for name, filling in (("deployment", "d1"), ("environment", "staging"), ("plan", "0" * 12)):
            path = path.replace("{" + name + "}", filling)
        path = path.replace("{action}", "pause")
        path = path if "{" not in path else path.partition("{")[0] + "x"
        if method == "GET":
            stage.call(method, f"{path}?environment=staging")
        else:
            stage.call(method, path, {"environment": "staging", "confirm": "no"})
    for wrong in ([stage.values[3]], {"a": stage.values[3]}):
        body: dict[str, object] = {"environment": "staging", "name": "PLANTED_3", "value": wrong}
        stage.call("POST", "/api/secrets", body)
    for name in ("bad name", "ORCHESTRATE_X", "A=B"):
        body = {"environment": "staging", "name": name, "value": stage.values[4]}
        stage.call("POST", "/api/secrets", body)
    stage.call(
        "POST", "/api/secrets", {"environment": "nowhere", "name": "X", "value": stage.values[5]}
    )
    stage.call(
        "POST",
        "/api/secrets",
        {"environment": "staging", "name": "X", "value": stage.values[6] + "\0"},
    )
    stage.call("GET", "/openapi.json")


async def ask_as_an_agent(stage: Stage) -> None:
    async with agent(stage.world.home) as client:
        for tool in (await client.list_tools()).tools:
            stage.out.append((f"mcp schema {tool.name}", tool.model_dump_json().encode()))
            for given in (
                {"environment": "staging"},
                {"environment": "staging", "version": "1.2.0"},
                {"deployment": "d3"},
                {"deployment": "d2", "grep": stage.values[1][:5]},
            ):
                known = {k: v for k, v in given.items() if k in tool.input_schema["properties"]}
                answer = await client.call_tool(tool.name, known)
                stage.out.append((f"mcp {tool.name}", answer.model_dump_json().encode()))


def break_it(stage: Stage) -> None:
    """What nobody foresaw: rows that cannot be read, a table that is gone, and the trace of it in
    the service's log."""
    database = sqlite3.connect(stage.world.home / "orchestrate.db", timeout=30)
    with database:
        database.execute("UPDATE secret_versions SET ct = x'00' WHERE name = 'PLANTED_11'")
        database.execute("UPDATE environments SET timeout_s = -1")
    stage.run("deploy", "--env", "staging", "--version", "1.0.0")
    stage.call("GET", "/api/environments/staging")

    def traced() -> bool:
        return "Traceback" in (stage.world.home / "service.log").read_text("utf-8")

    eventually(traced, within_s=30)  # whoever looks after the environments stumbles over it
    with database:
        database.execute("UPDATE environments SET timeout_s = 60")
        database.execute("ALTER TABLE secret_versions RENAME TO mislaid")
    stage.run("secrets", "set", "PLANTED_1", "--env", "staging", given=stage.values[7])
    stage.run("deploy", "--env", "staging", "--version", "1.0.0")
    with database:
        database.execute("ALTER TABLE mislaid RENAME TO secret_versions")
    database.close()
    stage.run("deploy", "--env", "staging", "--version", "1.0.0")
    stage.run("deploy", "validate", "--env", "staging", "--version", "1.0.0")
