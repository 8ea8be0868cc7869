"""docs/secrets.md: its commands do what it says, and its form of the file is taken."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrate.core.config import parse
from tests.support import cli
from tests.support.service import World, world

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

PAGE = (Path(__file__).parents[2] / "docs" / "secrets.md").read_text(encoding="utf-8")
PRINTED = "value-that-is-piped"


@pytest.fixture(scope="module")
def place() -> Iterator[World]:
    with world() as found:
        found.small("staging", strategy={"type": "recreate"}, secrets=["DB_URL"])
        for version in ("1.0.0", "1.1.0"):
            found.release(version)
        yield found


def commands() -> list[str]:
    """The lines of the page that a reader would type."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    lines = [line for kind, block in blocks if not kind for line in block.splitlines()]
    return [line.partition("#")[0].strip() for line in lines]


def test_every_command_on_the_page_works(place: World, tmp_path: Path) -> None:
    (tmp_path / "db-url.txt").write_text("value-from-a-file\n")
    (tmp_path / "new.txt").write_text("new-value-from-a-file\n")
    found = commands()
    assert len(found) >= 9 and all(line.startswith("orchestrate ") for line in found)
    for line in found:
        if line.startswith("orchestrate deploy diff"):
            continue  # DB_URL was erased above it
        done = subprocess.run(
            cli.command(*shlex.split(line)[1:]),
            env=cli.environment(ORCHESTRATE_HOME=str(place.home), DB_URL="value-from-a-variable"),
            input=f"{PRINTED}\n",
            cwd=tmp_path,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        for value in (PRINTED, "value-from"):
            assert value not in done.stdout + done.stderr
    listed = place.api.call("GET", "/api/secrets?environment=staging")["items"]
    assert isinstance(listed, list)
    kept = {str(i["name"]): i["version"] for i in listed if isinstance(i, dict)}
    assert kept == {"DB_URL": None, "SESSION_KEY": "v1"}


def test_the_form_of_the_file_on_the_page_is_taken() -> None:
    (block,) = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    text = "app: shop\nenvironments:\n  dev:\n    type: dev\n    provider: local\n" + block
    config = parse(
        text, file="f", root="/srv", default_app="shop", variables={"DB_URL": "a-long-value"}
    )
    assert config.environments[0].secrets == ("DB_URL", "SESSION_KEY")
    assert list(config.secrets["dev"]) == ["DB_URL"]


def test_the_forms_in_the_reference_are_taken() -> None:
    reference = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text("utf-8")
    block = reference.split("### Secrets\n", 1)[1].split("```yaml\n", 1)[1].split("```", 1)[0]
    text = "app: shop\nenvironments:\n  dev:\n    type: dev\n    provider: local\n" + block
    config = parse(
        text, file="f", root="/srv", default_app="shop", variables={"PAYMENT_KEY": "a-long-value"}
    )
    (found,) = config.environments
    assert {name: source.text for name, source in found.secret_sources.items()} == {
        "DB_URL": "vault:shop/production#db_url",
        "STRIPE": "aws:shop/production#stripe",
        "SMTP": "ssm:/shop/production/smtp",
        "LICENSE": "env:SHOP_LICENSE",
    }
    assert found.secret_backends["vault"].token == "file:/run/vault/token"
    assert found.secret_backends["aws"].profile == "deploy"
