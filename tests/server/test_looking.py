"""Who looks has nothing run, and who steers is in the trail with their door."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from orchestrate.core.identity import Role
from tests.support.office import Office

pytestmark = pytest.mark.system

MARKS = """
import sys
asked = sys.stdin.read()
with open(sys.argv[1], "a") as marks:
    marks.write("asked-for-counts\\n" if asked else "listed-or-applied\\n")
if asked:
    raise SystemExit(75)
print("[]")
"""


@pytest.mark.attack(
    "ID10", "a viewer asks everything of an environment with commands", "none of them runs"
)
def test_a_viewers_question_runs_no_command_of_the_project(office: Office, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    command = [sys.executable, "-c", MARKS, str(ran)]
    site = office.world.small(
        "commanded",
        strategy={
            "type": "canary",
            "steps": [50, 100],
            "analyse": {
                "metrics": {"source": "command", "command": command, "queries": {"errors": {}}}
            },
        },
        migrations=dict.fromkeys(("expand", "contract", "applied", "listed"), command),
    )
    site.deploy("1.0.0", strategy="recreate")
    before = len(office.trail(action="call.get_migrations"))
    plan = str(office.api.plan(site.name, "1.1.0")["digest"])
    path = f"/api/environments/{site.name}/migrations"
    office.api.call("POST", path, {})
    assert len(office.trail(action="call.get_migrations")) == before + 1
    assert {"listed-or-applied", "asked-for-counts"} <= set(ran.read_text().split())
    ran.unlink()
    vic = office.remotes[Role.VIEWER]
    assert vic.call("POST", path, {}).code == "forbidden"
    asked = vic.call("POST", "/api/validate", {"environment": site.name, "version": "1.1.0"})
    assert "may only read" in str(asked.document)
    for each in (f"/api/plans/{plan}", "/api/overview", f"/api/environments/{site.name}"):
        assert vic.call("GET", each).status == 200
    assert not ran.exists()


def test_who_steers_a_deployment_is_in_the_trail_with_the_door_they_came_through(
    office: Office,
) -> None:
    site = office.world.small("steered", strategy={"type": "blue-green", "bake_s": 60})
    site.deploy("1.0.0", strategy="recreate")
    begun = office.api.begin("steered", "1.1.0").id
    dana = office.remotes[Role.DEPLOYER]
    answer = dana.call("POST", f"/api/deployments/{begun}/cancel", {"reason": "not today"})
    assert answer.status == 200
    office.api.wait(begun)
    (entry,) = office.trail(subject=begun, action="deployment.control")
    assert (entry["actor"], entry["person"], entry["outcome"]) == ("dana", "dana", "ok")
    told = entry["details"]
    assert isinstance(told, dict) and str(told.pop("credential")).startswith("token:")
    assert told == {
        "action": "cancel",
        "door": "http",
        "environment": "shop/steered",
        "reason": "not today",
    }
    late = dana.call("POST", f"/api/deployments/{begun}/cancel", {})
    assert late.status == 409
    (refused,) = office.trail(subject=begun, action="call.control_deployment")
    assert refused["outcome"] == "refused"
