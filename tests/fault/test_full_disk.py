"""A disk that is really full: nothing new is deployed, what serves goes on, a rollback works."""

from __future__ import annotations

import errno
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.api import Problem
from tests.support.real import need, need_program
from tests.support.service import World, world_at
from tests.support.waiting import eventually

pytestmark = pytest.mark.fault

SIZE = "200m"
KEPT_FREE_MB = "40"


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A directory on a disk of its own, of 200 MB."""
    need(os.geteuid() == 0, "root, to mount a small disk", "sudo make test ARGS=tests/fault")
    path = Path(tempfile.mkdtemp(prefix="orc-", dir="/tmp")).resolve()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0700", "tmpfs", str(path)],
        capture_output=True,
        check=False,
    )
    try:
        need(mounted.returncode == 0, "the right to mount", "docker run --cap-add SYS_ADMIN")
        yield path
    finally:
        if mounted.returncode == 0:
            subprocess.run(["umount", str(path)], check=True)
        path.rmdir()


@pytest.fixture
def world(small_disk: Path) -> Iterator[World]:
    need_program("traefik", 'pip install "orchestrate-mcp[edge]"')
    with world_at(small_disk, ORCHESTRATE_MIN_FREE_MB=KEPT_FREE_MB) as found:
        for version in ("1.0.0", "1.1.0", "2.0.0"):
            found.release(version)
        yield found


@pytest.mark.attack("CR03", "the disk is full: a deployment, a rollback", "refused; goes")
def test_a_full_disk_refuses_deployments_and_lets_a_rollback_pass(world: World) -> None:
    site = world.small("full", strategy={"type": "blue-green"})
    site.live("1.0.0")
    site.live("1.1.0")
    fill(world.home)
    assert refusal(world) == "disk_full"
    assert site.serves() == "1.1.0"
    assert site.running() == {"1.1.0": 1}
    done = site.api.wait(site.api.rollback(site.name).id)
    assert (done.phase, done.serving) == ("succeeded", "1.0.0")
    assert site.serves() == "1.0.0"
    assert site.running() == {"1.0.0": 1}
    assert refusal(world) == "disk_full"


@pytest.mark.attack(
    "CR03", "the disk fills up during a canary", "neither it nor what serves is lost"
)
def test_a_disk_that_fills_up_during_a_canary_loses_neither_it_nor_what_serves(
    world: World,
) -> None:
    held = {"type": "canary", "steps": [50, 100], "analyse": {"window_s": 0, "min_requests": 10}}
    site = world.small("filled", strategy=held)
    site.live("1.0.0")
    begun = site.begin("1.1.0")
    eventually(lambda: site.api.get(begun.id).text("analyse-50").startswith("hold"))
    fill(world.home)
    for _ in range(40):
        assert site.ask().status == 200
    done = site.api.wait(begun.id)
    assert done.phase in ("succeeded", "rolled_back"), done
    assert site.weights() == {str(done.serving): 100}
    assert site.serves() == done.serving == site.live_version()


@pytest.mark.attack("CR03", "a service starts on a full disk", "it starts, and rolls back")
def test_a_service_starts_on_a_full_disk(world: World) -> None:
    site = world.small("start", strategy={"type": "blue-green"})
    site.live("1.0.0")
    site.live("1.1.0")
    fill(world.home)
    world.service.kill()
    world.service.start()
    assert site.serves() == "1.1.0"
    assert site.api.wait(site.api.rollback(site.name).id).serving == "1.0.0"


def refusal(world: World) -> str:
    """Code with which a deployment is refused, or ends."""
    try:
        done = world.api.deploy("full", "2.0.0")
    except Problem as problem:
        assert problem.fix
        return problem.code
    assert done.phase == "failed"
    return str(done.result)


def fill(directory: Path) -> None:
    """Leave no byte free."""
    with (directory / "filler").open("wb", buffering=0) as file:
        for size in (1 << 20, 4096):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError as error:
                assert error.errno == errno.ENOSPC
