"""Every screen as it is: at 80 and 100 columns, in ASCII, and piped."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from orchestrate.cli.render import (
    analysis,
    approvals,
    changes,
    checks,
    deployment,
    environment,
    overview,
    plan,
)
from orchestrate.cli.render.error import error_lines
from orchestrate.cli.render.paint import Paint, cells, cut
from tests.support import documents as docs
from tests.support.documents.approvals import BRIEF
from tests.support.snapshot import Snapshot

pytestmark = pytest.mark.unit

SCREENS = Path(__file__).parent / "screens"
NOW = datetime(2026, 11, 23, 13, 48, 2, tzinfo=UTC)
PAINTS = {
    "80": Paint(width=80, utc=True),
    "100": Paint(width=100, utc=True),
    "80-ascii": Paint(width=80, ascii=True, utc=True),
    "piped": Paint(width=100, tables=False, utc=True),
}
Draw = Callable[[Any, Paint], list[str]]


def final(doc: Any, paint: Paint) -> list[str]:
    return deployment.final(doc, paint, NOW)


def live(doc: Any, paint: Paint) -> list[str]:
    head = deployment.header(doc, paint, NOW.replace(minute=16, second=10))
    body = deployment.picture(doc, paint, NOW.replace(minute=16, second=10))
    return [*head, *body, *deployment.watching(doc, paint)]


def status(doc: Any, paint: Paint) -> list[str]:
    return environment.status(doc, paint, NOW) if paint.tables else environment.pairs(doc)


BUSY = docs.changed(
    docs.ENVIRONMENT,
    running=docs.BUSY,
    queued=[{**docs.BUSY, "id": "d146", "to_version": "1.5.0"}],
    drift=["variable LOG_LEVEL was changed since; deploy to apply it"],
    quarantined=[],
)
ASKS = docs.changed(
    docs.ENVIRONMENT,
    running=docs.changed(docs.BUSY, phase="awaiting_approval", step=None, text=None),
    waiting_approvals=[BRIEF],
)
EMPTY = docs.changed(
    docs.ENVIRONMENT,
    live=None,
    health="unknown",
    health_text="nothing is live",
    weights_percent={},
    traffic=None,
    rollback_target=None,
    kept_until=None,
    quarantined=[],
)
CASES: dict[str, tuple[Any, Draw]] = {
    "deploy-live": (docs.RUNNING, live),
    "deploy-live-paused": (docs.changed(docs.RUNNING, paused=True, serving=None), live),
    "deploy-waiting": (docs.WAITING, live),
    "deploy-waiting-in-vain": (
        docs.changed(docs.WAITING, approval={**BRIEF, "approvers": 0}),
        live,
    ),
    "deploy-approved": (docs.APPROVED, final),
    "approvals-list": (docs.APPROVALS, lambda d, p: approvals.listed(d, p, NOW)),
    "approvals-ask": (docs.APPROVAL, lambda d, p: approvals.asked(d, p, NOW)),
    "approvals-glass": (docs.GLASS, lambda d, p: approvals.asked(d, p, NOW)),
    "approvals-show": (docs.DECIDED, lambda d, p: approvals.shown(d, p, NOW)),
    "approvals-approved": (docs.DECIDED, lambda d, p: approvals.approved(d, p, "dana")),
    "deploy-succeeded": (docs.SUCCEEDED, final),
    "deploy-refused": (docs.REFUSED, final),
    "rollback": (docs.ROLLED_BACK, final),
    "plan": (docs.PLAN, lambda d, p: plan.full(d, p, NOW)),
    "plan-short": (docs.PLAN, plan.short),
    "plan-nothing": (docs.NOTHING, lambda d, p: plan.full(d, p, NOW)),
    "status": (docs.ENVIRONMENT, status),
    "status-busy": (BUSY, status),
    "status-empty": (EMPTY, status),
    "status-asks": (ASKS, status),
    "env-list": (docs.OVERVIEW, lambda d, p: overview.environments(d, p, NOW)),
    "env-show": (
        docs.changed(docs.ENVIRONMENT, settings=docs.SETTINGS),
        lambda d, p: environment.settings(d, p, NOW, values=False),
    ),
    "history": (
        docs.HISTORY,
        lambda d, p: overview.history(d, p, NOW, environment="production", limit=5),
    ),
    "history-of-all": (
        docs.HISTORY,
        lambda d, p: overview.history(d, p, NOW, environment=None, limit=5),
    ),
    "analysis": (docs.ANALYSIS, analysis.analysis),
    "validation": (docs.VALIDATION, checks.validation),
    "ready": (docs.READY, checks.validation),
    "doctor": (docs.DOCTOR, checks.doctor),
    "changes": (docs.CHANGES, lambda d, p: [*changes.changes(d, p), changes.done(d)]),
    "error": (
        docs.error(
            "environment_busy",
            "production is taken by d142, 1.4.1 -> 1.4.2, by claude for lee",
            409,
            why=("one deployment at a time",),
            fix=(
                "wait for it: orchestrate deploy --env production --version 1.4.3 --queue",
                "or stop it: orchestrate deploy cancel d142",
            ),
        )["error"],
        lambda d, p: error_lines(d["code"], d["message"], d["why"], d["fix"], p),
    ),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("paint", PAINTS)
def test_a_screen_is_as_it_was_agreed(name: str, paint: str, snapshot: Snapshot) -> None:
    doc, draw = CASES[name]
    text = "\n".join(draw(doc, PAINTS[paint])) + "\n"
    snapshot.check(SCREENS / f"{name}.{paint}.txt", text)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("width", [80, 100])
def test_no_line_is_wider_than_the_screen_but_commands_to_paste(name: str, width: int) -> None:
    doc, draw = CASES[name]
    for line in "\n".join(draw(doc, Paint(width=width, utc=True))).split("\n"):
        command = "orchestrate " in line or "fix:" in line or line.startswith("error[")
        assert command or cells(line) <= width, line


@pytest.mark.parametrize("name", CASES)
def test_ascii_is_ascii_and_colour_adds_no_words(name: str) -> None:
    doc, draw = CASES[name]
    plain = draw(doc, PAINTS["80-ascii"])
    assert "\n".join(plain).isascii()
    coloured = draw(doc, PAINTS["80-ascii"]._replace(colour=True))
    assert _without_colour("\n".join(coloured)) == "\n".join(plain)


@pytest.mark.parametrize("rows", range(1, 14))
def test_a_low_terminal_folds_what_is_done_and_what_waits_and_never_what_runs(rows: int) -> None:
    drawn = deployment.picture(cast("Any", docs.RUNNING), PAINTS["80"], NOW, rows)
    assert len(drawn) <= rows
    if rows >= 5:
        assert any("analyse at 25%" in line for line in drawn)


def test_a_step_s_clock_moves_with_the_time_and_never_backwards() -> None:
    begun = NOW.replace(minute=14, second=0)
    for later, clock in ((begun.replace(minute=16, second=10), "2m 10s"), (begun, "0s")):
        drawn = "\n".join(deployment.picture(cast("Any", docs.RUNNING), PAINTS["100"], later))
        assert f"{clock}  hold" in drawn


@pytest.mark.attack(
    "AG07", "text that moves the cursor or turns the direction", "stripped from every screen"
)
def test_text_from_outside_cannot_move_the_cursor() -> None:
    doc = docs.changed(docs.RUNNING, reason="\x1b[2J\x1b]0;owned\x07 now\u202e")
    for draw in (live, final):
        text = "\n".join(draw(doc, PAINTS["80"]))
        assert "\x1b" not in text and "\x07" not in text and "\u202e" not in text


def test_wide_letters_take_two_cells_and_are_cut_whole() -> None:
    assert cells("配置") == 4
    assert cut("配置配置配置", 9) == "配置配..."
    assert cells(cut("配置配置配置", 8)) <= 8


def test_a_plot_of_nothing_but_zeros_invents_no_scale() -> None:
    flat = {"difference": 0.0, "lower": 0.0, "upper": 0.0}
    drawn = analysis.plot([{"bucket": n, **flat} for n in range(5)], PAINTS["80"])  # type: ignore[typeddict-item]
    assert [line.split() for line in drawn] == [["+0.00%", "ooooo"]]
    assert (
        analysis.plot([{"bucket": 1, **flat, "upper": 0.01}], PAINTS["80"])[0].split()[0]
        == "+1.00%"
    )  # type: ignore[typeddict-item]


def _without_colour(text: str) -> str:
    import re

    return re.sub("\x1b\\[[0-9]+m", "", text)
