"""What came of it: the table, what was promised and whether it was kept, and how to go on."""

import sys
from collections.abc import Iterable, Sequence

from orchestrate.cli.demo import shop
from orchestrate.cli.demo.stage import Act
from orchestrate.cli.load import Event, Result
from orchestrate.cli.load.tally import UNNAMED
from orchestrate.cli.render.paint import Paint
from orchestrate.cli.render.table import Column, table
from orchestrate.core.durations import spoken

GOOD, REFUSED, BAD = "1.1.0", "1.2.0", "1.3.0"
COLUMNS = (
    Column("WHAT"),
    Column("TOOK"),
    Column("REQUESTS"),
    Column("LOST"),
    Column("ERRORS"),
    Column("ANSWERED BY", cut=True),
)


def table_of(acts: Sequence[Act], result: Result, paint: Paint) -> list[str]:
    """A row for each act: how long it took, and what became of the requests sent from its
    beginning to that of the next."""
    ends = [*(act.began for act in acts[1:]), sys.maxsize]
    rows = [
        _row(act.title, act.took_s, _between(result.events, act.began, end))
        for act, end in zip(acts, ends, strict=True)
    ]
    whole = (acts[-1].ended - acts[0].began) / 1e9
    rows.append(_row("in all", whole, result.events, result.unsent))
    return table(COLUMNS, rows, paint)


def promises(acts: Sequence[Act], result: Result) -> list[tuple[bool, str]]:
    """What the demonstration promised, each with whether it was kept."""
    lost = sum(map(_is_lost, result.events)) + result.unsent
    strangers = result.by_version.get(REFUSED, 0)
    late = last_answer_ms(acts, result.events)
    after = _versions(_between(result.events, acts[-1].began, sys.maxsize))
    errors = sum(1 for event in result.events if event.kind and not _is_lost(event))
    never = "never got traffic" if not strangers else f"answered {strangers} requests"
    return [
        (lost == 0, f"{lost} of {result.requests:,} requests were lost"),
        (strangers == 0, f"{REFUSED}, which failed its health check, {never}"),
        (
            late is not None and errors > 0,
            f"{BAD} gave its last answer {_ms(late)} after the call to roll back; "
            f"until then {errors} checkouts had failed",
        ),
        (after == [GOOD], f"after the rollback {' and '.join(after)} answered, nothing else"),
    ]


def last_answer_ms(acts: Sequence[Act], events: Iterable[Event]) -> float | None:
    """From the call of the rollback to the bad version's last answer, good or bad, in ms."""
    called = next(act.began for act in acts if act.title.startswith("roll back"))
    ends = [event.end_ns for event in events if event.version == BAD]
    return max((max(ends) - called) / 1e6, 0.0) if ends else None


def what_next(home: str | None, url: str) -> list[str]:
    """How to go on from here; `home` when it was kept running."""
    if home is None:
        return [
            "Now something of your own. In its directory:",
            "   orchestrate init",
            "   orchestrate env create --file orchestrate.yaml",
            "   orchestrate deploy --env dev --version VERSION",
            "Step by step: docs/tutorial.md",
        ]
    return [
        f"It goes on: the shop is at {url}. To look at it:",
        f"   export ORCHESTRATE_HOME={home}",
        f"   orchestrate deploy status --env {shop.NAME}",
        f"   orchestrate deploy history --env {shop.NAME}",
        "To end it:",
        f"   orchestrate env delete {shop.NAME} --confirm {shop.NAME}",
        f"   orchestrate stop; rm -r {home}",
    ]


def _row(title: str, took_s: float, events: Sequence[Event], unsent: int = 0) -> list[str]:
    lost = sum(map(_is_lost, events)) + unsent
    errors = sum(1 for event in events if event.kind and not _is_lost(event))
    if not events:
        return [title, spoken(took_s), "", "", "", ""]
    return [
        title,
        spoken(took_s),
        f"{len(events):,}",
        str(lost),
        str(errors),
        _shares(events),
    ]


def _ms(duration_ms: float | None) -> str:
    return "(it gave none)" if duration_ms is None else f"{duration_ms:.0f} ms"


def _between(events: Iterable[Event], began: int, ended: int) -> list[Event]:
    return [event for event in events if began <= event.start_ns < ended]


def _shares(events: Sequence[Event]) -> str:
    """`1.0.0 62%, 1.1.0 38%`; three and more are named only."""
    versions = _versions(events)
    if len(versions) != 2:
        return ", ".join(versions)
    parts = [sum(1 for e in events if e.version == v) for v in versions]
    percent = round(100 * parts[0] / sum(parts))
    return f"{versions[0]} {percent}%, {versions[1]} {100 - percent}%"


def _versions(events: Iterable[Event]) -> list[str]:
    return sorted({event.version for event in events if event.version != UNNAMED})


def _is_lost(event: Event) -> bool:
    """Whether no version of the shop answered; an error that one answered is its own."""
    return bool(event.kind) and event.version == UNNAMED
