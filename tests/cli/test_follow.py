"""Watching a deployment: at a terminal, in a pipe, without the service, and until Ctrl-C."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import documents as docs
from tests.support.cli import Terminal, run
from tests.support.pretend import Pretend, Reply, Request

DEPLOY = ("deploy", "--env", "staging", "--version", "1.4.2")
FOLLOW_PATH = "/api/deployments/d142/follow"
FOLLOW = f"GET {FOLLOW_PATH}"
EVENTS = [
    docs.event(1, "deploy", "running"),
    docs.event(2, "start", "running"),
    docs.event(3, "start", "done", "3 of 3 healthy", 14.0),
    docs.event(4, "deploy", "succeeded", "", 1479.0),
]
LONG = docs.changed(
    docs.RUNNING,
    steps=[
        *(
            docs.step(f"route-{n}", "route", "done", f"route {n}%", f"{n}% on 1.4.2", 1.0)
            for n in range(1, 30)
        ),
        *docs.RUNNING_STEPS[5:],
    ],
)


def answers(
    *following: Reply | Callable[[Request], Reply], end: docs.Doc = docs.SUCCEEDED
) -> dict[str, list[Reply | Callable[[Request], Reply]]]:
    return {
        "POST /api/plans": [Reply(docs.changed(docs.PLAN, needs_confirmation=False))],
        "POST /api/deployments": [Reply(docs.RUNNING)],
        "GET /api/deployments/d142": [Reply(end)],
        FOLLOW: list(following),
    }


def ended(document: docs.Doc = docs.SUCCEEDED) -> list[Reply]:
    return [Reply(docs.follow(document, *EVENTS)), Reply(docs.follow(document))]


class Gate:
    """An answer that is given when the test says so."""

    def __init__(self, reply: Reply) -> None:
        self._open = threading.Event()
        self._reply = reply

    def __call__(self, request: Request) -> Reply:
        assert self._open.wait(30)
        return self._reply

    def open(self) -> None:
        self._open.set()


@pytest.mark.parametrize("rows", [24, 12])
def test_at_a_terminal_the_picture_moves_in_place_and_the_end_stays_whole(
    home: Path, rows: int
) -> None:
    gate = Gate(ended()[0])
    following = [Reply(docs.follow(docs.RUNNING, *EVENTS[:3])), Reply(docs.follow(LONG)), gate]
    with Pretend(home, answers(*following, ended()[1])):
        with Terminal(DEPLOY, rows=rows, columns=80) as terminal:
            terminal.wait_for("29 steps done" if rows == 12 else "analyse at 25%")
            terminal.wait_for("▸ analyse at 25%")
            gate.open()
            assert terminal.end() == 0
            lines = terminal.lines()
    assert [line for line in lines if "d142 succeeded" in line] == [
        "✓ d142 succeeded: production serves 1.4.2, was 1.4.1                     24m 39s"
    ]
    assert lines[0].startswith("plan 7c1e9a40b3f2")
    assert lines[4].startswith("✓ d142 succeeded")
    assert not any("▸" in line or "Ctrl-C" in line for line in lines)
    assert lines[-1].strip().startswith("undo")
    assert max(map(len, lines)) <= 80


def test_a_live_picture_is_never_higher_than_the_terminal(home: Path) -> None:
    gate = Gate(ended()[0])
    with Pretend(home, answers(Reply(docs.follow(LONG)), gate, ended()[1])):
        with Terminal(DEPLOY, rows=12, columns=80) as terminal:
            terminal.wait_for("steps done")
            frames = re.findall(rb"\x1b\[(\d+)A", terminal.raw)
            gate.open()
            assert terminal.end() == 0
    assert all(int(rows) < 12 for rows in frames)


def test_ctrl_c_stops_watching_and_says_how_to_go_on(home: Path) -> None:
    following = [Reply(docs.follow(docs.RUNNING, *EVENTS[:3])), Reply({}, hang=True)]
    with Pretend(home, answers(*following)) as service:
        with Terminal(DEPLOY) as terminal:
            terminal.wait_for("▸ analyse at 25%")
            terminal.press(b"\x03")
            assert terminal.end() == 130
            lines = terminal.lines()
    assert lines[-3:] == [
        "d142 goes on without you (analyse at 25%).",
        "  watch   orchestrate deploy status d142 --follow",
        "  stop    orchestrate deploy cancel d142",
    ]
    assert any("▸ analyse at 25%" in line for line in lines)
    assert "cancel" not in {request.path.rpartition("/")[2] for request in service.requests}
    assert "Traceback" not in terminal.text


def test_ctrl_c_at_the_question_changes_nothing(home: Path) -> None:
    with Pretend(home, {"POST /api/plans": Reply(docs.PLAN)}) as service:
        with Terminal(("deploy", "--env", "production", "--version", "1.4.2")) as terminal:
            terminal.wait_for("[y/N]")
            terminal.press(b"\x03")
            assert terminal.end() == 130
    assert service.asked("POST", "/api/deployments") == []
    assert "Traceback" not in terminal.text


@pytest.mark.parametrize(("keys", "code"), [(b"\n", 1), (b"n\n", 1), (b"yes\n", 0)])
def test_production_is_asked_about_with_the_plan_on_the_screen(
    home: Path, keys: bytes, code: int
) -> None:
    table = {**answers(*ended()), "POST /api/plans": [Reply(docs.PLAN)]}
    with Pretend(home, table) as service:
        with Terminal(("deploy", "--env", "production", "--version", "1.4.2")) as terminal:
            terminal.wait_for("[y/N]")
            assert "rollback   to 1.4.1 (r86): running now" in terminal.text
            terminal.press(keys)
            assert terminal.end() == code
            text = terminal.text
    started = [request.body for request in service.asked("POST", "/api/deployments")]
    if code:
        assert started == []
        assert "nothing was changed" in text
    else:
        assert started[0]["plan"] == docs.DIGEST and started[0]["confirmed"] is True
        assert "without the question: orchestrate deploy --env production" in text


def test_in_a_pipe_there_is_one_line_per_change_and_the_last_decides(home: Path) -> None:
    with Pretend(home, answers(*ended())):
        result = run(*DEPLOY)
    assert result.code == 0
    lines = result.out.splitlines()
    assert [line.split()[:5] for line in lines] == [
        ["2026-11-23T13:11:23Z", "d142", "deploy", "running", "-"],
        ["2026-11-23T13:11:23Z", "d142", "start", "done", "14s"],
        ["2026-11-23T13:36:02Z", "d142", "deploy", "succeeded", "24m39s"],
    ]
    assert lines[0].endswith("1.4.1 -> 1.4.2 canary plan 7c1e9a40b3f2")
    assert lines[-1].endswith("production serves 1.4.2, was 1.4.1")
    assert "\x1b" not in result.out + result.err


def test_in_a_pipe_a_failure_says_why_before_the_last_line(home: Path) -> None:
    refused = docs.changed(docs.REFUSED, id="d142")
    with Pretend(home, answers(*ended(refused), end=refused)):
        result = run(*DEPLOY)
    assert result.code == 1
    *_, fix, last = result.out.splitlines()
    assert fix == "  fix: orchestrate deploy logs d143 --version 1.4.3"
    assert last.split()[2:5] == ["deploy", "rolled_back", "2m09s"]


def test_a_sign_of_life_comes_while_nothing_happens(home: Path) -> None:
    gate = Gate(ended()[0])
    with Pretend(home, answers(Reply(docs.follow(docs.RUNNING)), gate, ended()[1])):
        with Terminal(DEPLOY, env={"CI": "1"}, heartbeat_s=0.05) as terminal:
            terminal.wait_for("hold: 130s of 240s")
            gate.open()
            assert terminal.end() == 0
    assert re.search(r"d142 analyse-25 +running +\d+", terminal.text)
    assert b"\x1b[?7l" not in terminal.raw


def test_a_lost_connection_is_told_and_the_picture_goes_on(home: Path) -> None:
    service = Pretend(
        home, answers(Reply(docs.follow(docs.RUNNING, *EVENTS[:3])), Reply({}, hang=True), *ended())
    )
    with service, Terminal(DEPLOY) as terminal:
        terminal.wait_for("▸ analyse at 25%")
        service.wait_until_asked("GET", FOLLOW_PATH, 2)
        service.end()
        terminal.wait_for("connection lost, d142 goes on; reconnecting")
        service.start()
        assert terminal.end() == 0
    assert terminal.text.count("connection lost") == 1
    assert "connected again, d142 goes on" in terminal.text
    assert terminal.lines()[-1].strip().startswith("undo")


def test_after_a_lost_connection_no_event_is_told_twice(home: Path) -> None:
    service = Pretend(
        home, answers(Reply(docs.follow(docs.RUNNING, *EVENTS[:3])), Reply({}, hang=True), *ended())
    )
    with service, Terminal(DEPLOY, env={"CI": "1"}) as terminal:
        terminal.wait_for("d142 start")
        service.wait_until_asked("GET", FOLLOW_PATH, 2)
        service.end()
        terminal.wait_for("connection lost")
        service.start()
        assert terminal.end() == 0
        asked = [r.query for r in service.asked("GET", FOLLOW_PATH)]
    assert asked[0].startswith("after=0&")
    assert all(query.startswith("after=3&") for query in asked[1:-1])


def test_the_time_to_watch_ends_the_watching_and_not_the_deployment(home: Path) -> None:
    following = [Reply(docs.follow(docs.RUNNING)), Reply({}, hang=True)]
    with Pretend(home, answers(*following)) as service:
        result = run(*DEPLOY, "--wait-timeout", "300ms")
    assert result.code == 1
    assert "d142 goes on, and was watched for as long as asked" in result.err
    assert not service.asked("POST", "/api/deployments/d142/cancel")


def test_detached_it_returns_at_once_with_the_way_back_to_it(home: Path) -> None:
    with Pretend(home, answers()) as service:
        result = run(*DEPLOY, "--detach")
        quiet = run(*DEPLOY, "--detach", "--quiet")
    assert (result.code, quiet.code, quiet.out) == (0, 0, "d142\n")
    assert "watch   orchestrate deploy status d142 --follow" in result.out
    assert not service.asked("GET", FOLLOW_PATH)


def test_json_lines_are_the_events_and_last_the_document(home: Path) -> None:
    with Pretend(home, answers(*ended())):
        result = run(*DEPLOY, "--output", "jsonl")
    *events, document = map(json.loads, result.out.splitlines())
    assert [e["seq"] for e in events] == [1, 2, 3, 4]
    assert document == docs.SUCCEEDED
    assert result.err == ""


def test_a_running_one_is_followed_by_its_id_or_its_environment(home: Path) -> None:
    busy = docs.changed(docs.ENVIRONMENT, running={**docs.BUSY, "id": "d142"})
    table = {**answers(*ended(), *ended()), "GET /api/environments/staging": [Reply(busy)]}
    with Pretend(home, table):
        by_id = run("deploy", "status", "d142", "--follow")
        by_name = run("deploy", "status", "--env", "staging", "--follow")
    assert (by_id.code, by_name.code) == (0, 0)
    assert by_id.out.splitlines()[-1] == by_name.out.splitlines()[-1]


def test_on_github_actions_the_result_is_on_the_run_s_page(home: Path, tmp_path: Path) -> None:
    page = tmp_path / "summary.md"
    page.write_text("before\n")
    with Pretend(home, answers(*ended())):
        run(*DEPLOY, env={"GITHUB_STEP_SUMMARY": str(page)})
    text = page.read_text()
    assert text.startswith("before\n```\n✓ d142 succeeded: production serves 1.4.2")
