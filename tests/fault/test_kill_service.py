"""kill -9 of the service at every journalled call of a deployment: it goes on as if nothing was.

The service dies before a call, or once the call's effect is done and before that is journalled, and
is started again. What has to come out is what comes out of a run that nobody killed: the phase,
each effect once, and traffic as recorded.
"""

from __future__ import annotations

import http.client
import json
import queue
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest

from tests.support import processes
from tests.support.api import Deployment, Json, Problem
from tests.support.forked import ForkedService, Launcher, forked_world
from tests.support.real import need_program
from tests.support.service import Site, World
from tests.support.waiting import eventually

pytestmark = [pytest.mark.fault, pytest.mark.timeout(300)]

SIDE_BY_SIDE = 4
"""Homes in which cases run at once: a case mostly waits."""
EXITS = "import sys; print('no settings', flush=True); sys.exit(7)\n"
OTHER = {"1.0.0": "1.1.0", "1.1.0": "1.0.0"}
NO_ANALYSIS = {"window_s": 0, "min_requests": 0}
HELD = {"window_s": 0, "min_requests": 10}
NEVER = {
    "smoke": [{"name": "never", "path": "/", "expect": {"status": 299}}],
    "patience_s": 0.2,
    "before_traffic": False,
}
BY_CHANCE = ("note@", "receive@", "clock@")
"""Calls between two looks: a run whose first look finds a step done makes none."""
ONLY_READ = ("look", "clock", "count", "validate", "observe")
"""Calls without an effect: to die inside one is to die before it."""


@dataclass(frozen=True)
class Scenario:
    """A kind of deployment, from the version that serves to the other one."""

    strategy: Mapping[str, object]
    begin: Callable[[Site, str], Deployment]
    end: tuple[str, str | None]
    """Phase and result."""
    moves: bool = True
    """Whether the other version serves in the end."""
    cancelled: bool = False
    """Somebody cancels it once it is held."""
    restarts: bool = False
    """What it starts ends by itself, and is started again a few times."""
    verify: Mapping[str, object] = field(default_factory=dict)
    """What the new version is asked."""
    since: str = ""
    """The call from which on it dies; up to there it is as another scenario."""


def _canary(analyse: Mapping[str, object]) -> dict[str, object]:
    return {"type": "canary", "steps": [50, 100], "analyse": analyse}


SCENARIOS = {
    "canary": Scenario(
        _canary(NO_ANALYSIS),
        lambda site, version: site.begin(version),
        ("succeeded", None),
    ),
    "rollback": Scenario(
        {"type": "blue-green"},
        lambda site, version: site.api.rollback(site.name, version=version),
        ("succeeded", None),
    ),
    "failing": Scenario(
        _canary(NO_ANALYSIS),
        lambda site, _: site.begin("7.0.0", force=True, reason="to see it fail"),
        ("rolled_back", "exited"),
        moves=False,
        restarts=True,
        since="end@2",
    ),
    "cancel": Scenario(
        _canary(HELD),
        lambda site, version: site.begin(version),
        ("rolled_back", "cancelled"),
        moves=False,
        cancelled=True,
        since="receive@4",
    ),
    "unverified": Scenario(
        {"type": "blue-green"},
        lambda site, version: site.begin(version, force=True, reason="to see it fail"),
        ("rolled_back", "verification_failed"),
        moves=False,
        verify=NEVER,
        since="act@4",
    ),
}


@pytest.fixture(scope="module")
def homes() -> Iterator[Homes]:
    need_program("traefik", 'pip install "orchestrate-mcp[edge]"')
    with ExitStack() as made:
        launcher = Launcher()
        made.callback(launcher.close)
        yield Homes(launcher, made)


@pytest.mark.attack(
    "CR01",
    "kill -9 before and after each journalled call: canary, rollback, undo, cancel",
    "as if nothing was; each effect once",
)
@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.trap(31)
def test_a_killed_service_goes_on_where_it_was(
    homes: Homes, name: str, subtests: pytest.Subtests
) -> None:
    scenario = SCENARIOS[name]
    expected = homes.live(name, None)
    assert expected is not None
    assert expected.end == (*scenario.end, True, scenario.moves)
    assert expected.processes == Counter({"supervisor": 1, "replica": 1})
    deaths = list(deaths_of(expected.calls, scenario.since))
    assert len(deaths) > 15, "the calls were counted"
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        lives = [pool.submit(homes.live, name, death) for death in deaths]
        for death, life in zip(deaths, lives, strict=True):
            with subtests.test(f"{death.when} {death.at}"):
                seen = life.result()
                if seen is None:
                    assert death.at.startswith(BY_CHANCE), "a call that every run makes"
                    continue
                assert seen.end == expected.end
                assert seen.routes == expected.routes, "each document of the edge, once, in order"
                assert seen.twice == []
                assert seen.processes == expected.processes
                assert scenario.restarts or seen.effects == expected.effects


@dataclass(frozen=True)
class Death:
    at: str
    when: str


def deaths_of(calls: Mapping[str, str], since: str) -> Iterator[Death]:
    """Before every call; and inside each that does something or writes something down."""
    labels = list(calls)
    for label in labels[labels.index(since) if since else 0 :]:
        yield Death(label, "before")
        if calls[label] != "receive" and label.partition("@")[0] not in ONLY_READ:
            yield Death(label, "unrecorded")


@dataclass(frozen=True)
class Seen:
    """What came of a deployment. Revisions are called old and new."""

    end: tuple[str, str | None, bool, bool]
    """Phase, result, whether what serves is as recorded, and whether that is the new one."""
    routes: list[Json]
    effects: Counter[str]
    """Started and exited processes of each revision."""
    twice: list[str]
    """Effects of one write that happened more than once."""
    processes: Counter[str]
    calls: dict[str, str]


