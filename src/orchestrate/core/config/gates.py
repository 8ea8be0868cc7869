"""How a change is done and judged: the keys `strategy` and `health` of an environment."""

import re
from itertools import pairwise
from typing import Literal

from orchestrate.core.config.metrics import metrics_of
from orchestrate.core.config.nodes import Items, Scalar, Table
from orchestrate.core.config.scalars import Unclear, kind_of, value_of
from orchestrate.core.config.section import YEAR_S, Section
from orchestrate.core.environment import AnalysePolicy, HealthGate, Strategy, StrategyName
from orchestrate.core.metrics import ERRORS, Metrics

STRATEGY_KEYS = ("type", "steps", "analyse", "batch", "bake", "keep_old", "drain")
ANALYSE_KEYS = (
    "window",
    "min_requests",
    "max_error_ratio",
    "alpha",
    "margin",
    "negligible",
    "latency_quantile",
    "warm_up",
    "bucket",
    "horizon",
    "at_horizon",
    "no_data",
    "metrics",
)
HEALTH_KEYS = (
    "path",
    "expect_status",
    "healthy_after",
    "interval",
    "timeout",
    "start_timeout",
    "version_header",
)
_AtHorizon = Literal["rollback", "hold"]
_NAMES = tuple(each.value for each in StrategyName)
_DAY_S = 86400.0
_MOST = 1_000_000_000
_STEPS = "write rising percentages that end with 100, such as [10, 25, 50, 100]"


def strategy_of(section: Section) -> Strategy:
    """The strategy of an environment: a name alone, or a mapping with its settings."""
    usual = Strategy()
    if "strategy" in section.entries and not isinstance(section.entries["strategy"][1], Table):
        return Strategy(type=_name(section, "strategy"))
    settings = section.section("strategy", STRATEGY_KEYS)
    if settings is None:
        return usual
    settings.require("type")
    return Strategy(
        type=_name(settings, "type"),
        steps=_steps(settings, usual.steps),
        analyse=_analyse(settings),
        batch=settings.whole("batch", usual.batch, 1, 10_000),
        bake_s=settings.duration("bake", usual.bake_s, YEAR_S, zero=True),
        keep_old_s=settings.duration("keep_old", usual.keep_old_s, YEAR_S, zero=True),
        drain_s=settings.duration("drain", usual.drain_s, 3600, zero=True),
    )


def health_of(section: Section) -> HealthGate:
    """The health gate of an environment."""
    gate = section.section("health", HEALTH_KEYS)
    usual = HealthGate()
    if gate is None:
        return usual
    return HealthGate(
        path=_path(gate, usual.path),
        expect_status=gate.whole("expect_status", usual.expect_status, 100, 599),
        healthy_after=gate.whole("healthy_after", usual.healthy_after, 1, 100),
        interval_s=gate.duration("interval", usual.interval_s, 60),
        timeout_s=gate.duration("timeout", usual.timeout_s, 60),
        start_timeout_s=gate.duration("start_timeout", usual.start_timeout_s, _DAY_S),
        version_header=_header(gate),
    )


def _name(section: Section, key: str) -> StrategyName:
    word = section.choice(key, _NAMES)
    return StrategyName(word) if word else StrategyName.ROLLING


def _analyse(settings: Section) -> AnalysePolicy:
    policy = settings.section("analyse", ANALYSE_KEYS)
    usual = AnalysePolicy()
    if policy is None:
        return usual
    return AnalysePolicy(
        window_s=policy.duration("window", usual.window_s, _DAY_S, zero=True),
        min_requests=policy.whole("min_requests", usual.min_requests, 0, _MOST),
        max_error_ratio=policy.ratio("max_error_ratio", usual.max_error_ratio),
        alpha=policy.above("alpha", usual.alpha, 0, 0.2, "such as 0.05"),
        margin=policy.above("margin", usual.margin, 1, 100, "such as 2"),
        negligible=policy.ratio("negligible", usual.negligible),
        latency_quantile=_quantile(policy),
        warm_up_s=policy.duration("warm_up", usual.warm_up_s, _DAY_S, zero=True),
        bucket_s=_bucket(policy),
        horizon_s=policy.duration("horizon", usual.horizon_s, 7 * _DAY_S),
        at_horizon=_at_horizon(policy, usual.at_horizon),
        no_data_s=policy.duration("no_data", usual.no_data_s, 7 * _DAY_S),
        metrics=_metrics(policy),
    )


def _metrics(policy: Section) -> Metrics | None:
    found = metrics_of(policy)
    if found is not None and ERRORS in found.queries and "latency_quantile" in policy.entries:
        policy.wrong(
            "latency_quantile",
            "is counted by the platform, and errors here by a metric source",
            "count slow answers there too, as a metric of their own",
        )
    return found


def _at_horizon(policy: Section, usual: _AtHorizon) -> _AtHorizon:
    if "at_horizon" not in policy.entries:
        return usual
    return "hold" if policy.choice("at_horizon", ("rollback", "hold")) == "hold" else "rollback"


def _quantile(policy: Section) -> float | None:
    if "latency_quantile" not in policy.entries:
        return None
    found = policy.ratio("latency_quantile", 0.5)
    if found < 1:
        return found
    policy.wrong("latency_quantile", "is 1", "write a share below 1, such as 0.95")
    return None


def _bucket(policy: Section) -> float | None:
    found = policy.duration("bucket", None, 600)
    if found is None or found >= 0.5:
        return found
    policy.wrong("bucket", f"is {found:g}s", "write at least 500ms")
    return None


def _steps(settings: Section, default: tuple[int, ...]) -> tuple[int, ...]:
    if "steps" not in settings.entries:
        return default
    node = settings.entries["steps"][1]
    if not isinstance(node, Items):
        settings.wrong("steps", f"is {kind_of(node)}", _STEPS)
        return default
    steps: list[int] = []
    for each in node.nodes:
        percent = _percent(each) if isinstance(each, Scalar) else None
        if percent is None:
            settings.problems.add(
                each.place, f"{settings.path('steps')} holds {kind_of(each)}", _STEPS
            )
            return default
        steps.append(percent)
    if not steps or steps[-1] != 100:
        settings.wrong("steps", "does not end with 100", _STEPS)
        return default
    if any(b <= a for a, b in pairwise(steps)):
        settings.wrong("steps", "does not rise from each to the next", _STEPS)
        return default
    return tuple(steps)


def _percent(scalar: Scalar) -> int | None:
    """1 to 100, else None."""
    try:
        value = value_of(scalar)
    except Unclear:
        return None
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and isinstance(value, int) and 1 <= value <= 100 else None


def _path(gate: Section, default: str) -> str:
    path = gate.text("path", default, right := "write a path such as /healthz")
    if not re.fullmatch(r"/[!-\"$-~]*", path):
        gate.wrong("path", "is not a path of a url", right)
        return default
    return path


def _header(gate: Section) -> str | None:
    header = gate.text("version_header", None, right := "write a header's name, such as X-Version")
    if header is not None and not re.fullmatch(r"[A-Za-z0-9-]+", header):
        gate.wrong("version_header", "is not the name of a header", right)
        return None
    return header
