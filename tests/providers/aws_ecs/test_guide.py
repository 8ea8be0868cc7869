"""docs/providers/aws_ecs.md: what it says to write is taken as it stands."""

from __future__ import annotations

import re

import pytest
import yaml

from orchestrate.core.config import parse
from orchestrate.providers.aws_ecs.native import capabilities_of
from orchestrate.providers.aws_ecs.settings import settings_of
from tests.support.repository import ROOT

pytestmark = pytest.mark.unit

PAGE = (ROOT / "docs" / "providers" / "aws_ecs.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
GROUP = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/{}/1"
ELLIPSIS = {
    "listener-rule/app/shop/...": "listener-rule/app/shop/1/2/3",
    '"arn:aws:elasticloadbalancing:..."': f'"{GROUP}"',
}


def block(number: int) -> str:
    """A block with something in place of what the reader fills in."""
    text = BLOCKS[number]
    for what, instead in ELLIPSIS.items():
        for name in ("blue", "green"):
            text = text.replace(what, instead.format(name), 1)
    return text


def test_the_smallest_configuration_is_one() -> None:
    variables = {"STAGING_AWS_KEY_ID": "AKIA", "STAGING_AWS_KEY": "k"}
    (environment,) = parse(
        block(0), file="orchestrate.yaml", root="/", default_app="shop", variables=variables
    ).environments
    assert environment.provider == "aws_ecs"
    assert settings_of(environment.config).service == "app-staging"


@pytest.mark.parametrize("number", range(1, len(BLOCKS)))
def test_every_other_one_can_do_the_strategy_it_names(number: int) -> None:
    found = yaml.safe_load(block(number))
    strategy = found["strategy"]
    name = strategy if isinstance(strategy, str) else strategy["type"]
    assert name in {s.value for s in capabilities_of(settings_of(found["config"])).strategies}
