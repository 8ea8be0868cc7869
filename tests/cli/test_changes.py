"""Commands that change something: who must agree, what is sent, and what is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import documents as docs
from tests.support.cli import Terminal, run
from tests.support.pretend import Pretend, Reply

BUSY = docs.error(
    "environment_busy",
    "production is taken by d142, 1.4.1 -> 1.4.2, by claude for lee",
    409,
    why=("one deployment at a time",),
    fix=("or stop it: orchestrate deploy cancel d142",),
)
PLANNED = Reply(docs.changed(docs.PLAN, needs_confirmation=False))
E = ("--env", "production")


def test_production_is_refused_where_nobody_can_be_asked_and_the_ways_are_named(
    home: Path,
) -> None:
    with Pretend(home, {"POST /api/plans": Reply(docs.PLAN)}) as service:
        result = run("deploy", *E, "--version", "1.4.2")
        as_json = run("deploy", *E, "--version", "1.4.2", "--json")
    assert (result.code, as_json.code) == (2, 2)
    assert as_json.document["error"]["code"] == "confirmation_needed"
    assert "orchestrate deploy --env production --version 1.4.2 --plan 7c1e9a40b3f2" in result.err
    assert "add --yes" in result.err
    assert not service.asked("POST", "/api/deployments")


@pytest.mark.parametrize("extra", [("--yes",), ("--plan", "7c1e9a40")])
def test_production_goes_with_a_yes_or_a_plan_that_was_seen(
    extra: tuple[str, ...], home: Path
) -> None:
    answers = {
        "POST /api/plans": Reply(docs.PLAN),
        "GET /api/plans/7c1e9a40": Reply(docs.PLAN),
        "POST /api/deployments": Reply(docs.RUNNING),
    }
    with Pretend(home, answers) as service:
        result = run("deploy", *E, "--version", "1.4.2", *extra, "--detach")
    assert result.code == 0
    assert service.asked("POST", "/api/deployments")[0].body["plan"] == docs.DIGEST
    assert bool(service.asked("POST", "/api/plans")) is ("--yes" in extra)


@pytest.mark.parametrize(
    ("option", "value"), [("--env", "staging"), ("--version", "9"), ("--strategy", "rolling")]
)
def test_a_plan_for_something_else_is_not_carried_out(option: str, value: str, home: Path) -> None:
    with Pretend(home, {"GET /api/plans/7c1e9a40": Reply(docs.PLAN)}) as service:
        result = run("deploy", "--plan", "7c1e9a40", option, value)
    assert result.code == 2
    assert f"and {option} says {value}" in result.err
    assert len(service.requests) == 1


def test_a_busy_environment_is_told_and_ends_with_1(home: Path) -> None:
    answers = {"POST /api/plans": PLANNED, "POST /api/deployments": Reply(BUSY, 409)}
    with Pretend(home, answers):
        result = run("deploy", *E, "--version", "1.4.3")
    assert result.code == 1
    assert result.err.endswith("fix: or stop it: orchestrate deploy cancel d142\n")


@pytest.mark.parametrize(
    ("running", "attached"),
    [
        (docs.RUNNING, True),
        (docs.changed(docs.RUNNING, to_revision="r88"), False),
        (docs.changed(docs.RUNNING, kind="rollback"), False),
        (docs.changed(docs.RUNNING, phase="rolling_back"), False),
    ],
)
def test_the_same_deploy_again_watches_the_one_that_runs(
    running: docs.Doc, attached: bool, home: Path
) -> None:
    busy = docs.changed(docs.ENVIRONMENT, running={**docs.BUSY, "id": "d142"})
    answers = {
        "POST /api/plans": Reply(docs.changed(docs.PLAN, to_revision="r87")),
        "GET /api/environments/shop%2Fproduction": Reply(busy),
        "GET /api/deployments/d142": Reply(running),
        "GET /api/deployments/d142/follow": Reply(docs.follow(docs.SUCCEEDED)),
        "POST /api/deployments": Reply(BUSY, 409),
    }
    with Pretend(home, answers) as service:
        result = run("deploy", *E, "--version", "1.4.2", "--yes")
    assert result.code == (0 if attached else 1)
    assert ("d142 does this already; this watches it" in result.err) is attached
    assert bool(service.asked("POST", "/api/deployments")) is not attached


def test_a_rollback_goes_in_one_call_and_is_followed(home: Path) -> None:
    answers = {
        "POST /api/environments/production/rollback": Reply(docs.changed(docs.RUNNING, id="d145")),
        "GET /api/deployments/d145/follow": Reply(docs.follow(docs.ROLLED_BACK)),
    }
    with Pretend(home, answers) as service:
        result = run("deploy", "rollback", *E, "--reason", "broken", "--quarantine")
    assert result.code == 0
    assert result.out.splitlines()[-1].endswith("production serves 1.4.1 again")
    assert service.requests[0].body == {
        "version": None,
        "reason": "broken",
        "force": False,
        "quarantine": True,
        "confirmed": False,
    }


def test_a_rollback_that_leaves_something_behind_asks_first(home: Path) -> None:
    lost = docs.error("confirmation_needed", "this leaves something", 409, why=("a migration",))
    path = "POST /api/environments/production/rollback"
    answers = {
        path: [Reply(lost, 409), Reply(docs.changed(docs.ROLLED_BACK, id="d145"))],
        "GET /api/deployments/d145/follow": Reply(docs.follow(docs.ROLLED_BACK)),
    }
    with Pretend(home, {path: Reply(lost, 409)}):
        assert run("deploy", "rollback", *E).code == 2
    with Pretend(home, answers) as service:
        with Terminal(("deploy", "rollback", *E)) as terminal:
            terminal.wait_for("go back all the same? [y/N]")
            assert "a migration" in terminal.text
            terminal.press(b"y\n")
            assert terminal.end() == 0
    assert [request.body.get("confirmed") for request in service.requests[:2]] == [False, True]


@pytest.mark.parametrize("action", ["pause", "resume", "promote"])
def test_steering_names_a_deployment_or_takes_the_one_that_runs(action: str, home: Path) -> None:
    busy = docs.changed(docs.ENVIRONMENT, running={**docs.BUSY, "id": "d142"})
    answers = {
        "GET /api/environments/production": Reply(busy),
        f"POST /api/deployments/d142/{action}": Reply(docs.RUNNING),
    }
    with Pretend(home, answers) as service:
        by_id = run("deploy", action, "d142", "--reason", "why")
        by_name = run("deploy", action, *E)
    assert (by_id.code, by_name.code) == (0, 0)
    assert by_id.out == by_name.out
    assert by_id.out.startswith("d142 is asked to ")
    bodies = [r.body for r in service.asked("POST", f"/api/deployments/d142/{action}")]
    assert bodies == [{"reason": "why"}, {"reason": None}]


def test_steering_what_does_not_run_is_told(home: Path) -> None:
    with Pretend(home, {"GET /api/environments/production": Reply(docs.ENVIRONMENT)}):
        result = run("deploy", "pause", *E)
    assert result.code == 1
    assert "error[not_now]: nothing is running in production" in result.err


@pytest.mark.parametrize(
    ("phase", "code"), [("rolled_back", 0), ("cancelled", 0), ("succeeded", 1)]
)
def test_a_cancel_is_followed_and_true_only_when_it_stopped(
    phase: str, code: int, home: Path
) -> None:
    ended = docs.changed(docs.REFUSED, id="d142", phase=phase, error=None, result="cancelled")
    answers = {
        "POST /api/deployments/d142/cancel": Reply(docs.RUNNING),
        "GET /api/deployments/d142/follow": Reply(docs.follow(ended)),
    }
    with Pretend(home, answers):
        assert run("deploy", "cancel", "d142").code == code
