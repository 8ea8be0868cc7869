"""`orchestrate secrets`: values come from where nobody looks over a shoulder, and are not shown."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Result, Terminal, command, environment, run
from tests.support.pretend import Pretend, Reply

VALUE = "hunter22-and-more"
SET = {
    "schema": "orchestrate.secret.v1", "app": "shop", "environment": "staging", "name": "DB_URL",
    "version": "v2", "changed": True, "named": False, "warnings": [],
    "summary": "staging: DB_URL v1 -> v2",
    "next": ["orchestrate deploy --env staging --version VERSION"],
}  # fmt: skip
ITEM = {
    "name": "DB_URL", "kept_in": "orchestrate", "version": "v2", "live": "v1", "versions": 2,
    "set_at": "2026-07-30T12:00:00Z", "set_by": "lee", "masked": True, "given_to": "application",
}  # fmt: skip
LIST = {
    "schema": "orchestrate.secrets.v1", "app": "shop", "environment": "staging",
    "items": [ITEM, {**ITEM, "name": "PIN", "version": None, "live": None, "set_at": None,
                     "set_by": None, "masked": False}],
    "problem": None, "summary": "staging: 2 secrets, PIN without a value", "next": [],
}  # fmt: skip


def piped(*arguments: str, given: str = "", **env: str) -> Result:
    done = subprocess.run(
        command("secrets", *arguments, "--env", "staging"),
        env=environment(**env),
        input=given,
        capture_output=True,
        encoding="utf-8",
        timeout=30,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def sent(service: Pretend) -> dict[str, Any]:
    (request,) = service.requests
    body: dict[str, Any] = request.body
    return body


@pytest.mark.parametrize(
    ("given", "value"),
    [
        (f"{VALUE}\n", VALUE),
        (f"{VALUE}\r\n", VALUE),
        (VALUE, VALUE),
        ("two\nlines of it\n", "two\nlines of it\n"),
    ],
)
def test_a_value_is_read_from_standard_input(home: Path, given: str, value: str) -> None:
    with Pretend(home, {"POST /api/secrets": [Reply(SET)]}) as service:
        done = piped("set", "DB_URL", given=given)
        assert sent(service)["value"] == value
    assert done.code == 0 and done.out.splitlines()[0] == "staging: DB_URL v1 -> v2"
    assert VALUE not in done.out + done.err


def test_a_value_is_asked_for_twice_and_never_on_the_screen(home: Path) -> None:
    with Pretend(home, {"POST /api/secrets": [Reply(SET)]}) as service:
        with Terminal(["secrets", "set", "DB_URL", "--env", "staging"]) as screen:
            screen.wait_for("not shown")
            screen.press(f"{VALUE}\r".encode())
            screen.wait_for("again")
            screen.press(f"{VALUE}\r".encode())
            assert screen.end() == 0
        assert sent(service)["value"] == VALUE
        assert VALUE.encode() not in screen.raw


def test_two_different_answers_change_nothing(home: Path) -> None:
    with Pretend(home, {}) as service:
        with Terminal(["secrets", "set", "DB_URL", "--env", "staging"]) as screen:
            screen.wait_for("not shown")
            screen.press(f"{VALUE}\r".encode())
            screen.wait_for("again")
            screen.press(b"something-else\r")
            assert screen.end() == 2
        assert service.requests == [] and "differ" in screen.text


@pytest.mark.attack("SK08", "a value is given in the command line", "--value alone, and it warns")
def test_a_value_in_the_command_line_is_warned_about(home: Path) -> None:
    with Pretend(home, {"POST /api/secrets": [Reply(SET)]}) as service:
        done = piped("set", "DB_URL", "--value", VALUE)
        assert sent(service)["value"] == VALUE
    assert "warning:" in done.err and "history" in done.err
    assert VALUE not in done.out + done.err


@pytest.mark.attack("SK08", "a value as a second word of the command", "refused")
def test_a_value_as_a_word_is_refused(home: Path) -> None:
    with Pretend(home, {}) as service:
        assert piped("set", "DB_URL", VALUE).code == 2
        assert service.requests == []


@pytest.mark.attack("SK08", "the help shows a value in an example", "none does")
def test_no_help_shows_how_to_put_a_value_into_the_history() -> None:
    for verb in ("set", "rotate", "rm", "list"):
        text = run("secrets", verb, "--help").out
        assert "=VALUE" not in text and "echo " not in text


def test_a_variable_is_taken_and_not_handed_on(home: Path) -> None:
    with Pretend(home, {"POST /api/secrets": [Reply(SET)]}) as service:
        assert piped("set", "DB_URL", "--from-env", "GIVEN", GIVEN=VALUE).code == 0
        assert sent(service)["value"] == VALUE
        done = piped("set", "DB_URL", "--from-env", "NOT_THERE")
    assert done.code == 2 and "NOT_THERE is not set" in done.err


def test_a_file_is_taken(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "value"
    path.write_text(f"{VALUE}\n")
    with Pretend(home, {"POST /api/secrets": [Reply(SET)]}) as service:
        assert piped("rotate", "DB_URL", "--from-file", str(path)).code == 0
        assert (sent(service)["value"], sent(service)["existing"]) == (VALUE, True)
        assert piped("set", "DB_URL", "--from-file", str(tmp_path / "none")).code == 2


def test_a_value_is_made(home: Path) -> None:
    with Pretend(home, {"POST /api/secrets": [Reply(SET)]}) as service:
        done = piped("set", "DB_URL", "--generate")
        value = sent(service)["value"]
    assert len(value) == 43 and value not in done.out + done.err


def test_two_places_for_a_value_are_refused(home: Path) -> None:
    with Pretend(home, {}) as service:
        done = piped("set", "DB_URL", "--generate", "--from-env", "HOME")
        assert done.code == 2 and service.requests == []


def test_the_list_shows_versions_and_what_is_missing(home: Path) -> None:
    with Pretend(home, {"GET /api/secrets": [Reply(LIST)] * 2}):
        done = piped("list")
        quiet = piped("list", "--quiet")
    first, second = done.out.splitlines()[1:]
    assert first.split()[:3] == ["DB_URL", "v2", "v1"] and "not masked" not in first
    assert "no value" in second and "not masked" in second
    assert quiet.out.split() == ["DB_URL", "PIN"]


def test_the_master_key_goes_with_no_name(home: Path) -> None:
    with Pretend(home, {}) as service:
        assert run("secrets", "rotate", "DB_URL", "--master-key").code == 2
        assert run("secrets", "rotate", "--env", "staging").code == 2
        assert service.requests == []


def test_an_import_leaves_its_variables_out_of_what_a_service_would_inherit() -> None:
    from orchestrate.cli.commands.environments import forget

    os.environ["PLANTED_FOR_TEST"] = VALUE
    forget({VALUE})
    assert "PLANTED_FOR_TEST" not in os.environ