class Homes:
    """Homes with a service each, in which one deployment after the other is lived through."""

    def __init__(self, launcher: Launcher, made: ExitStack) -> None:
        self._launcher, self._made = launcher, made
        self._free: queue.SimpleQueue[World] = queue.SimpleQueue()

    def live(self, name: str, death: Death | None) -> Seen | None:
        """A deployment of a scenario with that death in its midst; None when it did not make the
        call."""
        world = self._take()
        seen = live_through(world, name, death)
        # Not given back after a failure: the next one has a home of its own.
        self._free.put(world)
        return seen

    def _take(self) -> World:
        try:
            return self._free.get_nowait()
        except queue.Empty:
            world = self._made.enter_context(forked_world(self._launcher))
            for version in OTHER:
                world.release(version)
            world.release("7.0.0", EXITS)
            return world


def live_through(world: World, name: str, death: Death | None) -> Seen | None:
    scenario, service = SCENARIOS[name], world.service
    assert isinstance(service, ForkedService)
    site = _site(world, name)
    before = str(site.live_version())
    applied, effects = len(site.applied()), _identities(site)
    if death is not None:
        service.die_at(death.at, death.when)
    deployment = _begin(site, scenario, OTHER[before])
    if scenario.cancelled:
        _cancel_when_held(site, deployment)
    if death is not None:
        eventually(lambda: service.dead() or _terminal(site, deployment), within_s=60)
        if not service.live_on():
            return None
        if scenario.cancelled:
            _cancel_when_held(site, deployment)
    done = site.api.wait(deployment)
    eventually(lambda: _processes(site).total() <= 2, within_s=10)
    names = {key: "old" if version == before else "new" for key, version in _versions(site).items()}
    new = [e for e in site.effects() if _identity(e) not in effects]
    routes = [_by_role(entry, names) for entry in site.applied()[applied:]]
    return Seen(
        end=(
            done.phase,
            str(done.result) if done.result else None,
            site.weights() == {str(done.serving): 100}
            and site.serves() == done.serving == site.live_version(),
            done.serving == OTHER[before],
        ),
        routes=routes,
        effects=Counter(f"{names[str(e['revision'])]} {e['what']}" for e in new),
        twice=[] if scenario.restarts else _twice(new),
        processes=_processes(site),
        calls=service.calls(deployment),
    )


def _site(world: World, name: str) -> Site:
    """The scenario's environment, with a version live; made at its first use."""
    if name in world.sites:
        return world.sites[name]
    site = world.small(name, strategy={"type": "blue-green"})
    for version in OTHER:
        site.live(version)
    site.change(strategy=SCENARIOS[name].strategy, verify=SCENARIOS[name].verify)
    return site


def _begin(site: Site, scenario: Scenario, version: str) -> str:
    """Ask for it. The answer may be lost with the service: then the record says which it is."""
    known = {str(d["id"]) for d in site.api.history(site.name)}
    try:
        return scenario.begin(site, version).id
    except (OSError, http.client.HTTPException):
        service = site.world.service
        assert isinstance(service, ForkedService)
        assert service.dead(10)
        numbers = [int(name.removeprefix("d")) for name in known]
        return f"d{max(numbers) + 1}"


def _terminal(site: Site, deployment: str) -> bool:
    try:
        return site.api.get(deployment).terminal
    except (OSError, http.client.HTTPException):
        return False


def _cancel_when_held(site: Site, deployment: str) -> None:
    """Cancel it once it holds for want of requests, unless it has ended or the service dies."""

    def held() -> bool:
        found = site.api.get(deployment)
        return found.terminal or found.text("analyse-50").startswith("hold")

    try:
        eventually(held)
        site.api.control(deployment, "cancel")
    except Problem as refused:
        assert refused.code == "not_now", "it is cancelled already"
    except (OSError, http.client.HTTPException):
        service = site.world.service
        assert isinstance(service, ForkedService)
        assert service.dead(10)


def _versions(site: Site) -> dict[str, str]:
    """Version by key of each revision that was ever started."""
    found = {}
    for path in (site.directory / "run").glob("*/spec.json"):
        spec = json.loads(path.read_text(encoding="utf-8"))
        found[path.parent.name] = str(spec["labels"]["version"])
    return found


def _by_role(entry: Json, names: Mapping[str, str]) -> Json:
    """A document of the edge, with what differs from run to run left out."""
    shares, fallback = entry["shares"], entry["fallback"]
    assert isinstance(shares, dict)
    return {
        "step": str(entry["key"]).partition("/")[2],
        "shares": {names[key]: percent for key, percent in shares.items()},
        "fallback": names[str(fallback)] if fallback else None,
    }


def _identity(effect: Json) -> tuple[str, ...]:
    return tuple(str(effect[name]) for name in ("what", "revision", "pid", "at"))


def _identities(site: Site) -> set[tuple[str, ...]]:
    return {_identity(effect) for effect in site.effects()}


def _twice(effects: list[Json]) -> list[str]:
    counted = Counter(
        f"{e['what']} replica {e['replica']} of {e['revision']} by write {e['write']}"
        for e in effects
    )
    return [effect for effect, count in counted.items() if count > 1]


def _processes(site: Site) -> Counter[str]:
    """What runs for the environment."""
    return Counter(
        "supervisor" if "launch.py" in left.command else "replica"
        for left in processes.of_home(site.directory)
    )
