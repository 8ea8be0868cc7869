"""Validation by a real service: commands in clean checkouts, evidence that is kept, windows that
keep deployments out, and rollbacks that nothing keeps out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.api import Json, Problem
from tests.support.calendars import windows
from tests.support.cli import run as cli
from tests.support.local import APP
from tests.support.service import Site, World
from tests.support.subjects import Repository
from tests.support.waiting import eventually

pytestmark = pytest.mark.system

AT_ONCE = {"type": "blue-green"}
JUNIT = "<testsuites><testsuite><testcase name='a'/><testcase name='b'/></testsuite></testsuites>"


def git_site(world: World, name: str, root: Path, check: str, **more: object) -> Site:
    """An environment whose versions are tags of a repository, tested by `check.py` there."""
    repository = Repository(root)
    for version in ("1.0.0", "1.1.0"):
        source = APP.replace("{version}", version).replace("{failing}", "False")
        repository.commit(app_py=source, check_py=check)
        repository.git("tag", version)
    command = [sys.executable, "-I", "-B", "check.py"]
    return world.small(
        name,
        strategy=AT_ONCE,
        config={"root": str(root), "artifact": {"git": ".", "ref": "{version}"}},
        checks={"tests": {"command": command, "junit": "r.xml", "timeout_s": 60}},
        **more,
    )


def validated(site: Site, version: str) -> dict[str, Json]:
    body = {"environment": site.name, "version": version}
    found = eventually(
        lambda: (d := site.api.call("POST", "/api/validate", body)) and not d["pending"] and d
    )
    listed = found["checks"]
    assert isinstance(listed, list)
    return {str(each["name"]): each for each in listed if isinstance(each, dict)}


def test_tests_run_once_and_their_evidence_stands_with_the_deployment(
    world: World, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    check = f"open({str(log)!r}, 'a').write('x'); open('r.xml', 'w').write({JUNIT!r})"
    site = git_site(world, "tested", tmp_path / "repository", check)
    commit = Repository.git(_at(tmp_path / "repository"), "rev-parse", "1.0.0^{commit}")
    answer = validated(site, "1.0.0")["tests"]
    assert (answer["result"], answer["text"]) == ("pass", f"2 tests passed for {commit[:7]}")
    done = site.deploy("1.0.0")
    assert done.phase == "succeeded", done
    assert log.read_text() == "x"
    kept = site.api.call("GET", f"/api/deployments/{done.id}/evidence")
    assert kept["commit"] == f"git:{commit}"
    found = {each["name"]: each["evidence"] for each in _list(kept["checks"])}
    assert found["tests"]["about"] == f"git:{commit}" and found["tests"]["reused"]
    assert found["tests"]["facts"]["passed"] == 2


def test_a_version_whose_tests_fail_is_not_deployed(world: World, tmp_path: Path) -> None:
    check = (
        "open('r.xml','w').write(\"<testsuite><testcase name='a'><error/></testcase></testsuite>\")"
    )
    site = git_site(world, "failing", tmp_path / "repository", check)
    done = site.deploy("1.0.0")
    assert (done.phase, done.serving) == ("failed", None), done
    assert "1 of 1 failed: a" in str(done.error["why"])
    kept = site.api.call("GET", f"/api/deployments/{done.id}/evidence")
    assert kept["ready"] is False


def test_a_cancel_ends_tests_that_run(world: World, tmp_path: Path) -> None:
    mark = tmp_path / "begun"
    check = f"import time; open({str(mark)!r}, 'w'); time.sleep(999)"
    site = git_site(world, "endless", tmp_path / "repository", check)
    begun = site.begin("1.0.0")
    eventually(mark.exists)
    site.api.call("POST", f"/api/deployments/{begun.id}/cancel", {})
    assert site.api.wait(begun.id).phase == "cancelled"
    assert "sleep(999)" not in _processes()


def test_checks_that_changed_after_the_plan_stop_it(world: World, tmp_path: Path) -> None:
    check = f"open('r.xml', 'w').write({JUNIT!r})"
    site = git_site(world, "moved", tmp_path / "repository", check)
    plan = site.api.plan(site.name, "1.0.0")
    site.change(checks={"tests": {"command": ["true"]}})
    with pytest.raises(Problem) as stopped:
        site.api.start(str(plan["digest"]))
    assert stopped.value.code == "plan_changed"


def test_a_closed_window_keeps_deployments_out_and_no_rollback(world: World) -> None:
    site = world.small("frozen", strategy=AT_ONCE)
    site.live("1.0.0")
    site.live("1.1.0")
    site.change(calendar=windows(open_now=False))
    answer = validated(site, "1.0.0")["window"]
    assert answer["result"] == "fail" and "--break-glass" in str(answer["fix"])
    with pytest.raises(Problem) as stopped:
        site.begin("1.0.0")
    assert stopped.value.code == "window_closed"
    assert 'freeze "now" until' in stopped.value.why[0]
    shown = site.api.environment(site.name)["window"]
    assert isinstance(shown, dict) and shown["open"] is False
    back = site.api.wait(site.api.rollback(site.name).id)
    assert (back.phase, site.serves()) == ("succeeded", "1.0.0")


def test_an_open_window_lets_deployments_in(world: World) -> None:
    site = world.small("opened", strategy=AT_ONCE, calendar=windows(open_now=True))
    assert site.deploy("1.0.0").phase == "succeeded"
    plan = site.api.plan(site.name, "1.1.0")
    assert str(plan["window"]).startswith("open until") and plan["on_close"] == "finish"


def test_the_command_line_shows_checks_with_evidence_and_remedy(
    world: World, tmp_path: Path
) -> None:
    site = world.small("shown", strategy=AT_ONCE, calendar=windows(open_now=False))
    asked = ("deploy", "validate", "--env", site.name, "--version", "1.0.0")
    home = {"ORCHESTRATE_HOME": str(world.home)}
    found = cli(*asked, env=home)
    assert found.code == 1
    assert "✗ window" in found.out and "fix: wait, or ask to pass it" in found.out
    body = json.loads(cli(*asked, "--json", env=home).out)
    listed = {each["name"]: each for each in body["checks"]}
    assert listed["artifact"]["evidence"]["about"].startswith("sha256:")


def _at(path: Path) -> Repository:
    made = Repository.__new__(Repository)
    made.path = path
    return made


def _list(value: object) -> list[Json]:
    assert isinstance(value, list)
    return value


def _processes() -> str:
    return subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
