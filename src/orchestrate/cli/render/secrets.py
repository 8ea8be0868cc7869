"""The secrets of an environment, by name."""

from datetime import datetime
from typing import TYPE_CHECKING

from orchestrate.cli.render.paint import Paint, clean
from orchestrate.cli.render.table import Column, table

if TYPE_CHECKING:
    from orchestrate.cli.documents import SecretList


def listed(doc: "SecretList", paint: Paint, now: datetime) -> list[str]:
    """One row a secret. `LIVE` is what the application has now, `VERSION` what it gets next."""
    if not doc["items"]:
        command = f"orchestrate secrets set NAME --env {doc['environment']}"
        return [f"{doc['environment']} has no secrets; set one:", f"  {command}"]
    columns = [
        Column("SECRET", cut=True),
        Column("VERSION"),
        Column("LIVE"),
        Column("SET", gives_way=2),
        Column("BY", gives_way=1, cut=True),
        Column("KEPT IN", gives_way=3, cut=True),
        Column("FOR", gives_way=4),
    ]
    rows = [
        [
            clean(item["name"]),
            clean(item["version"] or "no value"),
            clean(item["live"] or "-"),
            paint.ago(item["set_at"], now) if item["set_at"] else "-",
            clean(item["set_by"] or "-"),
            clean(item["kept_in"]),
            item["given_to"] + ("" if item["masked"] else ", not masked"),
        ]
        for item in doc["items"]
    ]
    return table(columns, rows, paint)
