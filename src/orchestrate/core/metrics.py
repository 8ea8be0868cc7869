"""Metric sources as an environment names them: which questions are asked of which monitoring.

A query is text in the source's own language, with `{{version}}` and `{{revision}}` where the two
versions differ: filled in for the new one and for the old one it gives the counts of each.
"""

import re
from collections.abc import Mapping
from typing import Literal, get_args

from pydantic import Field

from orchestrate.core.errors import MetricsInvalid
from orchestrate.core.model import Model

SourceName = Literal["prometheus", "cloudwatch", "datadog", "google", "command"]
SOURCES: tuple[SourceName, ...] = get_args(SourceName)
ERRORS = "errors"
"""The metric that `max_error_ratio` and `min_requests` are about."""
EDGE = frozenset({"latency"})
"""Names of metrics that the edge counts by itself."""
HOLES = ("version", "revision", "app", "environment")
TELLING = ("version", "revision")
"""At least one of these must be in a query, else both versions would get the same counts."""
HOLE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
TELLS = re.compile(r"\{\{\s*(version|revision)\s*\}\}")
NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_FILLED = re.compile(r"[A-Za-z0-9._+-]+")


class MetricQuery(Model):
    """One metric: how many answers there were, and how many of them were bad (or good)."""

    total: str | None = None
    """None only for the source `command`, whose command knows the metric by its name."""
    bad: str | None = None
    good: str | None = None
    """Instead of `bad`, where the source counts what is fine: a histogram's bucket."""
    critical: bool = True
    """Without its data, and with a horizon without its proof, a release is not promoted."""

    @property
    def other(self) -> str | None:
        return self.bad if self.bad is not None else self.good


class Metrics(Model):
    """A metric source with what is asked of it."""

    source: SourceName
    url: str | None = None
    """Where its API answers; None for the usual address of a hosted one."""
    region: str | None = None
    project: str | None = None
    secrets: dict[str, str] = Field(default_factory=dict)
    """What the source needs to be let in, by role, each the name of a secret of the environment."""
    command: tuple[str, ...] = ()
    delay_s: float = Field(default=30.0, ge=0, le=3600)
    """Time after which what a source says of a moment is taken as final."""
    resolution_s: float = Field(default=30.0, ge=0.5, le=600)
    """Shortest span of time over which the source can count; a bucket is two of them at least."""
    timeout_s: float = Field(default=10.0, gt=0, le=120)
    """For one question."""
    queries: dict[str, MetricQuery]
    """By the metric's name."""

    @property
    def critical(self) -> tuple[str, ...]:
        return tuple(name for name, query in self.queries.items() if query.critical)


def fill(text: str, values: Mapping[str, str]) -> str:
    """The query with its placeholders filled in from `values`.

    Raises MetricsInvalid for a placeholder that is not known, is empty, or holds characters that
    could change the query: an empty label value would match every version.
    """

    def replace(hole: re.Match[str]) -> str:
        value = values.get(hole[1], "")
        if not _FILLED.fullmatch(value):
            what = "is empty" if not value else f"is {value!r}"
            raise MetricsInvalid(
                f"a query cannot be asked: {{{{{hole[1]}}}}} {what}",
                why=["an empty or a wild label would count the requests of every version"],
                fix=[f"use {' or '.join('{{' + each + '}}' for each in HOLES)}"],
            )
        return value

    return HOLE.sub(replace, text)


def refuse_blend(metrics: Metrics, new: Mapping[str, str], old: Mapping[str, str]) -> None:
    """Raises MetricsInvalid when a query would give both revisions the same counts. `new` and `old`
    are what the placeholders stand for."""
    for name, query in metrics.queries.items():
        for text in (query.total, query.other):
            if text is not None and fill(text, new) == fill(text, old):
                raise MetricsInvalid(
                    f"the metric {name} cannot tell the new {new['version']} from the old "
                    f"{old['version']}",
                    why=["its query is the same for both: it would compare them with themselves"],
                    fix=["label what is counted with the revision, and use {{revision}}"],
                )


def values(version: str, key: str, app: str, environment: str) -> dict[str, str]:
    """What the placeholders stand for, for one revision."""
    return {"version": version, "revision": key, "app": app, "environment": environment}
