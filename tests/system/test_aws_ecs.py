"""The service and the command line on ECS: strategies, a crash that ECS takes back, a rollback."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.aws.app import KEYS, Ecs, One
from tests.support.cli import environment
from tests.support.service import World, world

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

EXITS = "import sys; print('no settings', flush=True); sys.exit(7)\n"


@dataclass
class Shop:
    """A world whose only environment is `live`, on ECS."""

    world: World
    ecs: Ecs

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """The command, as a user types it beside orchestrate.yaml."""
        return subprocess.run(
            [sys.executable, "-m", "orchestrate", *words],
            cwd=self.world.root,
            env=environment(ORCHESTRATE_HOME=str(self.world.home)),
            capture_output=True,
            text=True,
            timeout=300,
        )

    def deploy(self, version: str, *more: str, code: int = 0) -> dict[str, Any]:
        """`orchestrate deploy`, with the document it prints."""
        done = self.run("deploy", "--env", "live", "--version", version, "--json", *more)
        assert done.returncode == code, done.stdout + done.stderr
        found = json.loads(done.stdout)
        assert isinstance(found, dict)
        return found


def shop_of(ecs: Ecs, made: World, strategy: object) -> Shop:
    made.root.mkdir(exist_ok=True)
    for version in ("1.0.0", "1.1.0"):
        ecs.account.push(version)
    ecs.account.push("1.2.0", EXITS)
    config = {k: v for k, v in ecs.settings.items() if k != "root" and v is not None}
    settings = {
        "type": "staging",
        "provider": "aws",
        "url": ecs.front.balancer.url,
        "strategy": strategy,
        "health": {"interval": "100ms", "healthy_after": 1, "version_header": "X-Version"},
        "config": {"credentials": "ambient", **config},
    }
    text = json.dumps({"app": "shop", "environments": {"live": settings}})
    (made.root / "orchestrate.yaml").write_text(text, encoding="utf-8")
    shop = Shop(made, ecs)
    created = shop.run("env", "create", "--file", "orchestrate.yaml")
    assert created.returncode == 0, created.stderr
    return shop


@pytest.fixture
def slots(tmp_path: Path) -> Iterator[Shop]:
    """Two services behind weights."""
    ecs = Ecs(tmp_path / "home", tmp_path)
    try:
        with world(**KEYS, ORCHESTRATE_ALLOW_OUTBOUND=ecs.front.allowed) as made:
            analyse = {"window": "1s", "min_requests": 0}
            yield shop_of(ecs, made, {"type": "canary", "steps": [50, 100], "analyse": analyse})
    finally:
        ecs.end()


@pytest.fixture
def single(tmp_path: Path) -> Iterator[Shop]:
    """One service, which ECS rolls."""
    one = One(tmp_path / "home", tmp_path)
    try:
        with world(**KEYS, ORCHESTRATE_ALLOW_OUTBOUND=one.front.allowed) as made:
            yield shop_of(one, made, "rolling")
    finally:
        one.end()


def test_canary_blue_green_rolling_and_back_behind_weights(slots: Shop) -> None:
    assert slots.deploy("1.0.0")["phase"] == "succeeded"
    assert slots.ecs.served() == {"1.0.0"}
    canary = slots.deploy("1.1.0")
    assert canary["phase"] == "succeeded"
    assert {"route-50", "analyse-50", "route-100"} <= {step["key"] for step in canary["steps"]}
    assert slots.ecs.served() == {"1.1.0"}
    assert slots.deploy("1.0.0", "--strategy", "blue-green")["phase"] == "succeeded"
    assert slots.ecs.served() == {"1.0.0"}
    assert slots.deploy("1.1.0", "--strategy", "rolling")["phase"] == "succeeded"
    assert slots.ecs.served() == {"1.1.0"}
    back = slots.run("deploy", "rollback", "--env", "live", "--json")
    assert back.returncode == 0, back.stdout + back.stderr
    assert slots.ecs.served() == {"1.0.0"}
    failed = slots.deploy("1.2.0", code=1)
    assert failed["phase"] == "rolled_back"
    assert slots.ecs.served() == {"1.0.0"}
    status = slots.run("deploy", "status", "--env", "live")
    assert "1.0.0" in status.stdout
    logs = slots.run("deploy", "logs", "--env", "live")
    assert "serving 1.0.0" in logs.stdout


def test_a_crash_that_ecs_takes_back_is_rolled_back_with_the_reason(single: Shop) -> None:
    refused = single.run("deploy", "--env", "live", "--version", "1.0.0", "--strategy", "canary")
    assert refused.returncode != 0
    assert "aws_ecs cannot do canary" in refused.stderr
    assert "two slots" in refused.stderr
    assert single.deploy("1.0.0")["phase"] == "succeeded"
    assert single.deploy("1.1.0")["phase"] == "succeeded"
    assert single.ecs.served() == {"1.1.0"}
    failed = single.deploy("1.2.0", code=1)
    assert failed["phase"] == "rolled_back"
    said = json.dumps(failed["error"])
    assert "ECS took 1.2.0 back by itself" in said
    assert "shop exited with code 7" in said
    assert "no settings" in said
    assert single.ecs.served() == {"1.1.0"}
    again = single.deploy("1.2.0", code=1)
    assert again["error"]["code"] == "quarantined"
    back = single.run("deploy", "rollback", "--env", "live", "--json")
    assert back.returncode == 0, back.stdout + back.stderr
    assert single.ecs.served() == {"1.0.0"}
