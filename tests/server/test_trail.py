"""A service whose trail cannot be written, or is not as its heads say; and one that only reads."""

import sqlite3
import time
from pathlib import Path

import pytest

from orchestrate.store.heads import ORIGIN
from tests.support.api import Json, Problem
from tests.support.service import world as a_world
from tests.support.waiting import eventually

pytestmark = pytest.mark.system


@pytest.mark.attack(
    "AU07", "the trail's table cannot be written while somebody sets things", "nothing is set"
)
def test_an_operation_that_cannot_be_recorded_fails_and_does_nothing() -> None:
    with a_world() as world:
        world.api.call("POST", "/api/first-administrator", {"person": "lee"})
        database = world.home / "orchestrate.db"
        _sql(database, "ALTER TABLE audit RENAME TO hidden")
        calls: list[tuple[str, Json]] = [
            ("/api/people", {"person": "dana", "roles": ["deployer"]}),
            ("/api/tokens", {"role": "admin"}),
        ]
        for path, body in calls:
            with pytest.raises(Problem) as caught:
                world.api.call("POST", path, body)
            assert caught.value.status == 500
        with pytest.raises(Problem):
            world.small("made", strategy={"type": "recreate"})
        _sql(database, "ALTER TABLE hidden RENAME TO audit")
        people = world.api.call("GET", "/api/people")["items"]
        assert isinstance(people, list)
        assert [p["name"] for p in people if isinstance(p, dict)] == ["lee"]
        assert world.api.call("GET", "/api/tokens")["items"] == []
        assert world.api.call("GET", "/api/overview")["items"] == []


@pytest.mark.attack(
    "AU05", "the database is put back while the service is down", "it starts read-only"
)
def test_after_an_alarm_nothing_is_changed_until_it_was_accepted(tmp_path: Path) -> None:
    with a_world() as world:
        world.small("kept", strategy={"type": "recreate"})
        world.service.stop()
        backup = (world.home / "orchestrate.db").read_bytes()
        world.service.start()
        world.small("later", strategy={"type": "recreate"})
        world.service.stop()
        (world.home / "orchestrate.db").write_bytes(backup)
        world.service.start()
        with pytest.raises(Problem) as caught:
            world.small("never", strategy={"type": "recreate"})
        assert (caught.value.status, caught.value.code) == (403, "read_only")
        assert any("the end was cut off" in why for why in caught.value.why)
        report = world.api.call("POST", "/api/audit/verify")
        assert report["ok"] is False
        accepted = world.api.call(
            "POST", "/api/audit/accept-restore", {"reason": "restored on purpose"}
        )
        assert world.service.process is not None
        assert world.service.process.wait(timeout=30) == 0
        world.service.start()
        newest = world.api.call("GET", "/api/audit?action=audit.accept_restore")["items"]
        assert isinstance(newest, list) and isinstance(newest[0], dict)
        assert newest[0]["seq"] == accepted["last"]
        assert world.api.call("POST", "/api/audit/verify")["ok"] is True
        world.small("again", strategy={"type": "recreate"})


@pytest.mark.attack("AU03", "the heads are cut, or taken away, while the service runs", "found")
def test_heads_that_were_taken_away_are_missed() -> None:
    with a_world() as world:
        heads = world.home / "audit" / "heads"

        def several() -> str | None:
            """Heads are written a second apart: one more environment until there are two."""
            world.small(f"one-{time.monotonic_ns()}", strategy={"type": "recreate"})
            text = heads.read_text(encoding="utf-8")
            return text if text.count(ORIGIN) > 1 else None

        kept = eventually(several)
        assert world.api.call("POST", "/api/audit/verify")["ok"] is True
        cut = kept[: kept.rindex(ORIGIN)]
        for left, said in ((cut, "was taken away since"), ("", "no head of this trail")):
            heads.write_text(left, encoding="utf-8")
            report = world.api.call("POST", "/api/audit/verify")
            assert report["ok"] is False and said in str(report["problems"])


def test_a_service_that_only_reads_says_so_and_reads() -> None:
    with a_world("--read-only") as world:
        with pytest.raises(Problem) as caught:
            world.small("never", strategy={"type": "recreate"})
        assert caught.value.code == "read_only"
        assert world.api.call("GET", "/api/overview")["items"] == []
        assert world.api.call("GET", "/api/access")["read_only"] is True


def _sql(database: Path, statement: str) -> None:
    connection = sqlite3.connect(database, timeout=30)
    with connection:
        connection.execute(statement)
    connection.close()
