"""Lists: environments, and the history of deployments."""

from datetime import datetime
from typing import TYPE_CHECKING

from orchestrate.cli.render.paint import Paint, clean
from orchestrate.cli.render.table import Cell, Column, table
from orchestrate.core import words

if TYPE_CHECKING:
    from orchestrate.cli.documents import DeploymentList, Overview, OverviewRow


def environments(doc: "Overview", paint: Paint, now: datetime) -> list[str]:
    """One row an environment; the app is named only where there are several."""
    if not doc["items"]:
        lines = ["no environment yet; create one:"]
        return [*lines, "  orchestrate env create --file orchestrate.yaml"]
    several = len({row["app"] for row in doc["items"]}) > 1
    columns = [
        Column("ENVIRONMENT"),
        Column("LIVE"),
        Column("HEALTH"),
        Column("SINCE", gives_way=2),
        Column("BY", gives_way=1, cut=True),
        Column("NOW", cut=True),
    ]
    rows = [_row(row, paint, now, several) for row in doc["items"]]
    return table(columns, rows, paint)


def history(
    doc: "DeploymentList", paint: Paint, now: datetime, *, environment: str | None, limit: int
) -> list[str]:
    """Deployments, newest first, and the command for older ones."""
    if not doc["items"]:
        where = f" in {environment}" if environment else ""
        return [f"nothing has been deployed{where} yet"]
    columns = [
        Column("ID"),
        Column("WHEN"),
        *([] if environment else [Column("ENVIRONMENT")]),
        Column("CHANGE"),
        Column("RESULT"),
        Column("TOOK", gives_way=2),
        Column("BY", gives_way=3, cut=True),
        Column("WHY", gives_way=1, cut=True),
    ]
    rows: list[list[str | Cell]] = [
        [
            item["id"],
            paint.when(item["created_at"], now),
            *([] if environment else [item["environment"]]),
            _moves(item["kind"], item["from_version"], item["to_version"]),
            Cell(words.word(item["phase"]), words.PHASES.get(item["phase"], words.UNKNOWN)),
            words.took(item["duration_s"]),
            words.actor(item["requested_by"]),
            clean(item["why"]),
        ]
        for item in doc["items"]
    ]
    lines = table(columns, rows, paint)
    if doc["next_cursor"] and paint.tables:
        scope = f" --env {environment}" if environment else ""
        more = f"--limit {limit} --before {doc['next_cursor']}"
        lines.append(f"older: orchestrate deploy history{scope} {more}")
    return lines


def _row(row: "OverviewRow", paint: Paint, now: datetime, several: bool) -> list[str | Cell]:
    live, busy = row["live"], row["now"]
    health = Cell(row["health"], words.HEALTH.get(row["health"], words.UNKNOWN))
    name = f"{row['app']}/{row['name']}" if several else row["name"]
    return [
        name,
        live["version"] if live else "-",
        health if live else Cell("-"),
        paint.ago(live["since"], now) if live else "-",
        words.actor(live["by"]) if live else "-",
        Cell(_now(row, paint), words.BUSY) if busy else Cell("" if paint.tables else "-"),
    ]


def _now(row: "OverviewRow", paint: Paint) -> str:
    busy = row["now"]
    assert busy is not None
    if not paint.tables:
        return f"{busy['id']} {busy['phase']}"
    at = busy["step"] or words.word(busy["phase"])
    return f"{busy['id']} {busy['to_version']}, {'paused at ' if busy['paused'] else ''}{at}"


def _moves(kind: str, before: str | None, after: str) -> str:
    return f"{after}, clearing up" if kind == "retire" else words.change(before, after)
