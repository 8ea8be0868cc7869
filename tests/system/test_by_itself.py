"""What is taken back by itself after a success, and what a pause of the service changes."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support import processes
from tests.support.api import Deployment, Problem
from tests.support.local import APP
from tests.support.service import Site, World, version_of
from tests.support.waiting import eventually

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

KEPT = {"type": "blue-green", "keep_old_s": 600}
HELD = {"type": "canary", "steps": [50, 100], "analyse": {"window_s": 0, "min_requests": 10}}
BAKED = {"type": "blue-green", "bake_s": 600}
# Ends at its start from the moment that a file is there.
CRASHES = APP.replace(
    "FAILING = {failing}",
    'FAILING = {failing}\nif os.path.exists(os.environ["BROKEN"]):\n    sys.exit(7)',
)


def begun(site: Site, version: str, step: str) -> Deployment:
    """A deployment once its step runs."""
    found = site.begin(version)
    eventually(lambda: site.api.get(found.id).steps.get(step) == "running", within_s=60)
    return found


@pytest.mark.trap(38)
@pytest.mark.trap(12)
def test_a_release_that_keeps_ending_after_its_success_is_rolled_back_once(
    world: World, tmp_path: Path
) -> None:
    world.release("1.9.0", CRASHES)
    switch = tmp_path / "broken"
    site = world.small("crashing", strategy=KEPT, variables={"BROKEN": str(switch)})
    site.live("1.0.0")
    site.live("1.9.0")
    switch.touch()
    end_new(site, "1.9.0")
    eventually(lambda: site.live_version() == "1.0.0", within_s=90)
    newest = site.api.history(site.name)[0]
    assert (newest["kind"], newest["phase"]) == ("rollback", "succeeded")
    assert "keeps ending" in str(newest["why"])
    done = site.api.get(str(newest["id"]))
    assert done.document["requested_by"] == {"actor": "orchestrate", "on_behalf_of": None}
    assert site.serves() == "1.0.0"
    with pytest.raises(Problem) as refused:
        site.begin("1.9.0")
    assert refused.value.code == "quarantined"
    assert [d["kind"] for d in site.api.history(site.name)].count("rollback") == 1


def test_a_release_that_keeps_ending_while_it_bakes_is_rolled_back(
    world: World, tmp_path: Path
) -> None:
    world.release("1.9.1", CRASHES)
    switch = tmp_path / "broken"
    site = world.small("baking", strategy=BAKED, variables={"BROKEN": str(switch)})
    first = begun(site, "1.0.0", "bake")
    site.api.control(first.id, "promote")
    assert site.api.wait(first.id).phase == "succeeded"
    second = begun(site, "1.9.1", "bake")
    switch.touch()
    end_new(site, "1.9.1")
    done = site.api.wait(second.id, within_s=90)
    assert (done.phase, done.result, done.serving) == ("rolled_back", "unhealthy", "1.0.0"), done
    assert "keeps ending" in str(done.error["message"])


def test_a_promoted_bake_ends_at_once_and_everything_after_it_is_done(world: World) -> None:
    site = world.small("promoted", strategy=BAKED)
    found = begun(site, "1.0.0", "bake")
    site.api.control(found.id, "promote")
    done = site.api.wait(found.id)
    assert (done.phase, done.serving) == ("succeeded", "1.0.0")
    assert done.text("bake").startswith("promoted: ")
    assert done.steps["verify-100"] == "done"


def test_a_pause_outlives_the_service(world: World) -> None:
    site = world.small("paused", strategy=HELD)
    site.live("1.0.0")
    found = begun(site, "1.1.0", "analyse-50")
    site.api.control(found.id, "pause")
    eventually(lambda: site.api.get(found.id).paused, within_s=30)
    world.service.kill()
    for _ in range(40):
        assert site.ask().status == 200
    world.service.start()
    assert site.api.get(found.id).paused
    assert site.weights() == {"1.0.0": 50, "1.1.0": 50}
    site.api.control(found.id, "resume")
    done = site.api.wait(found.id)
    assert (done.phase, done.serving) == ("succeeded", "1.1.0"), done


@pytest.mark.trap(30)
def test_time_in_which_the_service_was_away_counts_against_the_deadline(world: World) -> None:
    site = world.small("away", strategy=HELD)
    site.live("1.0.0")
    found = site.begin("1.1.0", timeout_s=8)
    eventually(lambda: site.api.get(found.id).steps.get("analyse-50") == "running", within_s=60)
    deadline = str(site.api.get(found.id).document["deadline_at"])
    world.service.kill()
    eventually(lambda: _now() > deadline, within_s=30)
    world.service.start()
    done = site.api.wait(found.id)
    assert (done.phase, done.result, done.serving) == ("rolled_back", "deadline", "1.0.0")
    assert site.weights() == {"1.0.0": 100}


def test_a_switch_that_is_cancelled_in_its_bake_is_taken_back(world: World) -> None:
    site = world.small("regretted", strategy=BAKED)
    first = begun(site, "1.0.0", "bake")
    site.api.control(first.id, "promote")
    site.api.wait(first.id)
    second = begun(site, "1.1.0", "bake")
    assert site.serves() == "1.1.0"
    site.api.control(second.id, "cancel")
    done = site.api.wait(second.id)
    assert (done.phase, done.result, site.serves()) == ("rolled_back", "cancelled", "1.0.0")


def end_new(site: Site, version: str) -> None:
    """kill -9 of its replicas."""
    for left in processes.of_home(site.directory / "versions"):
        if version_of(left.pid) == version:
            processes.end(left.pid)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
