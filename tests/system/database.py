"""Environments with a real database, and migrations that each version brings."""

from __future__ import annotations

import json
import sqlite3
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.support.service import Site, World

AT_ONCE = {"type": "blue-green"}
MIGRATE = """
import json, os, sqlite3, sys

base = sqlite3.connect(os.environ["DATABASE"], timeout=20)
base.execute("CREATE TABLE IF NOT EXISTS applied (name TEXT, phase TEXT, version TEXT)")
what, *rest = sys.argv[1:]
if what == "applied":
    print("looking at", os.environ["DATABASE"])
    print(json.dumps([name for name, in base.execute("SELECT name FROM applied")]))
elif what == "list":
    known = json.load(open(os.environ["BRINGS"]))
    print(json.dumps(known.get(os.environ["ORCHESTRATE_VERSION"], [])))
else:
    name, phase = rest
    if name.endswith("broken"):
        print("no such column: price")
        raise SystemExit(4)
    base.execute("INSERT INTO applied VALUES (?, ?, ?)",
                 (name, phase, os.environ["ORCHESTRATE_VERSION"]))
base.commit()
"""


@dataclass
class Database:
    """A real one, with what each version brings."""

    path: Path
    brings: Path

    def rows(self) -> list[tuple[str, str, str]]:
        with sqlite3.connect(self.path) as base:
            return list(base.execute("SELECT name, phase, version FROM applied"))

    def names(self) -> list[str]:
        return [name for name, _, _ in self.rows()]


def site_with(world: World, tmp_path: Path, name: str, **brings: object) -> tuple[Site, Database]:
    """An environment whose versions bring these migrations; `1.0.0` is live."""
    program = tmp_path / "migrate.py"
    program.write_text(MIGRATE, encoding="utf-8")
    database = Database(tmp_path / "shop.db", tmp_path / "brings.json")
    versions = {key.removeprefix("v").replace("_", "."): found for key, found in brings.items()}
    database.brings.write_text(json.dumps(versions), encoding="utf-8")
    call = [sys.executable, str(program)]
    migrations = {
        "expand": [*call, "run", "{name}", "{phase}"],
        "contract": [*call, "run", "{name}", "{phase}"],
        "applied": [*call, "applied"],
        "listed": [*call, "list"],
        "timeout_s": 30,
    }
    site = world.small(
        name,
        strategy={**AT_ONCE, "keep_old_s": 600},
        migrations=migrations,
        variables={"DATABASE": str(database.path), "BRINGS": str(database.brings)},
    )
    site.live("1.0.0")
    return site, database


EXPAND = {"name": "0042_add_currency", "phase": "expand"}
CONTRACT = {"name": "0043_drop_price", "phase": "contract"}


def let_the_window_end(site: Site) -> None:
    """As if the time for a quick rollback were over."""
    with sqlite3.connect(site.world.home / "orchestrate.db", timeout=20) as store:
        store.execute(
            "UPDATE environments SET kept_until = '2020-01-01 00:00:00' WHERE name = ?",
            (site.name,),
        )
