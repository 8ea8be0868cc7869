"""What the commands of migrations are given, and what of their words is kept."""

from __future__ import annotations

import json
import sys
from urllib.parse import quote

import pytest

from orchestrate.core.environment import Environment, EnvironmentType
from orchestrate.core.errors import MigrationFailed
from orchestrate.core.migrations import Migrations
from orchestrate.core.validation import Checks, GitHub
from orchestrate.engine.migrating import applied
from tests.support.secrets import GivenSecrets

pytestmark = pytest.mark.system

VALUE = "postgres://shop:p@ss word@db/shop"
SECRETS = GivenSecrets(DB_URL=VALUE, GIT_TOKEN="of-this-program-alone")


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


@pytest.mark.parametrize("said", [VALUE, quote(VALUE), quote(VALUE, safe=""), json.dumps(VALUE)])
def test_what_a_migration_says_is_kept_without_the_values_in_any_form(said: str) -> None:
    fails = f"print({said!r}); raise SystemExit(3)"
    with pytest.raises(MigrationFailed) as failed:
        applied(environment(fails), SECRETS, "1.0.0")
    told = " ".join(failed.value.why)
    assert "untrusted | " in told
    assert VALUE not in told and said not in told
