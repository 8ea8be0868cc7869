"""What is asked for wrongly, or goes wrong, is told with what to do; what serves is not touched."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.api import Deployment, Problem
from tests.support.real import need_program
from tests.support.service import Site, World
from tests.support.service import world as a_world
from tests.support.waiting import eventually

pytestmark = pytest.mark.system

AT_ONCE = {"type": "blue-green"}
EXITS = "import sys; print('no settings', flush=True); sys.exit(7)\n"
FIXED_PORT = "import socket; socket.socket().bind(('127.0.0.1', {port}))\n"
NARROW = '''
"""A provider of a third party, which can only recreate."""

from orchestrate.core.environment import StrategyName
from orchestrate.core.protocols import Capabilities, Finding, LiveState, Restorable
from orchestrate.core.revision import Artifact


class Narrow:
    capabilities = Capabilities(strategies=frozenset({StrategyName.RECREATE}))

    def __init__(self, environment, home, secrets):
        pass

    def replicas(self):
        return 1

    def probe(self):
        return [Finding("narrow", True, "there")]

    def resolve(self, version):
        return Artifact(kind="word", reference=version, digest="sha256:" + "0" * 64)

    def observe(self):
        return LiveState()

    def restorable(self, revision):
        return Restorable(ok=True)
'''


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A service that also has a third party's provider `narrow`."""
    need_program("traefik", 'pip install "orchestrate-mcp[edge]"')
    third_party = _distribution(tmp_path_factory.mktemp("third-party"))
    with a_world(PYTHONPATH=str(third_party)) as found:
        for version in ("1.0.0", "1.1.0"):
            found.release(version)
        found.release("7.0.0", EXITS)
        yield found


@pytest.fixture(scope="module")
def site(world: World) -> Site:
    """1.0.0 live; no test changes it."""
    found = world.small("staging", strategy=AT_ONCE)
    found.live("1.0.0")
    return found


@pytest.fixture(autouse=True)
def untouched(site: Site) -> Iterator[None]:
    """Whatever a test asked for, the live version serves as before."""
    before = (site.running(), site.applied())
    yield
    assert site.serves() == site.live_version() == "1.0.0"
    assert site.weights() == {"1.0.0": 100}
    assert (site.running(), site.applied()) == before


