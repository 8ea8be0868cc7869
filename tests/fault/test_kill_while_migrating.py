"""kill -9 of the service while a migration runs: the migration ends too, and runs again alone."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.real import need_program
from tests.support.service import World
from tests.support.service import world as a_world
from tests.support.waiting import eventually

pytestmark = [pytest.mark.fault, pytest.mark.timeout(300)]

MIGRATE = """
import fcntl, json, os, sys, time

here = os.environ["HERE"]
at = lambda name: os.path.join(here, name)
if sys.argv[1] == "applied":
    print(json.dumps(["0042_add_currency"] if os.path.exists(at("applied")) else []))
elif sys.argv[1] == "list":
    brings = os.environ["ORCHESTRATE_VERSION"] == "1.1.0"
    print(json.dumps(json.loads(os.environ["BRINGS"]) if brings else []))
else:
    with open(at("lock"), "w") as alone, open(at("log"), "a") as log:
        try:
            fcntl.flock(alone, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("beside", os.getpid(), file=log, flush=True)
        else:
            print("begun", os.getpid(), file=log, flush=True)
        while not os.path.exists(at("go")):
            time.sleep(0.02)
    open(at("applied"), "w").close()
"""


@pytest.fixture
def world() -> Iterator[World]:
    need_program("traefik", 'pip install "orchestrate-mcp[edge]"')
    with a_world() as found:
        for version in ("1.0.0", "1.1.0"):
            found.release(version)
        yield found


def test_no_migration_runs_on_beside_its_repetition(world: World, tmp_path: Path) -> None:
    program = tmp_path / "migrate.py"
    program.write_text(MIGRATE, encoding="utf-8")
    call = [sys.executable, str(program)]
    site = world.small(
        "migrating",
        strategy={"type": "blue-green"},
        migrations={
            "expand": [*call, "run"],
            "contract": [*call, "run"],
            "applied": [*call, "applied"],
            "listed": [*call, "list"],
            "timeout_s": 120,
        },
        variables={"HERE": str(tmp_path), "BRINGS": '[{"name": "0042_add_currency"}]'},
    )
    site.live("1.0.0")
    begun = site.begin("1.1.0").id
    (first,) = eventually(lambda: runs(tmp_path, 1), within_s=60)
    world.service.kill()
    eventually(lambda: not Path("/proc", first[1]).exists())
    world.service.start()
    found = eventually(lambda: runs(tmp_path, 2), within_s=60)
    assert [word for word, _ in found] == ["begun", "begun"], "never two at once"
    (tmp_path / "go").touch()
    done = world.api.wait(begun, within_s=120)
    assert (done.phase, site.serves()) == ("succeeded", "1.1.0")
    assert len(runs(tmp_path, 2)) == 2


def runs(directory: Path, least: int) -> list[tuple[str, str]]:
    """What each run of the migration wrote, once there are `least`; else nothing."""
    log = directory / "log"
    lines = log.read_text("utf-8").splitlines() if log.exists() else []
    found = [(line.split()[0], line.split()[1]) for line in lines]
    return found if len(found) >= least else []
