"""Secrets from the command to the process and back: set, deployed, rotated, rolled back, lost."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrate.providers.processes.identity import identify
from tests.support import cli, processes
from tests.support.api import Deployment, Json, Problem
from tests.support.real import need_program
from tests.support.service import Site, World, world
from tests.support.vault import FakeVault, fake_vault
from tests.support.waiting import eventually

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

OLD, NEW = "old-password-7f3a", "new-password-9c1b"
QUICK = {"type": "recreate"}


@pytest.fixture(scope="module")
def vault() -> Iterator[FakeVault]:
    with fake_vault() as found:
        yield found


@pytest.fixture(scope="module")
def stage(vault: FakeVault) -> Iterator[World]:
    need_program("traefik", 'pip install "orchestrate-mcp[edge]"')
    with world(VAULT_TOKEN="root-token", SHOP_LICENSE="license-of-the-service") as found:
        for version in ("1.0.0", "1.1.0"):
            found.release(version)
        yield found


def put(world: World, name: str, value: str, environment: str, **more: object) -> Json:
    body = {"environment": environment, "name": name, "value": value, **more}
    return world.api.call("POST", "/api/secrets", body)


def remove(world: World, name: str, environment: str, version: int | None = None) -> Json:
    which = f"&version={version}" if version else ""
    path = f"/api/secrets?environment={environment}&name={name}&confirm={name}{which}"
    return world.api.call("DELETE", path)


def seen(site: Site, name: str) -> object:
    """What the process that answers has in its environment."""
    env = site.ask().body["env"]
    assert isinstance(env, dict)
    return env.get(name)


def changes(plan: Json) -> list[tuple[object, ...]]:
    found = plan["changes"]
    assert isinstance(found, list)
    return [
        (c["sign"], c["what"], c["name"], c["before"], c["after"])
        for c in found
        if isinstance(c, dict) and c["what"] == "secret"
    ]


def rolled_back(site: Site, **more: object) -> Deployment:
    return site.api.wait(site.api.rollback(site.name, **more).id)


def test_a_rollback_restores_the_very_versions_it_had(stage: World) -> None:
    site = stage.small("back", strategy=QUICK, secrets=["DB_URL"])
    with pytest.raises(Problem, match="secret_missing") as missing:
        site.api.plan("back", "1.0.0")
    assert "orchestrate secrets set DB_URL --env back" in missing.value.fix[0]
    put(stage, "DB_URL", OLD, "back")
    site.live("1.0.0")
    assert seen(site, "DB_URL") == OLD
    put(stage, "DB_URL", NEW, "back")
    assert seen(site, "DB_URL") == OLD
    plan = site.api.plan("back", "1.1.0")
    assert changes(plan) == [("~", "secret", "DB_URL", "v1", "v2")]
    back = plan["rollback"]
    assert isinstance(back, dict) and (back["secrets"], back["secrets_readable"]) == (1, 1)
    site.live("1.1.0")
    assert seen(site, "DB_URL") == NEW
    again = site.api.plan("back", kind="rollback")
    assert changes(again) == [("~", "secret", "DB_URL", "v2", "v1")]
    assert rolled_back(site).result == "succeeded" or site.serves() == "1.0.0"
    assert seen(site, "DB_URL") == OLD


def test_a_new_value_alone_is_a_new_revision(stage: World) -> None:
    site = stage.small("alone", strategy=QUICK, secrets=["DB_URL"])
    put(stage, "DB_URL", OLD, "alone")
    site.live("1.0.0")
    assert site.api.plan("alone", "1.0.0")["nothing_to_do"]
    assert put(stage, "DB_URL", OLD, "alone")["changed"] is False
    assert site.api.plan("alone", "1.0.0")["nothing_to_do"]
    put(stage, "DB_URL", NEW, "alone")
    site.live("1.0.0")
    assert seen(site, "DB_URL") == NEW


def test_a_plan_that_was_made_before_a_new_value_is_refused(stage: World) -> None:
    site = stage.small("moved", strategy=QUICK, secrets=["DB_URL"])
    put(stage, "DB_URL", OLD, "moved")
    plan = str(site.api.plan("moved", "1.0.0")["digest"])
    put(stage, "DB_URL", NEW, "moved")
    with pytest.raises(Problem, match="plan_changed"):
        site.api.start(plan)


@pytest.mark.attack("SK02", "a sealed value is damaged by SQL", "refused and in the trail")
@pytest.mark.parametrize("lost", ["removed", "damaged"])
def test_a_revision_whose_secret_is_lost_cannot_be_restored_and_says_why(
    stage: World, lost: str
) -> None:
    name = f"lost-{lost}"
    site = stage.small(name, strategy=QUICK, secrets=["DB_URL"])
    put(stage, "DB_URL", OLD, name)
    site.live("1.0.0")
    put(stage, "DB_URL", NEW, name)
    site.live("1.1.0")
    if lost == "removed":
        told = remove(stage, "DB_URL", name, version=1)
        (affected,) = told["no_way_back"] if isinstance(told["no_way_back"], list) else []
        assert str(affected).startswith("1.0.0 (r")
    else:
        damage(stage, site)
    with pytest.raises(Problem, match="not_restorable") as refused:
        site.api.rollback(name)
    assert refused.value.why[0].startswith("secret DB_URL v1 cannot be read")
    target = site.api.environment(name)["rollback_target"]
    assert isinstance(target, dict) and not target["restorable"]
    assert "secret DB_URL v1" in str(target["lost"])
    assert site.serves() == "1.1.0" and seen(site, "DB_URL") == NEW
    path = f"/api/audit?action=secret&subject=shop/{name}&limit=50"
    entries = stage.api.call("GET", path)["items"]
    assert isinstance(entries, list)
    told_of = [(e["action"], e["outcome"]) for e in entries if isinstance(e, dict)]
    expected = ("secret.open", "refused") if lost == "damaged" else ("secret.remove", "ok")
    assert told_of.count(expected) == 1


def damage(stage: World, site: Site) -> None:
    import sqlite3

    with sqlite3.connect(stage.home / "orchestrate.db", timeout=30) as database:
        database.execute(
            "UPDATE secret_versions SET ct = zeroblob(40) WHERE version = 1 AND environment_id ="
            " (SELECT id FROM environments WHERE name = ?)",
            (site.name,),
        )
    database.close()


def test_the_check_of_the_way_back_counts_the_secrets(stage: World) -> None:
    site = stage.small("counted", strategy=QUICK, secrets=["A_KEY", "B_KEY"])
    for name in ("A_KEY", "B_KEY"):
        put(stage, name, OLD, "counted")
    site.live("1.0.0")
    body = {"environment": "counted", "version": "1.1.0"}
    checks = stage.api.call("POST", "/api/validate", body)["checks"]
    assert isinstance(checks, list)
    (text,) = [c["text"] for c in checks if isinstance(c, dict) and c["name"] == "rollback"]
    assert text.startswith("1.0.0 (r")
    assert text.endswith("): still running, 2 of 2 secrets readable")


@pytest.mark.fault
def test_a_crashed_replica_has_its_secrets_again_while_the_service_is_away(stage: World) -> None:
    site = stage.small("away", strategy=QUICK, secrets=["DB_URL"])
    put(stage, "DB_URL", OLD, "away")
    site.live("1.0.0")
    stage.service.kill()
    first = site.ask().body["pid"]
    assert isinstance(first, int)
    os.kill(first, signal.SIGKILL)

    def back() -> bool:
        try:
            answer = site.ask()
        except OSError:
            return False
        return answer.status == 200 and answer.body["pid"] != first

    eventually(back, within_s=60)
    assert seen(site, "DB_URL") == OLD
    stage.service.start()


@pytest.mark.fault
def test_a_killed_supervisor_is_given_the_secrets_again_by_the_service(stage: World) -> None:
    site = stage.small("orphan", strategy=QUICK, secrets=["DB_URL"])
    put(stage, "DB_URL", OLD, "orphan")
    site.live("1.0.0")
    (supervisor,) = [
        p.pid
        for p in processes.of_home(site.directory)
        if "launch.py" in p.command and str(site.directory) in p.command
    ]
    os.kill(supervisor, signal.SIGKILL)
    eventually(lambda: identify(supervisor) is None or not alive(supervisor), within_s=10)
    first = site.ask().body["pid"]
    assert isinstance(first, int)
    os.kill(first, signal.SIGKILL)
    eventually(lambda: new_pid(site, first), within_s=60)
    assert seen(site, "DB_URL") == OLD


def alive(pid: int) -> bool:
    state = Path(f"/proc/{pid}/stat")
    return state.exists() and ") Z " not in state.read_text()


def new_pid(site: Site, old: int) -> bool:
    try:
        answer = site.ask()
    except OSError:
        return False
    return answer.status == 200 and answer.body["pid"] != old


def test_secrets_of_other_places_are_pinned_too(stage: World, vault: FakeVault) -> None:
    vault.put("secret/shop/dev", password=OLD)
    site = stage.small(
        "elsewhere",
        strategy=QUICK,
        secrets=["PASSWORD", "LICENSE"],
        secret_sources={
            "PASSWORD": {"backend": "vault", "name": "shop/dev", "key": "password"},
            "LICENSE": {"backend": "env", "name": "SHOP_LICENSE"},
        },
        secret_backends={"vault": {"address": vault.address}},
    )
    site.live("1.0.0")
    assert (seen(site, "PASSWORD"), seen(site, "LICENSE")) == (OLD, "license-of-the-service")
    vault.put("secret/shop/dev", password=NEW)
    plan = site.api.plan("elsewhere", "1.1.0")
    assert changes(plan) == [("~", "secret", "PASSWORD", "vault v1", "vault v2")]
    site.live("1.1.0")
    assert seen(site, "PASSWORD") == NEW
    vault.sealed = True
    with pytest.raises(Problem, match="secret_source_down"):
        site.api.plan("elsewhere", "1.0.0")
    with pytest.raises(Problem, match="not_restorable"):
        site.api.rollback("elsewhere")
    vault.sealed = False
    assert rolled_back(site).phase == "succeeded"
    assert seen(site, "PASSWORD") == OLD
    vault.delete("secret/shop/dev", 2)
    with pytest.raises(Problem, match=r"secret_missing|not_restorable"):
        site.api.rollback("elsewhere", version="1.1.0")
    with pytest.raises(Problem, match="secret_invalid"):
        put(stage, "PASSWORD", NEW, "elsewhere")


def test_a_way_back_that_still_runs_waits_for_no_vault(stage: World, vault: FakeVault) -> None:
    vault.put("secret/shop/kept", password=OLD)
    site = stage.small(
        "kept",
        strategy={"type": "blue-green", "keep_old_s": 600},
        secrets=["PASSWORD"],
        secret_sources={"PASSWORD": {"backend": "vault", "name": "shop/kept", "key": "password"}},
        secret_backends={"vault": {"address": vault.address}},
    )
    site.live("1.0.0")
    vault.put("secret/shop/kept", password=NEW)
    site.live("1.1.0")
    vault.sealed = True
    try:
        done = rolled_back(site)
    finally:
        vault.sealed = False
    assert (done.phase, done.serving) == ("succeeded", "1.0.0"), done
    assert seen(site, "PASSWORD") == OLD
    assert "secret PASSWORD" in str(done.document["remains"])


def test_a_file_imports_names_and_values(stage: World, tmp_path: Path) -> None:
    (tmp_path / "orchestrate.yaml").write_text(
        "app: shop\nenvironments:\n  imported:\n    type: dev\n    provider: local\n"
        "    config: {command: [python3, app.py], artifact: 'releases/{version}'}\n"
        "    secrets:\n      DB_URL: ${GIVEN}\n      LATER:\n"
    )

    def create(value: str) -> str:
        done = subprocess.run(
            cli.command("env", "create", "--file", "orchestrate.yaml"),
            env=cli.environment(ORCHESTRATE_HOME=str(stage.home), GIVEN=value),
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        assert value not in done.stdout + done.stderr
        return done.stderr

    create(OLD)
    assert "secret" not in create(OLD)
    assert "secret DB_URL  v1 -> v2" in create(NEW)
    listed = stage.api.call("GET", "/api/secrets?environment=imported")["items"]
    assert isinstance(listed, list)
    assert [(i["name"], i["version"]) for i in listed if isinstance(i, dict)] == [
        ("DB_URL", "v2"),
        ("LATER", None),
    ]


def test_a_new_master_key_interrupts_nothing(stage: World) -> None:
    site = stage.small("rotated", strategy=QUICK, secrets=["DB_URL"])
    put(stage, "DB_URL", OLD, "rotated")
    site.live("1.0.0")
    before = (stage.home / "master.key").read_text()
    done = stage.api.call("POST", "/api/master-key/rotate")
    assert done["rewrapped"] and not done["left"]
    assert (stage.home / "master.key").read_text() != before
    put(stage, "DB_URL", NEW, "rotated")
    site.live("1.1.0")
    assert rolled_back(site).phase == "succeeded"
    assert seen(site, "DB_URL") == OLD


@pytest.mark.attack("SK01", "the service starts with a key that is not to be trusted", "no start")
@pytest.mark.parametrize(
    "spoil", ["mode", "gone", "another", "zeros"], ids=["0644", "gone", "another key", "zeros"]
)
def test_the_service_does_not_start_without_the_key_it_needs(spoil: str) -> None:
    with world() as found:
        found.small("dev", strategy=QUICK)
        put(found, "DB_URL", OLD, "dev")
        found.service.stop()
        key = found.home / "master.key"
        right = key.read_bytes()
        if spoil == "mode":
            key.chmod(0o644)
        elif spoil == "gone":
            key.unlink()
        else:
            new = bytes(32) if spoil == "zeros" else os.urandom(32)
            key.write_bytes(base64.b64encode(new))
        assert found.service.start_and_wait() != 0
        found.service.process = None
        said = found.service.complaints()
        assert "master_key" in said or "master key" in said
        assert key.exists() is (spoil != "gone")
        key.write_bytes(right)
        key.chmod(0o600)
        found.service.start()
        assert put(found, "DB_URL", OLD, "dev")["changed"] is False
