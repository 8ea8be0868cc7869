"""Verification after a change: real processes, a real front door, and what is asked of them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from pydantic import JsonValue

from tests.support.api import Deployment
from tests.support.local import APP
from tests.support.service import Site, World
from tests.support.waiting import eventually

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

AT_ONCE = {"type": "blue-green"}
SAYS_ITS_VERSION = {"name": "who", "path": "/", "expect": {"values": {"$.version": "{version}"}}}
SAYS_THE_OLD_ONE = {"name": "cart", "path": "/cart", "expect": {"values": {"$.version": "1.0.0"}}}
COMPLAINS = APP.replace(
    'print("serving {version}", flush=True)',
    'print(*[f"ERROR cannot reach cart {n}" for n in range(9)], sep="\\n", flush=True)',
)


def answers(deployment: Deployment) -> list[dict[str, JsonValue]]:
    found = deployment.document["checks"]
    assert isinstance(found, list)
    return [each for each in found if isinstance(each, dict)]


def told(deployment: Deployment) -> list[str]:
    """`name result`, in order."""
    return [f"{a['name']}@{a['percent']} {a['result']}" for a in answers(deployment)]


def why(deployment: Deployment) -> str:
    reasons = deployment.error["why"]
    assert isinstance(reasons, list)
    return "\n".join(map(str, reasons))


def test_what_was_asked_and_answered_is_recorded_with_the_deployment(world: World) -> None:
    verify = {
        "smoke": [SAYS_ITS_VERSION],
        "endpoints": [{"path": "/healthz", "good": 2, "bad": 2, "of": 3, "interval_s": 0.05}],
        "logs": {},
    }
    site = world.small("asked", strategy=AT_ONCE, verify=verify)
    site.live("1.0.0")
    done = site.deploy("1.1.0")
    assert done.phase == "succeeded", done
    assert told(done) == [
        "version@0 pass",
        "restarts@0 pass",
        "endpoints@0 pass",
        "smoke@0 pass",
        "version@100 pass",
        "restarts@100 pass",
        "endpoints@100 pass",
        "smoke@100 pass",
        "logs@100 pass",
        "restarts since@100 pass",
    ]
    assert "endpoints, smoke, logs passed" in done.text("verify-100")


@pytest.mark.trap(34)
@pytest.mark.trap(29)
def test_smoke_that_fails_after_the_switch_rolls_back_with_settings_and_says_what(
    world: World,
) -> None:
    verify = {"smoke": [SAYS_THE_OLD_ONE], "before_traffic": False, "patience_s": 0.5}
    site = world.small("late", strategy=AT_ONCE, verify=verify, variables={"COLOUR": "red"})
    site.live("1.0.0")
    site.change(variables={"COLOUR": "blue"})
    done = site.deploy("1.1.0")
    assert (done.phase, done.result) == ("rolled_back", "verification_failed"), done
    assert (done.serving, done.document["quarantined"]) == ("1.0.0", True)
    assert told(done)[-1] == "smoke@100 fail"
    expected = f'cart (1 of 1), front door: GET {site.url}/cart: $.version is "1.1.0"'
    assert expected in why(done)
    assert done.error["untrusted_lines"]
    environment = site.ask().body["env"]
    assert isinstance(environment, dict)
    assert (site.serves(), environment["COLOUR"]) == ("1.0.0", "red")
    assert site.running() == {"1.0.0": 1}


@pytest.mark.parametrize("strategy", ["blue-green", "canary", "rolling", "recreate"])
def test_smoke_that_fails_before_traffic_costs_no_request(world: World, strategy: str) -> None:
    verify = {"smoke": [SAYS_THE_OLD_ONE], "patience_s": 0.2}
    site = world.small(f"early-{strategy}", strategy={"type": strategy}, verify=verify)
    site.live("1.0.0")
    routed = len(site.applied())
    done = site.deploy("1.1.0")
    assert (done.phase, done.result) == ("rolled_back", "verification_failed"), done
    assert site.serves() == "1.0.0"
    assert site.running() == {"1.0.0": 1}
    if strategy in ("blue-green", "canary"):
        assert "before it got traffic" in str(done.error["message"])
        shares = [entry["shares"] for entry in site.applied()[routed:]]
        assert all(share == shares[0] for share in shares), "no part of it went to 1.1.0"


def test_a_command_knows_the_url_and_the_version_and_its_last_lines_are_told(
    world: World, tmp_path: Path
) -> None:
    program = (
        "import os, urllib.request\n"
        "answer = urllib.request.urlopen(os.environ['ORCHESTRATE_URL'])\n"
        "assert answer.headers['X-Version'] == os.environ['ORCHESTRATE_VERSION']\n"
        "print('looked at', answer.headers['X-Version'])\n"
        "raise SystemExit(3 if os.environ['ORCHESTRATE_VERSION'] == '1.1.0' else 0)\n"
    )
    (tmp_path / "look.py").write_text(program, encoding="utf-8")
    command = [sys.executable, str(tmp_path / "look.py")]
    verify = {"commands": [{"name": "look", "command": command}], "before_traffic": False}
    site = world.small("command", strategy=AT_ONCE, verify=verify)
    site.live("1.0.0")
    done = site.deploy("1.1.0")
    assert (done.phase, done.serving) == ("rolled_back", "1.0.0"), done
    assert f"look: {sys.executable} ended with exit code 3" in why(done)
    lines = done.error["untrusted_lines"]
    assert isinstance(lines, list) and "look: looked at 1.1.0" in lines


def test_errors_that_only_the_new_one_logs_roll_back(world: World) -> None:
    world.release("1.2.0", COMPLAINS)
    site = world.small("logging", strategy=AT_ONCE, verify={"logs": {}})
    site.live("1.0.0")
    done = site.deploy("1.2.0")
    assert (done.phase, done.result) == ("rolled_back", "verification_failed"), done
    assert "1 kind of error logged: 9 times in 9 lines, the old one never" in why(done)
    lines = done.error["untrusted_lines"]
    assert isinstance(lines, list) and "ERROR cannot reach cart #" in lines
    site.change(verify={"logs": {"allow": ["cannot reach cart"]}})
    assert site.deploy("1.2.0").phase == "succeeded"


def test_errors_that_each_version_logs_at_its_start_are_nobody_s_fault(world: World) -> None:
    for version, served in (("2.0.0", 400), ("2.1.0", 40), ("2.2.0", 400), ("2.3.0", 40)):
        world.release(version, starts_badly(served))
    site = world.small("starting", strategy=AT_ONCE)
    site.live("2.0.0")
    # Of 2.0.0 nobody recorded how it began, and its newest lines do not say.
    site.change(verify={"logs": {"lines": 100}})
    for version in ("2.1.0", "2.2.0", "2.3.0"):
        done = site.deploy(version)
        assert done.phase == "succeeded", done
    assert site.serves() == "2.3.0"


def starts_badly(served: int) -> str:
    """The application with three errors at its start and so many lines after them."""
    lines = f'["ERROR cannot reach cache"] * 3, *["served"] * {served}'
    return APP.replace(
        'print("serving {version}", flush=True)', f'print(*{lines}, sep="\\n", flush=True)'
    )


@pytest.mark.trap(45)
def test_too_few_requests_hold_it_until_somebody_promotes(world: World) -> None:
    verify = {"requests": {"window_s": 0.5, "min_requests": 50}}
    site = world.small("requests", strategy=AT_ONCE, verify=verify)
    begun = site.begin("1.0.0")
    held(site, begun)
    site.api.control(begun.id, "promote")
    done = site.api.wait(begun.id)
    assert done.phase == "succeeded", done
    (skipped,) = [a for a in answers(done) if a["name"] == "requests"]
    assert skipped["result"] == "skipped"
    assert "promoted without them" in str(skipped["text"])


def held(site: Site, deployment: Deployment) -> None:
    eventually(
        lambda: site.api.get(deployment.id).text("verify-100").startswith("hold: no data"),
        within_s=60,
    )
