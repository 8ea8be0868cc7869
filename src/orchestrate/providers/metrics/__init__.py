"""Metric sources: monitoring systems that count what the two versions of a canary answered.

What belongs here: asking one system, in one file each, and turning its answer into counts per span
of time, None where it knows nothing. What does not: judging the counts (core.analysis), and when
to ask (the engine).
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrate.core.environment import Environment
    from orchestrate.core.metrics import Metrics
    from orchestrate.core.protocols import MetricSource, Secrets
    from orchestrate.providers.metrics.asking import Asking
    from orchestrate.providers.outbound import Outbound

__all__ = ["source_of"]


def source_of(
    metrics: "Metrics",
    environment: "Environment",
    secrets: "Secrets",
    outbound: "Outbound | None" = None,
) -> "MetricSource":
    """The metric source that an environment names. It asks nothing before it is read."""
    from orchestrate.providers.metrics.asking import Asking
    from orchestrate.providers.outbound import Outbound

    return _MADE[metrics.source](Asking(metrics, environment, secrets, outbound or Outbound()))


def _prometheus(asking: "Asking") -> "MetricSource":
    from orchestrate.providers.metrics.prometheus import Prometheus

    return Prometheus(asking)


def _cloudwatch(asking: "Asking") -> "MetricSource":
    from orchestrate.providers.metrics.cloudwatch import CloudWatch

    return CloudWatch(asking)


def _datadog(asking: "Asking") -> "MetricSource":
    from orchestrate.providers.metrics.datadog import Datadog

    return Datadog(asking)


def _google(asking: "Asking") -> "MetricSource":
    from orchestrate.providers.metrics.google import GoogleMonitoring

    return GoogleMonitoring(asking)


def _command(asking: "Asking") -> "MetricSource":
    from orchestrate.providers.metrics.command import Command

    return Command(asking)


# Each imports its own: boto3 alone is half a second.
_MADE: Mapping[str, Callable[["Asking"], "MetricSource"]] = {
    "prometheus": _prometheus,
    "cloudwatch": _cloudwatch,
    "datadog": _datadog,
    "google": _google,
    "command": _command,
}