Asking = Callable[[Site], object]
REFUSED: dict[str, tuple[Asking, str, str]] = {
    "an unknown environment": (
        lambda s: s.api.plan("stagin", "1.1.0"), "unknown_environment", "did you mean staging?",
    ),
    "a version that leaves its directory": (
        lambda s: s.api.plan(s.name, "../1.1.0"), "version_malformed", "1.4.2",
    ),
    "a version that is an option": (
        lambda s: s.api.plan(s.name, "-rf"), "version_malformed", "1.4.2",
    ),
    "a version without an artifact": (
        lambda s: s.api.plan(s.name, "1.1.9"), "artifact_missing", "did you mean 1.1.0?",
    ),
    "an unknown strategy": (
        lambda s: s.api.plan(s.name, "1.1.0", strategy="canery"), "invalid_input", "canary",
    ),
    "an unknown argument": (
        lambda s: s.api.plan(s.name, "1.1.0", colour="red"), "invalid_input", "colour",
    ),
    "what serves already": (
        lambda s: s.begin("1.0.0"), "nothing_to_do", "",
    ),
    "an unknown plan": (
        lambda s: s.api.start("0123456789ab"), "unknown_plan", "orchestrate deploy diff",
    ),
    "an unknown deployment": (
        lambda s: s.api.get("d99999"), "unknown_deployment", "orchestrate deploy history",
    ),
    "a rollback with nothing to go back to": (
        lambda s: s.api.rollback(s.name), "no_rollback_target", "orchestrate deploy history",
    ),
    "a rollback to a version never verified": (
        lambda s: s.api.rollback(s.name, version="1.1.0"), "no_rollback_target", "1.0.0",
    ),
    "a force without a reason": (
        lambda s: s.begin("1.1.0", force=True), "invalid_input", "--reason",
    ),
    "a deletion that is not confirmed": (
        lambda s: s.api.call("DELETE", f"/api/environments/{s.name}"),
        "confirmation_needed", "--confirm staging",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_is_refused_with_what_to_do(site: Site, what: str) -> None:
    ask, code, hint = REFUSED[what]
    with pytest.raises(Problem) as refused:
        ask(site)
    problem = refused.value
    assert problem.code == code
    assert problem.message
    assert hint in "\n".join([problem.message, *problem.why, *problem.fix])
    assert problem.fix or code == "nothing_to_do"


SETTINGS: dict[str, tuple[dict[str, object], str, str]] = {
    "a provider nobody has": ({"provider": "loacl"}, "unknown_provider", "did you mean 'local'?"),
    "a provider not built yet": ({"provider": "vercel"}, "provider_unavailable", "local"),
    "a setting local does not know": (
        {"config": {"replcias": 2}}, "provider_config_invalid", "did you mean replicas?",
    ),
    "a program that is not there": (
        {"config": {"command": ["no-such-program"]}}, "provider_config_invalid", "no-such-program",
    ),
    "a url that cannot be served": (
        {"url": "https://127.0.0.1:9"}, "provider_config_invalid", "http",
    ),
    "a secret": ({"secrets": ["TOKEN"]}, "secret_missing", "TOKEN"),
    "a strategy the provider cannot do": (
        {"provider": "narrow", "config": {}}, "strategy_unsupported", "--strategy recreate",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", SETTINGS)
def test_settings_that_cannot_be_used_are_told(world: World, what: str) -> None:
    settings, code, hint = SETTINGS[what]
    name = what.replace(" ", "-")

    def asking() -> Deployment:
        return world.small(name, strategy=AT_ONCE, **settings).deploy("1.0.0")

    code_found, text, fix = _failure(asking)
    assert (code_found, fix != []) == (code, True), text
    assert hint in text
    assert not (world.home / "local" / f"shop--{name}" / "run").exists(), "nothing was started"


class TestAnEnvironmentForWhichAPersonMustSayYes:
    def test_production_needs_a_confirmation(self, world: World) -> None:
        other = world.small("production", strategy=AT_ONCE, type="production")
        with pytest.raises(Problem) as refused:
            other.begin("1.0.0")
        assert refused.value.code == "confirmation_needed"
        assert "a person runs: orchestrate deploy --env production" in refused.value.fix[0]
        assert other.running() == {}
        assert other.deploy("1.0.0", confirmed=True).phase == "succeeded"

    def test_requires_approval_waits_whoever_asks_and_changes_nothing(self, world: World) -> None:
        other = world.small("approved", strategy=AT_ONCE, requires_approval=True)
        begun = other.begin("1.0.0", confirmed=True)
        eventually(lambda: world.api.get(begun.id).phase == "awaiting_approval")
        assert other.running() == {}
        world.api.control(begun.id, "cancel")
        assert world.api.wait(begun.id).phase == "cancelled"
        assert other.running() == {}


class TestAPlan:
    def test_made_before_another_deployment_is_refused(self, world: World) -> None:
        other = world.small("moved", strategy=AT_ONCE)
        other.live("1.0.0")
        old = str(other.api.plan(other.name, "1.1.0")["digest"])
        other.change(variables={"COLOUR": "red"})
        other.live("1.0.0")
        with pytest.raises(Problem) as refused:
            other.api.start(old)
        assert refused.value.code == "plan_changed"
        assert "another revision is live now" in refused.value.why[0]
        assert other.serves() == "1.0.0"
        assert other.running() == {"1.0.0": 1}

    def test_of_an_artifact_that_changed_is_refused(self, world: World) -> None:
        other = world.small("artifact", strategy=AT_ONCE)
        world.release("3.0.0")
        plan = str(other.api.plan(other.name, "3.0.0")["digest"])
        world.release("3.0.0", EXITS)
        with pytest.raises(Problem) as refused:
            other.api.start(plan)
        assert refused.value.code == "plan_changed"
        assert "its artifact or config changed" in refused.value.why[0]


class TestAVersionThatDoesNotWork:
    def test_and_exits_at_once(self, world: World) -> None:
        done = _fails(world.small("exits", strategy=AT_ONCE), "7.0.0")
        assert (done.phase, done.result) == ("rolled_back", "exited")
        assert "exit code 7" in str(done.error["message"])
        assert "no settings" in str(done.error["untrusted_lines"])

    def test_and_wants_a_port_that_is_taken(self, world: World) -> None:
        with socket.create_server(("127.0.0.1", 0)) as holder:
            source = FIXED_PORT.format(port=holder.getsockname()[1])
            world.release("8.0.0", source)
            done = _fails(world.small("port", strategy=AT_ONCE), "8.0.0")
        assert (done.phase, done.result) == ("rolled_back", "exited")
        assert "Address already in use" in str(done.error["untrusted_lines"])

    def test_and_never_becomes_healthy(self, world: World) -> None:
        other = world.shop("unhealthy", strategy=AT_ONCE, health={"start_timeout_s": 1})
        done = _fails(other, "1.2.0")
        assert (done.phase, done.result) == ("rolled_back", "unhealthy")
        assert "answered 503, expected 200" in str(done.error["why"])
        assert done.document["quarantined"] is True
        with pytest.raises(Problem) as refused:
            other.begin("1.2.0")
        assert refused.value.code == "quarantined"
        assert refused.value.fix

    def test_and_is_another_version_than_it_says(self, world: World) -> None:
        world.release("9.0.0", (world.root / "releases/1.0.0/app.py").read_text())
        other = world.small("impostor", strategy=AT_ONCE, health={"start_timeout_s": 1})
        done = _fails(other, "9.0.0")
        assert done.result == "unhealthy"
        assert "X-Version is 1.0.0, expected 9.0.0" in str(done.error["why"])


def test_a_public_port_that_is_taken_is_told_with_its_holder(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        other = world.small("taken", strategy=AT_ONCE, url=f"http://127.0.0.1:{port}")
        code, text, fix = _failure(lambda: other.deploy("1.0.0"))
    assert code == "port_taken"
    assert str(port) in text
    assert fix
    assert other.running() == {}
    assert other.deploy("1.0.0").phase == "succeeded", "once the port is free"


def test_a_disk_under_the_watermark_refuses_deployments_and_no_rollback() -> None:
    with a_world() as world:
        for version in ("1.0.0", "1.1.0"):
            world.release(version)
        site = world.small("full", strategy=AT_ONCE)
        site.live("1.0.0")
        site.live("1.1.0")
        world.service.stop()
        world.service.environment["ORCHESTRATE_MIN_FREE_MB"] = "1e9"
        world.service.start()
        site.change(variables={"COLOUR": "red"})
        done = site.deploy("1.1.0")
        assert (done.phase, done.result, done.serving) == ("failed", "disk_full", "1.1.0")
        assert "are needed" in str(done.error["fix"])
        assert site.running() == {"1.1.0": 1}
        back = site.api.wait(site.api.rollback(site.name).id)
        assert (back.phase, back.serving) == ("succeeded", "1.0.0")


def _fails(other: Site, version: str) -> Deployment:
    """Deploy a version that fails; before and after, 1.0.0 serves alone."""
    other.live("1.0.0")
    done = other.deploy(version)
    assert done.serving == "1.0.0"
    assert other.serves() == "1.0.0"
    assert other.weights() == {"1.0.0": 100}
    assert list(other.running()) == ["1.0.0"]
    assert done.error["message"]
    assert done.error["fix"]
    assert all(version not in str(entry["shares"]) for entry in other.applied())
    return done


def _failure(asking: Callable[[], Deployment]) -> tuple[str, str, list[str]]:
    """Code, words and fix of a deployment that is refused or fails."""
    try:
        done = asking()
    except Problem as problem:
        return problem.code, "\n".join([problem.message, *problem.why, *problem.fix]), problem.fix
    assert done.phase in ("failed", "rolled_back"), done
    error = done.error
    fix = error["fix"]
    assert isinstance(fix, list)
    words = f"{error['message']}\n{error['why']}\n{fix}"
    return str(error["code"]), words, [str(line) for line in fix]


def _distribution(directory: Path) -> Path:
    """An installed distribution with the provider `narrow`."""
    (directory / "narrow.py").write_text(NARROW, encoding="utf-8")
    metadata = directory / "narrow-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: narrow\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[orchestrate.providers]\nnarrow = narrow:Narrow\n")
    return directory
