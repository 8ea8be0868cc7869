"""orchestrate.yaml as it should be: what each key becomes."""

import pytest

from orchestrate.core.config import Config, parse
from orchestrate.core.environment import EnvironmentType, StrategyName
from orchestrate.core.limits import Limits
from orchestrate.core.secret import Secret

pytestmark = pytest.mark.unit

EXAMPLE = """\
environments:
  staging:
    type: staging
    url: https://staging.example.com
    provider: aws
    config:
      cluster: staging-ecs
      service: app-staging
    secrets:
      AWS_ACCESS_KEY: ${STAGING_AWS_KEY}

  production:
    type: production
    url: https://example.com
    provider: aws
    config:
      cluster: prod-ecs
      service: app-prod
    requires_approval: true
"""


def read(text: str, **variables: str) -> Config:
    return parse(
        text,
        file="orchestrate.yaml",
        root="/srv/shop",
        default_app="shop",
        variables=variables,
        providers=("acme_cloud",),
    )


def one(keys: str, **variables: str) -> Config:
    """The config of one environment `x` with `keys`, one a line."""
    lines = "".join(f"    {line}\n" for line in keys.splitlines())
    return read(f"environments:\n  x:\n    type: dev\n    provider: local\n{lines}", **variables)


def test_the_example_is_taken_as_it_stands() -> None:
    config = read(EXAMPLE, STAGING_AWS_KEY="AKIA")
    staging, production = config.environments
    assert config.app == "shop"
    assert (staging.name, staging.type) == ("staging", EnvironmentType.STAGING)
    assert (staging.provider, production.provider) == ("aws_ecs", "aws_ecs")
    assert staging.url == "https://staging.example.com"
    assert staging.config == {
        "cluster": "staging-ecs",
        "service": "app-staging",
        "root": "/srv/shop",
    }
    assert staging.secrets == ("AWS_ACCESS_KEY",)
    assert config.secrets == {"staging": {"AWS_ACCESS_KEY": Secret("AKIA")}, "production": {}}
    assert (staging.requires_approval, production.requires_approval) == (False, True)
    assert production.guarded
    assert (staging.source, production.source) == ("orchestrate.yaml:2", "orchestrate.yaml:12")


def test_no_secret_is_in_what_is_written_down() -> None:
    config = read(EXAMPLE, STAGING_AWS_KEY="planted-value")
    assert "planted-value" not in repr(config)


def test_every_key_reaches_its_field() -> None:
    config = one(
        "url: http://127.0.0.1:8080\n"
        "config: {command: [run, --port, 8080], ratio: 0.5, on: yes, off: null, deep: {a: true}}\n"
        "strategy:\n"
        "  type: canary\n"
        "  steps: [5, 50, 100]\n"
        "  analyse: {window: 2m, min_requests: 7, max_error_ratio: 0.25}\n"
        "  batch: 2\n"
        "  bake: 1h30m\n"
        "  keep_old: 1d\n"
        "  drain: 500ms\n"
        "health: {path: /up?full=1, expect_status: 204, healthy_after: 3, interval: 200ms,\n"
        "  timeout: 1, start_timeout: 5m, version_header: X-Version}\n"
        "variables: {LEVEL: info, COUNT: '3', PLAIN: yes}\n"
        "requires_approval: true\n"
        "timeout: 2h\n"
        "when_busy: queue\n"
        "limits: {deployments_per_hour: 6}\n"
    )
    (found,) = config.environments
    assert found.config == {
        "command": ["run", "--port", 8080],
        "ratio": 0.5,
        "on": "yes",
        "off": None,
        "deep": {"a": True},
        "root": "/srv/shop",
    }
    assert found.strategy.type is StrategyName.CANARY
    assert found.strategy.steps == (5, 50, 100)
    assert found.strategy.analyse.window_s == 120
    assert found.strategy.analyse.min_requests == 7
    assert found.strategy.analyse.max_error_ratio == 0.25
    assert found.strategy.batch == 2
    assert found.strategy.bake_s == 5400
    assert found.strategy.keep_old_s == 86400
    assert found.strategy.drain_s == 0.5
    assert found.health.path == "/up?full=1"
    assert found.health.expect_status == 204
    assert found.health.healthy_after == 3
    assert found.health.interval_s == 0.2
    assert found.health.timeout_s == 1
    assert found.health.start_timeout_s == 300
    assert found.health.version_header == "X-Version"
    assert found.variables == {"LEVEL": "info", "COUNT": "3", "PLAIN": "yes"}
    assert found.requires_approval
    assert found.timeout_s == 7200
    assert found.when_busy == "queue"
    assert found.limits == Limits(deployments_per_hour=6)


@pytest.mark.parametrize("name", [name.value for name in StrategyName])
def test_a_strategy_is_named_alone(name: str) -> None:
    assert one(f"strategy: {name}").environments[0].strategy.type == name


@pytest.mark.parametrize(
    ("provider", "config", "expected"),
    [
        ("local", "", "local"),
        ("k8s", "", "kubernetes"),
        ("AwsEcs", "", "aws_ecs"),
        ("aws-s3", "", "aws_s3"),
        ("aws", "cluster: a, service: b", "aws_ecs"),
        ("AWS", "function: a", "aws_lambda"),
        ("aws", "bucket: a", "aws_s3"),
        ("gcp", "service: a", "gcp_run"),
        ("gcp", "function: a", "gcp_functions"),
        ("custom", "", "command"),
        ("acme_cloud", "", "acme_cloud"),
    ],
)
def test_a_provider_has_one_name_here(provider: str, config: str, expected: str) -> None:
    text = f"environments: {{x: {{type: dev, provider: {provider}, config: {{{config}}}}}}}"
    assert read(text).environments[0].provider == expected


def test_prod_is_short_for_production() -> None:
    text = "environments: {x: {type: prod, provider: local}}"
    assert read(text).environments[0].type is EnvironmentType.PRODUCTION


def test_the_file_may_name_its_app() -> None:
    config = read("app: till\nenvironments: {x: {type: dev, provider: local}}")
    assert (config.app, config.environments[0].app) == ("till", "till")


def test_variables_are_filled_in_once() -> None:
    config = one(
        "variables: {A: 'http://${HOST}:${PORT}/', B: 'costs $$5, $7, $${HOST}', C: '${TRICK}'}",
        HOST="h",
        PORT="1",
        TRICK="${HOST}",
    )
    assert config.environments[0].variables == {
        "A": "http://h:1/",
        "B": "costs $5, $7, ${HOST}",
        "C": "${HOST}",
    }


def test_a_dollar_brace_can_be_written_elsewhere() -> None:
    config = one("config: {format: '$${date}'}")
    assert config.environments[0].config["format"] == "${date}"


def test_anchors_are_taken() -> None:
    config = read(
        "environments:\n"
        "  a: {type: dev, provider: local, health: &gate {path: /up}}\n"
        "  b: {type: dev, provider: local, health: *gate}\n"
    )
    assert [each.health.path for each in config.environments] == ["/up", "/up"]


@pytest.mark.parametrize("key", ["config", "variables", "secrets", "health"])
def test_a_mapping_whose_entries_are_commented_out_is_empty(key: str) -> None:
    assert one(f"{key}:\n  # A: b").environments == one("").environments


def test_line_ends_of_windows_and_a_byte_order_mark_change_nothing() -> None:
    windows = "\ufeff" + EXAMPLE.replace("\n", "\r\n")
    assert read(windows, STAGING_AWS_KEY="A") == read(EXAMPLE, STAGING_AWS_KEY="A")
