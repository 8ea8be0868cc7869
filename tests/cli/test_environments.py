"""Environments from options and from a file: shown, checked, and then set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support import documents as docs
from tests.support.cli import Terminal, run
from tests.support.pretend import Pretend, Reply

APPLIED = docs.changed(docs.CHANGES, applied=True)
ANSWERS = {"POST /api/environments": [Reply(docs.CHANGES), Reply(APPLIED)]}
FILE = """\
app: shop
environments:
  dev: {type: dev, provider: local, config: {command: [python3, app.py], artifact: "r/{version}"}}
  staging:
    type: staging
    provider: aws
    config: {cluster: a, service: b}
    variables: {WHO: "${WHO}"}
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A directory with an orchestrate.yaml."""
    found = tmp_path / "My Shop"
    found.mkdir()
    (found / ".git").mkdir()
    (found / "orchestrate.yaml").write_text(FILE)
    return found


def sent(service: Pretend) -> list[dict[str, Any]]:
    """The environments that were sent, the same with and without dry_run."""
    bodies = [request.body for request in service.requests]
    assert [body["dry_run"] for body in bodies] in ([True, False], [True])
    assert all(body["environments"] == bodies[0]["environments"] for body in bodies)
    found = bodies[0]["environments"]
    assert isinstance(found, list)
    return found


def test_options_make_an_environment_as_the_file_would(home: Path, repository: Path) -> None:
    with Pretend(home, ANSWERS) as service:
        result = run(
            "env", "create", "staging", "--type", "prod", "--provider", "local",
            "--config", "replicas=3", "--config", 'command=["python3", "app.py"]',
            "--config", "artifact=r/{version}", "--variable", "COST=$5 ${NOT} filled",
            "--strategy", "canary", "--url", "https://shop.example.com",
            cwd=repository,
        )  # fmt: skip
        [found] = sent(service)
    assert result.code == 0
    assert (found["app"], found["name"], found["type"]) == ("my-shop", "staging", "production")
    assert found["config"] == {
        "replicas": 3,
        "command": ["python3", "app.py"],
        "artifact": "r/{version}",
        "root": str(repository),
    }
    assert found["variables"] == {"COST": "$5 ${NOT} filled"}
    assert found["strategy"]["type"] == "canary"
    assert found["source"] is None


def test_what_changes_is_shown_beside_the_answer(home: Path, repository: Path) -> None:
    with Pretend(home, ANSWERS):
        result = run(
            "env", "create", "--file", "orchestrate.yaml", cwd=repository, env={"WHO": "x"}
        )
    assert result.out == "environments: 1 created, 1 changed, 1 unchanged\n"
    assert result.err.splitlines()[:2] == ["+ shop/staging", "~ shop/production"]


def test_a_file_gives_all_its_environments_or_those_named(home: Path, repository: Path) -> None:
    with Pretend(home, ANSWERS) as service:
        run("env", "create", "-f", "orchestrate.yaml", cwd=repository, env={"WHO": "lee"})
        every = sent(service)
    assert [e["name"] for e in every] == ["dev", "staging"]
    assert every[1]["provider"] == "aws_ecs"
    assert every[1]["variables"] == {"WHO": "lee"}
    assert every[1]["source"] == "orchestrate.yaml:4"
    file = str(repository / "orchestrate.yaml")
    with Pretend(home, ANSWERS) as service:
        run("env", "create", "--file", file, "--env", "dev", env={"WHO": "lee"})
        [one] = sent(service)
    assert one["config"]["root"] == str(repository)


def test_a_dry_run_changes_nothing(home: Path, repository: Path) -> None:
    arguments = ("env", "create", "--file", "orchestrate.yaml", "--dry-run")
    with Pretend(home, {"POST /api/environments": Reply(docs.CHANGES)}) as service:
        result = run(*arguments, cwd=repository, env={"WHO": "x"})
    assert result.out == "dry run, nothing was written: 1 to create, 1 to change, 1 unchanged\n"
    assert [request.body["dry_run"] for request in service.requests] == [True]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--file", "missing.yaml"], 2, "cannot read missing.yaml"),
        (["--file", "orchestrate.yaml"], 2, "orchestrate.yaml:8:"),
        (["--file", "orchestrate.yaml", "--env", "stagin"], 2, "did you mean staging?"),
        (["--file", "orchestrate.yaml", "--type", "dev"], 2, "given beside it: --type"),
        (["--file", "orchestrate.yaml", "staging"], 2, "given beside it: staging"),
        ([], 2, "which environment?"),
        (["x"], 2, "--type and --provider missing"),
        (["x", "--type", "dev"], 2, "--provider missing"),
        (["x", "--type", "dve", "--provider", "locl"], 2, "did you mean"),
        (["X!", "--type", "dev", "--provider", "local"], 2, "is not a name"),
        (["x", "--type", "dev", "--provider", "local", "--config", "a"], 2, "not NAME=VALUE"),
        (
            ["x", "--type", "dev", "--provider", "local", "--variable", "A=1", "--variable", "A=2"],
            2,
            "A is given twice",
        ),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_sent(
    arguments: list[str], code: int, said: str, home: Path, repository: Path
) -> None:
    variables = {"WHO": "lee"} if "stagin" in arguments else {}
    with Pretend(home, ANSWERS) as service:
        result = run("env", "create", *arguments, cwd=repository, env=variables)
    assert result.code == code
    assert said in result.err
    assert "the command line:" not in result.err
    assert "Traceback" not in result.err
    assert service.requests == []


def test_deleting_takes_its_name_again(home: Path) -> None:
    path = "DELETE /api/environments/shop%2Fstaging"
    with Pretend(home, {path: Reply(docs.DELETED)}) as service:
        refused = run("env", "delete", "shop/staging")
        done = run("env", "delete", "shop/staging", "--confirm", "staging", "--reason", "old one")
    assert (refused.code, done.code) == (2, 0)
    assert "--confirm staging" in refused.err
    assert done.out == "staging is deleted; its history is kept\n"
    assert [request.query for request in service.requests] == ["confirm=staging&reason=old%20one"]


@pytest.mark.parametrize(("typed", "code"), [(b"staging\n", 0), (b"yes\n", 1), (b"\n", 1)])
def test_at_a_terminal_the_name_is_typed(home: Path, typed: bytes, code: int) -> None:
    with Pretend(home, {"DELETE /api/environments/staging": Reply(docs.DELETED)}) as service:
        with Terminal(("env", "delete", "staging")) as terminal:
            terminal.wait_for("type its name to go on:")
            terminal.press(typed)
            assert terminal.end() == code
    assert len(service.requests) == 1 - code
