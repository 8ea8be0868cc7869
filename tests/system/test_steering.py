"""Steering a deployment while it runs, and what a rollback brings back."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.support.api import Deployment, Problem
from tests.support.load import BASKET, Load
from tests.support.service import Site, World
from tests.support.service import world as a_world
from tests.support.waiting import eventually

pytestmark = pytest.mark.system

HELD = {"type": "canary", "steps": [50, 100], "analyse": {"window_s": 0, "min_requests": 10}}
"""Holds at 50 percent until somebody asks something."""
AT_ONCE = {"type": "blue-green"}


@pytest.fixture
def held(world: World, request: pytest.FixtureRequest) -> Iterator[Held]:
    """1.0.0 live and a canary of 1.1.0 that holds at 50 percent for want of requests."""
    name = request.node.name.removeprefix("test_").replace("_", "-")[:40]
    site = world.small(name, strategy=HELD)
    site.live("1.0.0")
    begun = site.begin("1.1.0")
    eventually(lambda: site.api.get(begun.id).text("analyse-50").startswith("hold: no data"))
    found = Held(site, begun.id)
    yield found
    if not found.now().terminal:
        site.api.control(begun.id, "cancel")
        site.api.wait(begun.id)


class Held:
    """A canary under way."""

    def __init__(self, site: Site, deployment: str) -> None:
        self.site, self.deployment = site, deployment

    def now(self) -> Deployment:
        return self.site.api.get(self.deployment)

    def control(self, action: str) -> None:
        self.site.api.control(self.deployment, action, reason="a test")

    def wait(self) -> Deployment:
        return self.site.api.wait(self.deployment)

    def visit(self) -> None:
        """More requests than the analysis asks for."""
        for _ in range(40):
            assert self.site.ask().status == 200

    def said(self) -> list[str]:
        """What happened to the deployment, in order: `deploy paused`, `stop done`, ..."""
        found = self.site.api.call("GET", f"/api/deployments/{self.deployment}/follow")
        events = found["events"]
        assert isinstance(events, list)
        return [f"{e['step']} {e['state']}" for e in events if isinstance(e, dict)]


class TestACanary:
    def test_without_requests_is_held_and_goes_on_with_them(self, held: Held) -> None:
        assert held.site.weights() == {"1.0.0": 50, "1.1.0": 50}
        assert held.now().phase == "deploying"
        held.visit()
        done = held.wait()
        assert (done.phase, done.serving) == ("succeeded", "1.1.0")
        assert done.verdict == "promote"

    def test_paused_stays_until_it_is_resumed(self, held: Held) -> None:
        held.control("pause")
        eventually(lambda: held.now().paused)
        held.visit()
        held.control("resume")
        assert held.wait().phase == "succeeded"
        said = held.said()
        order = [said.index(s) for s in ("deploy paused", "deploy resumed", "analyse-50 done")]
        assert order == sorted(order)

    def test_promoted_does_not_wait_for_a_verdict(self, held: Held) -> None:
        held.control("promote")
        done = held.wait()
        assert (done.phase, done.serving) == ("succeeded", "1.1.0")
        assert done.text("analyse-50").startswith("promoted: hold: no data")
        assert "deploy promoted" in held.said()

    def test_promoted_while_paused_goes_on(self, held: Held) -> None:
        held.control("pause")
        eventually(lambda: held.now().paused)
        held.control("promote")
        assert held.wait().phase == "succeeded"

    def test_is_not_promoted_before_it_is_watched(self, world: World) -> None:
        world.release("1.4.0", failing=True)
        site = world.small("not-yet", strategy=HELD)
        site.live("1.0.0")
        begun = site.begin("1.4.0")
        eventually(lambda: site.api.get(begun.id).steps.get("await-healthy") == "running")
        with pytest.raises(Problem) as refused:
            site.api.control(begun.id, "promote")
        assert refused.value.code == "not_now"
        assert refused.value.why[0] == "it is at await-healthy"
        site.api.control(begun.id, "cancel")
        assert site.api.wait(begun.id).phase == "rolled_back"

    @pytest.mark.trap(34)
    def test_cancelled_puts_back_what_was_live(self, held: Held) -> None:
        held.control("cancel")
        done = held.wait()
        assert (done.phase, done.result, done.serving) == ("rolled_back", "cancelled", "1.0.0")
        assert held.site.weights() == {"1.0.0": 100}
        assert held.site.running() == {"1.0.0": 1}
        assert held.site.api.environment(held.site.name)["quarantined"] == []

    def test_cancelled_while_paused_ends(self, held: Held) -> None:
        held.control("pause")
        eventually(lambda: held.now().paused)
        held.control("cancel")
        done = held.wait()
        assert (done.phase, done.paused) == ("rolled_back", False)

    def test_that_has_ended_cannot_be_steered(self, held: Held) -> None:
        held.control("cancel")
        held.wait()
        for action in ("pause", "resume", "promote", "cancel"):
            with pytest.raises(Problem) as refused:
                held.control(action)
            assert refused.value.code == "not_now"


def test_a_version_that_errs_under_load_is_taken_back_and_quarantined(world: World) -> None:
    analyse = {"window_s": 60, "min_requests": 20}
    site = world.shop(
        "erring",
        strategy={"type": "canary", "steps": [50, 100], "analyse": analyse},
        variables={"RATES_MAX_USES": "20"},
    )
    site.live("1.0.0")
    with Load.start(site.url, rate=60, path="POST /checkout", body=BASKET) as load:
        done = site.deploy("1.3.0")
        before = load.counts()
        load.stop()
    assert (done.phase, done.result, done.serving) == ("rolled_back", "analysis_abort", "1.0.0")
    assert before.by_version["1.3.0"] > 20, "the failure came under traffic"
    assert "1.3.0 failed" in str(done.error["message"])
    assert done.error["untrusted_lines"], "the last lines of its log"
    assert site.weights() == {"1.0.0": 100}
    assert site.running() == {"1.0.0": 2}
    with pytest.raises(Problem) as refused:
        site.deploy("1.3.0")
    assert refused.value.code == "quarantined"
    assert "--force" in " ".join(refused.value.fix)
    again = site.begin("1.3.0", force=True, reason="to look at it")
    site.api.control(again.id, "cancel")
    assert site.api.wait(again.id).serving == "1.0.0"


def test_a_deadline_takes_it_back(world: World) -> None:
    site = world.small("deadline", strategy=HELD)
    site.live("1.0.0")
    done = site.deploy("1.1.0", timeout_s=1.5)
    assert (done.phase, done.result, done.serving) == ("rolled_back", "deadline", "1.0.0")
    assert site.weights() == {"1.0.0": 100}
    assert site.api.environment(site.name)["quarantined"] == [], "slow is not bad"


class TestTheOldOne:
    def test_is_kept_and_retired_when_its_time_is_over(self, world: World) -> None:
        site = world.small("kept", strategy={**AT_ONCE, "keep_old_s": 1.5})
        site.live("1.0.0")
        site.live("1.1.0")
        assert site.running() == {"1.0.0": 1, "1.1.0": 1}
        eventually(lambda: site.running() == {"1.1.0": 1})
        retired = eventually(lambda: [d for d in _ended(site) if d["kind"] == "retire"])
        assert [d["phase"] for d in retired] == ["succeeded"]
        assert site.serves() == site.live_version() == "1.1.0"
        assert site.api.environment(site.name)["kept_until"] is None

    def test_takes_over_again_by_a_switch_alone(self, world: World) -> None:
        site = world.small("switched", strategy={**AT_ONCE, "keep_old_s": 600})
        site.live("1.0.0")
        site.live("1.1.0")
        before = _started(site)
        done = site.api.wait(site.api.rollback(site.name).id)
        assert (done.phase, done.serving) == ("succeeded", "1.0.0")
        assert next(iter(done.steps)) == "switch"
        assert _started(site) == before
        assert site.running() == {"1.0.0": 1}


class TestARollback:
    @pytest.mark.trap(4)
    def test_follows_the_lineage_and_not_the_clock(self, world: World) -> None:
        world.release("2.0.0")
        site = world.small("lineage", strategy=AT_ONCE)
        for version in ("1.0.0", "1.1.0", "2.0.0"):
            site.live(version)
        for expected in ("1.1.0", "1.0.0"):
            done = site.api.wait(site.api.rollback(site.name).id)
            assert (done.phase, done.serving) == ("succeeded", expected)
            assert done.document["undoes"] is not None
        with pytest.raises(Problem) as refused:
            site.api.rollback(site.name)
        assert refused.value.code == "no_rollback_target"
        assert site.serves() == "1.0.0"

    @pytest.mark.trap(5)
    def test_of_a_rollback_does_not_return_to_the_bad_revision(self, world: World) -> None:
        site = world.small("twice", strategy=AT_ONCE)
        site.live("1.0.0")
        site.live("1.1.0")
        first = site.api.wait(site.api.rollback(site.name).id)
        undone = site.api.get(str(first.document["undoes"]))
        assert undone.document["undone_by"] == first.id
        with pytest.raises(Problem) as refused:
            site.api.rollback(site.name)
        assert refused.value.code == "no_rollback_target"

    @pytest.mark.trap(14)
    def test_brings_back_config_and_variables_with_the_version(self, world: World) -> None:
        site = world.small("settings", strategy=AT_ONCE, variables={"COLOUR": "red"})
        site.live("1.0.0")
        site.change(variables={"COLOUR": "blue", "SIZE": "9"})
        site.live("1.1.0")
        assert _variables(site)["COLOUR"] == "blue"
        assert site.api.wait(site.api.rollback(site.name).id).phase == "succeeded"
        assert site.serves() == "1.0.0"
        assert _variables(site)["COLOUR"] == "red"
        assert "SIZE" not in _variables(site)

    def test_with_quarantine_refuses_what_was_left(self, world: World) -> None:
        site = world.small("left", strategy=AT_ONCE)
        site.live("1.0.0")
        site.live("1.1.0")
        site.api.wait(site.api.rollback(site.name, quarantine=True).id)
        with pytest.raises(Problem) as refused:
            site.deploy("1.1.0")
        assert refused.value.code == "quarantined"

    @pytest.mark.trap(8)
    def test_of_a_pruned_version_is_restored_from_its_artifact(self, world: World) -> None:
        site = world.small("pruned", strategy=AT_ONCE, config={"keep": 0})
        site.live("1.0.0")
        site.live("1.1.0")
        assert site.api.wait(site.api.rollback(site.name).id).serving == "1.0.0"


class TestADeletedEnvironment:
    def test_leaves_nothing_running(self, world: World) -> None:
        site = world.small("gone", strategy={**AT_ONCE, "keep_old_s": 600})
        site.live("1.0.0")
        site.live("1.1.0")
        _delete(site)
        eventually(lambda: site.running() == {})
        assert not _listened(site)
        with pytest.raises(Problem) as refused:
            site.api.environment(site.name)
        assert refused.value.code == "unknown_environment"

    def test_can_be_made_again_and_deployed_to(self, world: World) -> None:
        site = world.small("again", strategy=AT_ONCE)
        site.live("1.0.0")
        _delete(site)
        site.change()
        assert site.live_version() is None
        site.live("1.1.0")
        assert site.serves() == "1.1.0"
        assert site.running() == {"1.1.0": 1}


def test_an_idle_service_ends_but_not_while_a_deployment_runs() -> None:
    slow = {"type": "canary", "steps": [50, 100], "analyse": {"window_s": 3, "min_requests": 0}}
    with a_world() as world:
        for version in ("1.0.0", "1.1.0"):
            world.release(version)
        site = world.small("idle", strategy=slow)
        site.live("1.0.0")
        world.service.stop()
        world.service.start("--idle-exit", "1s")
        begun = site.begin("1.1.0")
        process = world.service.process
        assert process is not None
        assert process.wait(timeout=40) == 0
        assert site.serves() == "1.1.0", "what is deployed does not end with the service"
        world.service.start()
        assert site.api.get(begun.id).phase == "succeeded"


def _variables(site: Site) -> dict[str, object]:
    found = site.ask().body["env"]
    assert isinstance(found, dict)
    return dict(found)


def _ended(site: Site) -> list[dict[str, object]]:
    return [dict(d) for d in site.api.history(site.name) if d["ended_at"] is not None]


def _delete(site: Site) -> None:
    path = f"/api/environments/{site.name}?confirm={site.name}&reason=test"
    site.api.call("DELETE", path)


def _started(site: Site) -> list[object]:
    """Processes that were ever started, by pid."""
    return [e["pid"] for e in site.effects() if e["what"] == "started"]


def _listened(site: Site) -> bool:
    host, _, port = site.url.removeprefix("http://").partition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0
