"""What the commands of migrations are given, and what of their words is kept."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import cast
from urllib.parse import quote

import pytest

from orchestrate.core.environment import Environment, EnvironmentType
from orchestrate.core.errors import MigrationFailed, PlanChanged
from orchestrate.core.migrations import Migration, Migrations
from orchestrate.core.plan import retire_plan
from orchestrate.core.protocols import Provider, Write
from orchestrate.core.revision import Artifact, snapshot
from orchestrate.core.validation import Checks, GitHub
from orchestrate.engine.executors.look import Scene
from orchestrate.engine.executors.migrating import migrate
from orchestrate.engine.migrating import applied
from tests.support.secrets import GivenSecrets

pytestmark = pytest.mark.system

VALUE = "postgres://shop:p@ss word@db/shop"
SECRETS = GivenSecrets(DB_URL=VALUE, GIT_TOKEN="of-this-program-alone")


RESTORED = snapshot(
    Environment(app="shop", name="dev", type=EnvironmentType.DEV, provider="local"),
    "1.0.0",
    Artifact(kind="directory", reference="releases/1.0.0", digest="sha256:1"),
)


def environment(program: str) -> Environment:
    command = (sys.executable, "-c", program)
    return Environment(
        app="shop",
        name="dev",
        type=EnvironmentType.DEV,
        provider="local",
        secrets=("DB_URL", "GIT_TOKEN"),
        checks=Checks(github=GitHub(token="GIT_TOKEN")),
        migrations=Migrations(expand=command, contract=command, applied=command, listed=command),
    )


def test_a_migration_gets_the_applications_secrets_and_none_of_this_programs() -> None:
    shows = "import json, os; print(json.dumps(sorted(n for n in os.environ if n.isupper())))"
    found = applied(environment(shows), SECRETS, "1.0.0")
    assert "DB_URL" in found and "GIT_TOKEN" not in found


def test_a_migration_whose_commands_are_not_those_of_the_plan_does_not_run(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    planned = environment("print('[]')")
    evil = environment(f"open({str(ran)!r}, 'w')")
    found = (Migration(name="0001_init", phase="contract"),)
    plan = retire_plan(planned, RESTORED, [], found)
    scene = Scene(
        provider=cast(Provider, None),
        revision=lambda key: RESTORED,
        plan=plan,
        environment=evil,
        secrets=SECRETS,
    )
    with pytest.raises(PlanChanged, match="migrations of dev are set otherwise"):
        migrate(plan.steps[0], scene, Write(1, "key", "lease"))
    assert not ran.exists()


@pytest.mark.parametrize("said", [VALUE, quote(VALUE), quote(VALUE, safe=""), json.dumps(VALUE)])
def test_what_a_migration_says_is_kept_without_the_values_in_any_form(said: str) -> None:
    fails = f"print({said!r}); raise SystemExit(3)"
    with pytest.raises(MigrationFailed) as failed:
        applied(environment(fails), SECRETS, "1.0.0")
    told = " ".join(failed.value.why)
    assert "untrusted | " in told
    assert VALUE not in told and said not in told
