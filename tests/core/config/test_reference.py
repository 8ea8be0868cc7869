"""docs/configuration.md: its example is taken, and its tables name every key and default."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pytest

from orchestrate.core.approval import Approvals
from orchestrate.core.config import (
    PROVIDERS,
    Config,
    checks,
    environments,
    gates,
    metrics,
    migrations,
    parse,
    verification,
)
from orchestrate.core.config.approvals import APPROVAL_KEYS
from orchestrate.core.durations import seconds
from orchestrate.core.environment import AnalysePolicy, HealthGate, Strategy
from orchestrate.core.verification import (
    Endpoint,
    LogRules,
    RequestRules,
    SmokeCommand,
    SmokeRequest,
    Verification,
    VersionRule,
)

pytestmark = pytest.mark.unit

PAGE = (Path(__file__).parents[3] / "docs" / "configuration.md").read_text(encoding="utf-8")


KEY = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQ==\n-----END PUBLIC KEY-----\n"


@dataclass(frozen=True)
class Row:
    keys: tuple[str, ...]
    cells: tuple[str, ...]


def table(heading: str) -> list[Row]:
    """The rows below a heading."""
    section = PAGE.split(f"{heading}\n", 1)[1].split("\n#", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    cells = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]
    return [Row(tuple(re.findall(r"`([^`]+)`", row[0])), row[1:]) for row in cells]


def example() -> str:
    found = re.search(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


def read(text: str) -> Config:
    return parse(
        text,
        file="orchestrate.yaml",
        root="/srv/shop",
        default_app="repository",
        read_file=lambda name: KEY,
        variables={
            "HOST": "shop.example.com",
            "STAGING_PAYMENT_KEY": "pk_1",
            "HOOK_KEY": "hk_12345",
        },
    )


def test_the_example_is_taken() -> None:
    config = read(example())
    assert config.app == "shop"
    assert [each.name for each in config.environments] == ["dev", "staging", "production"]
    assert [each.provider for each in config.environments] == ["local", "local", "aws_ecs"]


def test_the_example_shows_every_key() -> None:
    keys = (
        *environments.KEYS,
        *gates.STRATEGY_KEYS,
        *gates.ANALYSE_KEYS,
        *gates.HEALTH_KEYS,
        *("source", "queries", "total", "bad"),
        *APPROVAL_KEYS,
        *gates.STRATEGY_KEYS,
        *gates.ANALYSE_KEYS,
        *gates.HEALTH_KEYS,
    )
    keys += (*verification.VERIFY_KEYS, "command", "applied", "directory")
    assert [key for key in keys if f" {key}:" not in example()] == []


@pytest.mark.parametrize(
    ("heading", "keys"),
    [
        ("## Top level", ("app", "environments")),
        ("## Environment", environments.KEYS),
        ("### strategy", gates.STRATEGY_KEYS),
        ("### metrics", metrics.METRICS_KEYS),
        ("### health", gates.HEALTH_KEYS),
        ("### approvals", APPROVAL_KEYS),
        ("### verify", verification.VERIFY_KEYS),
        ("### migrations", migrations.MIGRATION_KEYS),
        ("### Providers", PROVIDERS),
        ("### checks", checks.CHECK_KEYS),
    ],
)
def test_a_table_names_every_key_and_no_other(heading: str, keys: tuple[str, ...]) -> None:
    named = [key.split(".")[0] for row in table(heading) for key in row.keys]
    assert sorted(set(named)) == sorted(keys)


def test_every_key_of_a_list_in_verify_is_in_its_table() -> None:
    named = {key for row in table("### verify") for key in row.keys}
    lists = {
        "smoke": [k for k in verification.REQUEST_KEYS if k != "expect"],
        "smoke.expect": verification.EXPECT_KEYS,
        "commands": verification.COMMAND_KEYS,
        "endpoints": verification.ENDPOINT_KEYS,
        "version": verification.VERSION_KEYS,
        "logs": verification.LOG_KEYS,
        "requests": verification.TRAFFIC_KEYS,
    }
    wanted = [f"{name}.{key}" for name, keys in lists.items() for key in keys]
    assert [key for key in wanted if key not in named] == []


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("tests", checks.TEST_KEYS),
        ("security", checks.SECURITY_KEYS),
        ("signature", checks.SIGNATURE_KEYS),
        ("source", checks.SOURCE_KEYS),
        ("github", checks.GITHUB_KEYS),
    ],
)
def test_the_table_of_checks_names_every_key_below(name: str, keys: tuple[str, ...]) -> None:
    named = [key for row in table("### checks") for key in row.keys]
    assert sorted(key.split(".")[1] for key in named if key.startswith(f"{name}.")) == sorted(keys)


def test_the_defaults_in_the_tables_are_the_ones_in_force() -> None:
    strategy, health, policy = Strategy(), HealthGate(), AnalysePolicy()
    rule = Approvals()
    request, endpoint = SmokeRequest(name="-", path="/"), Endpoint(path="/")
    command = SmokeCommand(name="-", command=("true",))
    (plain,) = read("environments: {x: {type: dev, provider: local}}").environments
    defaults: dict[str, dict[str, object]] = {
        "## Environment": {
            "strategy": plain.strategy.type.value,
            "requires_approval": str(plain.requires_approval).lower(),
            "timeout": plain.timeout_s,
            "when_busy": plain.when_busy,
            "on_close": plain.calendar.on_close,
        },
        "### strategy": {
            "steps": list(strategy.steps),
            "analyse.window": policy.window_s,
            "analyse.min_requests": policy.min_requests,
            "analyse.max_error_ratio": policy.max_error_ratio,
            "analyse.alpha": policy.alpha,
            "analyse.margin": policy.margin,
            "analyse.negligible": policy.negligible,
            "analyse.warm_up": policy.warm_up_s,
            "analyse.at_horizon": policy.at_horizon,
            "batch": strategy.batch,
            "bake": strategy.bake_s,
            "keep_old": strategy.keep_old_s,
            "drain": strategy.drain_s,
        },
        "### approvals": {
            "count": rule.count,
            "roles": _listed(rule.roles),
            "expires": rule.expires_s,
            "from": _listed(rule.factors),
            "same_person": rule.same_person,
        },
        "### health": {
            "path": health.path,
            "expect_status": health.expect_status,
            "healthy_after": health.healthy_after,
            "interval": health.interval_s,
            "timeout": health.timeout_s,
            "start_timeout": health.start_timeout_s,
        },
        "### verify": {
            "smoke.method": "GET",
            "smoke.timeout": request.timeout_s,
            "smoke.expect.status": request.expect.status,
            "commands.timeout": command.timeout_s,
            **{f"endpoints.{k}": getattr(endpoint, k) for k in ("status", "good", "bad", "of")},
            "endpoints.interval": endpoint.interval_s,
            "endpoints.timeout": endpoint.timeout_s,
            "version.path": VersionRule().path,
            **{f"logs.{k}": getattr(LogRules(), k) for k in ("at_least", "times", "lines")},
            "requests.max_error_ratio": RequestRules().max_error_ratio,
            "requests.quantile": RequestRules().quantile,
            "requests.window": RequestRules().window_s,
            "requests.min_requests": RequestRules().min_requests,
            "requests.no_data": RequestRules().no_data,
            "restarts": Verification().restarts,
            "patience": Verification().patience_s,
            "before_traffic": str(Verification().before_traffic).lower(),
        },
    }
    for heading, expected in defaults.items():
        rows = {row.keys[0]: row.cells[0].strip("`") for row in table(heading)}
        given = {"must be given", "none", "nothing", "nobody", "see below", "words of errors"}
        given |= {"method and path", "its first argument"}
        assert {key for key, said in rows.items() if said not in given} == expected.keys()
        for key, value in expected.items():
            assert rows[key] == str(value) or seconds(rows[key]) == value, key


def _listed(words: Iterable[StrEnum]) -> str:
    return f"[{', '.join(word.value for word in words)}]"
