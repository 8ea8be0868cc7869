"""Requests by revision, from Traefik's Prometheus text. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from orchestrate.core.protocols import RequestCounts

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds in seconds."""
_LINE = re.compile(
    r"^traefik_service_(requests_total|request_duration_seconds_bucket)\{(.*?)\} (\S+)$", re.M
)
_LABEL = re.compile(r'(\w+)="([^"]*)"')
K = TypeVar("K")


def counts(text: str, slug: str) -> dict[str, RequestCounts]:
    """Counters by revision key of the environment `slug`."""
    found: dict[str, _Tally] = {}
    for name, labels_text, value in _LINE.findall(text):
        labels = dict(_LABEL.findall(labels_text))
        key = _key(labels.get("service", ""), slug)
        if key is None:
            continue
        tally = found.setdefault(key, _Tally())
        if name == "requests_total":
            code = labels["code"]
            tally.codes[code] = tally.codes.get(code, 0) + int(float(value))
        else:
            bound = float(labels["le"].replace("+Inf", "inf"))
            tally.buckets[bound] = tally.buckets.get(bound, 0) + int(float(value))
    return {key: tally.done() for key, tally in found.items()}


def added(one: RequestCounts, other: RequestCounts) -> RequestCounts:
    """Both together."""
    return made(_sum(one.codes, other.codes), _sum(one.latency_buckets, other.latency_buckets))


@dataclass
class _Tally:
    codes: dict[str, int] = field(default_factory=dict)
    buckets: dict[float, int] = field(default_factory=dict)

    def done(self) -> RequestCounts:
        return made(self.codes, self.buckets)


def made(codes: Mapping[str, int], buckets: Mapping[float, int]) -> RequestCounts:
    """Counters from requests by status code and by latency bound."""
    return RequestCounts(
        total=sum(codes.values()),
        failed=sum(n for code, n in codes.items() if code.startswith("5") or code == "0"),
        codes=dict(sorted(codes.items())),
        latency_buckets=dict(sorted(buckets.items())),
    )


def _sum(one: Mapping[K, int], other: Mapping[K, int]) -> dict[K, int]:
    return {key: one.get(key, 0) + other.get(key, 0) for key in {**one, **other}}


def _key(service: str, slug: str) -> str | None:
    """The revision a service name stands for; the splits themselves are nobody's."""
    match = re.fullmatch(rf"{re.escape(slug)}-([0-9a-f]{{12}})@file", service)
    return match[1] if match else None
