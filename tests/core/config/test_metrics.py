"""`strategy.analyse.metrics`: what is taken, and what is wrong with what is not."""

from __future__ import annotations

import pytest

from orchestrate.core.config import parse
from orchestrate.core.errors import ConfigInvalid
from orchestrate.core.metrics import Metrics

pytestmark = pytest.mark.unit

PROMETHEUS = """
source: prometheus
url: http://prometheus:9090
queries:
  errors:
    total: http_requests_total{version="{{version}}"}
    bad: http_requests_total{version="{{version}}",code=~"5.."}
"""
EACH = {
    "prometheus": PROMETHEUS,
    "cloudwatch": """
source: cloudwatch
region: eu-central-1
secrets: {access_key_id: AWS_ID, secret_access_key: AWS_KEY}
queries:
  errors:
    total: AWS/ApplicationELB RequestCount Sum TargetGroup=targetgroup/shop-{{revision}}/1
    bad: AWS/ApplicationELB HTTPCode_Target_5XX_Count Sum TargetGroup=shop-{{revision}}
""",
    "datadog": """
source: datadog
url: https://api.datadoghq.eu
secrets: {api_key: DD_API, app_key: DD_APP}
queries:
  errors:
    total: sum:shop.hits{version:{{version}}}.as_count()
    bad: sum:shop.errors{version:{{version}}}.as_count()
""",
    "google": """
source: google
project: shop-1
secrets: {credentials: GOOGLE_KEY}
queries:
  errors:
    total: metric.type="r" AND resource.labels.revision_name="{{revision}}"
    good: metric.type="x" AND resource.labels.revision_name="{{revision}}"
    critical: false
""",
    "command": """
source: command
command: [./metrics.py, "{{revision}}"]
secrets: {TOKEN: METRICS_TOKEN}
delay: 0s
queries:
  errors: {}
  checkout: {critical: false}
""",
}


def metrics(text: str, more: str = "") -> Metrics | None:
    inside = "\n".join(f"          {line}" for line in text.strip().splitlines())
    document = (
        "environments:\n  x:\n    type: dev\n    provider: local\n    strategy:\n"
        f"      type: canary\n      analyse:\n        metrics:\n{inside}\n{more}"
    )
    config = parse(document, file="o.yaml", root="/srv", default_app="shop", variables={})
    (environment,) = config.environments
    return environment.strategy.analyse.metrics


def problem(text: str, more: str = "") -> str:
    with pytest.raises(ConfigInvalid) as caught:
        metrics(text, more)
    (found,) = caught.value.why
    return found


@pytest.mark.parametrize("name", EACH)
def test_each_source_is_taken_with_what_it_needs(name: str) -> None:
    found = metrics(EACH[name])
    assert found is not None and found.source == name and "errors" in found.queries


def test_a_source_s_own_delay_and_resolution_are_the_usual_ones() -> None:
    found = {name: metrics(text) for name, text in EACH.items()}
    assert {
        name: (each.delay_s, each.resolution_s) for name, each in found.items() if each is not None
    } == {
        "prometheus": (30, 30),
        "cloudwatch": (120, 60),
        "datadog": (60, 60),
        "google": (240, 60),
        "command": (0, 30),
    }


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("prometheus", "url: http://prometheus:9090\n", ""), "has no url; add `url:`"),
        (("prometheus", "source: prometheus", "source: promethus"), "did you mean prometheus?"),
        (("prometheus", "http://prom", "ftp://prom"), "not an http or https url"),
        (("prometheus", "http://prom", "http://me:pw@prom"), "which everybody could read"),
        (("prometheus", "url:", "region: x\nurl:"), "is nothing that prometheus uses"),
        (("datadog", ", app_key: DD_APP", ""), "has no app_key"),
        (("datadog", "secrets: {api_key: DD_API, app_key: DD_APP}\n", ""), "has no secrets"),
        (("google", "project: shop-1\n", ""), "has no project"),
        (("google", "project:", "resolution: 90s\nproject:"), "resolution is 90s; write 60s"),
        (("cloudwatch", "region:", "resolution: 15s\nregion:"), "resolution is 15s; write 1s, 5s"),
        (("command", '[./metrics.py, "{{revision}}"]', "./metrics.py"), "there is no shell"),
        (("command", "errors: {}", "errors: {total: x}"), "is not asked of a command"),
        (
            ("command", '"{{revision}}"', '"{{branch}}"'),
            "which stands for nothing; use {{version}}",
        ),
        (("prometheus", "  errors:", "  latency:"), "cannot be the name of a metric"),
        (("prometheus", "    bad:", '    good: x{v="{{version}}"}\n    bad:'), "needs one of bad"),
    ],
)
def test_what_is_wrong_is_said_with_what_would_be_right(
    change: tuple[str, str, str], said: str
) -> None:
    name, old, new = change
    assert old in EACH[name]
    assert said in problem(EACH[name].replace(old, new))


@pytest.mark.trap(53)
@pytest.mark.parametrize(
    ("selector", "said"),
    [
        ('http_requests_total{code="500"}', "asks for every version at once"),
        ('http_requests_total{version="{{version}}",pod=""}', "has an empty label"),
        ('http_requests_total{version=~"{{version}}.*"}', "in a pattern"),
        ("http_requests_total", "asks for every version at once"),
        ('rate(http_requests_total{version="{{version}}"}[1m])', "is no plain selector"),
        ('http_requests_total{version="{{verison}}"}', "stands for nothing"),
    ],
)
def test_a_selector_that_could_match_another_version_is_refused(selector: str, said: str) -> None:
    text = PROMETHEUS.replace('http_requests_total{version="{{version}}"}', selector, 1)
    with pytest.raises(ConfigInvalid) as caught:
        metrics(text)
    assert any(said in each for each in caught.value.why), caught.value.why


def test_slow_answers_are_counted_where_errors_are() -> None:
    said = problem(PROMETHEUS, more="        latency_quantile: 0.95\n")
    assert "count slow answers there too" in said
