"""The keys `verify` and `migrations`: what they become, and every way to get them wrong."""

from __future__ import annotations

import pytest

from orchestrate.core.config import parse
from orchestrate.core.environment import Environment
from orchestrate.core.errors import ConfigInvalid, InvalidInput
from orchestrate.core.verification import Verification

pytestmark = pytest.mark.unit

MIGRATIONS = "migrations:\n  applied: [m, applied]\n  "
FILES = {
    "smoke.yaml": "- {path: /a, expect: {status: 201}}\n- path: /b\n",
    "below.yaml": "requests:\n  - path: /a\n",
    "empty.yaml": "[]\n",
    "wrong.yaml": "- {path: /a, methd: GET}\n- {path: b}\n",
}


def read_file(name: str) -> str:
    if name not in FILES:
        raise InvalidInput(f"{name}: No such file or directory")
    return FILES[name]


def one(keys: str) -> Environment:
    """The environment with these keys."""
    lines = "".join(f"    {line}\n" for line in keys.splitlines())
    text = f"environments:\n  x:\n    type: dev\n    provider: local\n{lines}"
    config = parse(
        text,
        file="o.yaml",
        root="/srv",
        default_app="shop",
        variables={},
        read_file=read_file,
    )
    return config.environments[0]


def problem(keys: str) -> str:
    with pytest.raises(ConfigInvalid) as caught:
        one(keys)
    (found,) = caught.value.why
    return found.removeprefix("o.yaml:")


def test_nothing_is_asked_that_nobody_wrote() -> None:
    found = one("health: {path: /up}")
    assert (found.verify, found.migrations) == (Verification(), None)


def test_a_scenario_is_requests_with_what_they_expect_and_capture() -> None:
    first, second = one(
        "verify:\n"
        "  smoke:\n"
        "    - name: an order\n"
        "      method: POST\n"
        "      path: /orders\n"
        "      body: {item: tea, many: 2}\n"
        "      expect: {status: 201, within: 800ms, headers: {X-Kind: tea*}}\n"
        "      capture: {order: $.id, tag: 'header:ETag'}\n"
        "    - path: /orders/{order}\n"
        '      expect: {json: {"$.items[0].n": 1, $.none: null}, contains: tea}\n'
    ).verify.smoke
    assert (first.name, first.method, first.body) == (
        "an order",
        "POST",
        {"item": "tea", "many": 2},
    )
    assert (first.expect.status, first.expect.within_s) == (201, 0.8)
    assert first.capture == {"order": "$.id", "tag": "header:ETag"}
    assert second.name == "GET /orders/{order}"
    assert second.expect.values == {"$.items[0].n": 1, "$.none": None}


@pytest.mark.parametrize(("file", "paths"), [("smoke.yaml", ["/a", "/b"]), ("below.yaml", ["/a"])])
def test_a_scenario_may_be_a_file_of_its_own(file: str, paths: list[str]) -> None:
    assert [each.path for each in one(f"verify: {{smoke: {file}}}").verify.smoke] == paths


def test_what_is_wrong_in_that_file_is_told_with_its_place() -> None:
    with pytest.raises(ConfigInvalid) as caught:
        one("verify: {smoke: wrong.yaml}")
    told = "\n".join(caught.value.why)
    assert 'wrong.yaml:1:14: unknown key "methd" in [0]; did you mean method?' in told
    assert "wrong.yaml:2:10: [1].path is not a path of a url" in told


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (
            "verify: {smoke: none.yaml}",
            "5:21: environments.x.verify.smoke names a file: none.yaml: No such file or directory; "
            "name one that is there",
        ),
        (
            "verify: {smoke: empty.yaml}",
            "5:21: environments.x.verify.smoke names empty.yaml, which holds no request; write one",
        ),
        (
            "verify: {smok: []}",
            '5:14: unknown key "smok" in environments.x.verify; did you mean smoke? known are '
            "smoke, commands, endpoints, version, logs, requests, restarts, patience, "
            "before_traffic",
        ),
        (
            "verify: {smoke: [{path: /, expect: {json: {a..b: 1}}}]}",
            "5:48: environments.x.verify.smoke[0].expect.json: 'a..b' is not a path in JSON; "
            "write a path such as $.items[0].id",
        ),
        (
            "verify: {commands: [{command: pytest -q}]}",
            '5:35: environments.x.verify.commands[0].command is the text "pytest -q"; '
            "write a list of arguments, such as [python3, check.py]",
        ),
        (
            "verify: {endpoints: [{path: /up, good: 2, bad: 2, of: 5}]}",
            "5:26: environments.x.verify.endpoints[0]: 2 good and 2 bad of 5 can both be true; "
            "raise good or bad, so that together they are more than `of`",
        ),
        (
            "verify: {endpoints: [{path: /up, good: 9, of: 5}]}",
            "5:26: environments.x.verify.endpoints[0]: good and bad are of `of`; "
            "write at most `of`",
        ),
        (
            "verify: {version: {path: /v}}",
            "5:14: environments.x.verify.version says nowhere to look; add `header` or `json`",
        ),
        (
            "verify: {requests: {quantile: 1}}",
            "5:35: environments.x.verify.requests.quantile is 1; "
            "write a share below 1, such as 0.95",
        ),
        (
            MIGRATIONS + "command: [m, up]\n  directory: d",
            "7:16: environments.x.migrations.command does not say where the migration's name "
            "goes; add `{name}`",
        ),
        (
            MIGRATIONS + "expand: [m, '{name}']\n  directory: d",
            "5:5: environments.x.migrations does not say how a migration is run; "
            "add `command:`, or both `expand:` and `contract:`",
        ),
        (
            MIGRATIONS + "command: [m, '{name}']",
            "5:5: environments.x.migrations must say in one way what migrations there are; "
            "add either `list:` or `directory:`",
        ),
        (
            "migrations: {command: [m, '{name}'], list: [l]}",
            "5:5: environments.x.migrations has no applied; add `applied:`",
        ),
    ],
)
def test_what_is_wrong_says_where_and_what_would_be_right(keys: str, said: str) -> None:
    assert problem(keys) == said


def test_migrations_have_one_command_or_two() -> None:
    both = one(MIGRATIONS + "command: [m, '{phase}', '{name}']\n  list: [m, list]").migrations
    assert both is not None
    assert both.expand == both.contract == ("m", "{phase}", "{name}")
    two = one(
        MIGRATIONS + "expand: [e, '{name}']\n  contract: [c, '{name}']\n  directory: db\n"
        "  timeout: 5m"
    ).migrations
    assert two is not None
    assert (two.expand[0], two.contract[0], two.directory, two.timeout_s) == ("e", "c", "db", 300)
