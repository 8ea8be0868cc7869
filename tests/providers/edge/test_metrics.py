"""Traefik's text becomes counters by revision."""

from __future__ import annotations

import math

import pytest

from orchestrate.core.protocols import RequestCounts
from orchestrate.providers.edge.metrics import added, counts

pytestmark = pytest.mark.unit

KEY, OTHER = "a" * 12, "b" * 12
LINE = 'traefik_service_{0}{{code="{1}",{2}method="GET",protocol="http",service="{3}@file"}} {4}'


def text(*lines: tuple[str, str, str, str, str]) -> str:
    return "# HELP x y\n" + "\n".join(LINE.format(*line) for line in lines) + "\n"


def test_requests_are_summed_over_methods_and_split_by_code() -> None:
    found = counts(
        text(
            ("requests_total", "200", "", f"shop--dev-{KEY}", "7"),
            ("requests_total", "200", "", f"shop--dev-{KEY}", "1e+01"),
            ("requests_total", "502", "", f"shop--dev-{KEY}", "2"),
            ("requests_total", "404", "", f"shop--dev-{OTHER}", "3"),
        ),
        "shop--dev",
    )
    assert found[KEY] == RequestCounts(total=19, failed=2, codes={"200": 17, "502": 2})
    assert found[OTHER].failed == 0


def test_latencies_are_cumulative_by_bound() -> None:
    bucket = "request_duration_seconds_bucket"
    found = counts(
        text(
            (bucket, "200", 'le="0.1",', f"shop--dev-{KEY}", "3"),
            (bucket, "500", 'le="0.1",', f"shop--dev-{KEY}", "1"),
            (bucket, "200", 'le="+Inf",', f"shop--dev-{KEY}", "5"),
        ),
        "shop--dev",
    )
    assert found[KEY].latency_buckets == {0.1: 4, math.inf: 5}


@pytest.mark.trap(53)
def test_splits_and_other_environments_are_nobody() -> None:
    found = counts(
        text(
            ("requests_total", "200", "", "shop--dev-split", "1"),
            ("requests_total", "200", "", "shop--dev-safe", "1"),
            ("requests_total", "200", "", f"shop--dev-2-{KEY}", "1"),
            ("requests_total", "200", "", f"myshop--dev-{KEY}", "1"),
        ),
        "shop--dev",
    )
    assert found == {}


def test_counters_add_up() -> None:
    one = RequestCounts(3, 1, {"200": 2, "500": 1}, {0.1: 2})
    other = RequestCounts(1, 0, {"200": 1}, {0.1: 1, 0.5: 1})
    expected = RequestCounts(4, 1, {"200": 3, "500": 1}, {0.1: 3, 0.5: 1})
    assert added(one, other) == expected
