"""Where counts come from beside the platform: the key `metrics` of `strategy.analyse`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrate.core.config.nodes import Items, Scalar
from orchestrate.core.config.problems import shown
from orchestrate.core.config.scalars import Unclear, kind_of, unescaped, value_of
from orchestrate.core.config.section import Section
from orchestrate.core.config.urls import wrong_with
from orchestrate.core.metrics import (
    EDGE,
    HOLE,
    HOLES,
    NAME,
    SOURCES,
    TELLS,
    MetricQuery,
    Metrics,
    SourceName,
)

METRICS_KEYS = (
    "source",
    "url",
    "region",
    "project",
    "secrets",
    "command",
    "delay",
    "resolution",
    "timeout",
    "queries",
)
QUERY_KEYS = ("total", "bad", "good", "critical")
_HOUR_S = 3600.0
_TWO_KINDS = "write `bad:` for what counts failures, or `good:` for what counts the rest"
_MOST_QUERIES = 10
_SELECTOR = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*\s*\{.+\}|\{.+\}", re.DOTALL)
_WILD = re.compile(r"[=!]~\s*(\"[^\"]*\{\{|'[^']*\{\{)")
_EMPTY = re.compile(r"=~?\s*(\"\"|'')")


@dataclass(frozen=True)
class _Source:
    """What one source needs, and how soon it knows."""

    delay_s: float
    resolution_s: float
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    """Secrets by role; none named means any."""
    every_s: tuple[float, ...] = ()
    """Shortest spans it can count over; whole multiples of the last one are right too."""


_KINDS: Mapping[SourceName, _Source] = {
    "prometheus": _Source(30, 30, ("url",), ("url",), ("token", "username", "password")),
    "cloudwatch": _Source(
        120,
        60,
        (),
        ("region",),
        ("access_key_id", "secret_access_key", "session_token"),
        (1, 5, 10, 20, 30, 60),
    ),
    "datadog": _Source(60, 60, ("secrets",), ("url",), ("api_key", "app_key"), (1,)),
    "google": _Source(
        240, 60, ("project", "secrets"), ("url", "project"), ("credentials", "token"), (60,)
    ),
    "command": _Source(30, 30, ("command",), ("command",)),
}


def metrics_of(policy: Section) -> Metrics | None:
    """The metric source of an analysis, None where there is none."""
    section = policy.section("metrics", METRICS_KEYS)
    if section is None:
        return None
    section.require("source", "queries")
    source = next((name for name in SOURCES if name == section.choice("source", SOURCES)), None)
    if source is None:
        return None
    kind = _KINDS[source]
    section.require(*kind.needs)
    _refuse_unused(section, source, kind)
    return Metrics(
        source=source,
        url=_url(section),
        region=section.text("region", None, "write a region such as eu-central-1"),
        project=section.text("project", None, "write the project's id"),
        secrets=_secrets(section, kind),
        command=_command(section),
        delay_s=section.duration("delay", kind.delay_s, _HOUR_S, zero=True),
        resolution_s=_resolution(section, kind),
        timeout_s=section.duration("timeout", 10.0, 120),
        queries=_queries(section, source),
    )


def _refuse_unused(section: Section, source: SourceName, kind: _Source) -> None:
    for key in ("url", "region", "project", "command"):
        if key in section.entries and key not in kind.takes:
            section.wrong(key, f"is nothing that {source} uses", "remove it")


def _url(section: Section) -> str | None:
    url = section.text("url", None, right := "write one such as https://prometheus.example.com")
    wrong = wrong_with(url) if url is not None else None
    if wrong is None:
        return url
    section.wrong("url", wrong, right)
    return None


def _secrets(section: Section, kind: _Source) -> dict[str, str]:
    secrets = section.section("secrets", kind.roles or None)
    if secrets is None:
        return {}
    right = "write the name of a secret of this environment, not its value"
    found = {role: secrets.text(role, None, right) for role in secrets.entries}
    return {role: name for role, name in found.items() if name is not None}


def _command(section: Section) -> tuple[str, ...]:
    if "command" not in section.entries:
        return ()
    node = section.entries["command"][1]
    right = "write a list, such as [./metrics.py, '{{revision}}']: there is no shell"
    words = [_word(each) for each in node.nodes] if isinstance(node, Items) else []
    if not words or None in words:
        section.wrong("command", f"is {kind_of(node)}" if not words else "holds no text", right)
        return ()
    found = tuple(word for word in words if word is not None)
    for word in found:
        _check_holes(section, "command", word)
    return found


def _word(node: object) -> str | None:
    try:
        value = value_of(node) if isinstance(node, Scalar) else None
    except Unclear:
        return None
    return unescaped(value) if isinstance(value, str) and value else None


def _resolution(section: Section, kind: _Source) -> float:
    found = section.duration("resolution", kind.resolution_s, 600)
    right = "write at least 500ms"
    if kind.every_s:
        spans = ", ".join(f"{each:g}s" for each in kind.every_s)
        right = f"write {spans}{' or a multiple of' if len(kind.every_s) > 1 else ', or times'} it"
    whole = not kind.every_s or found in kind.every_s or found % kind.every_s[-1] == 0
    if found >= 0.5 and whole:
        return found
    section.wrong("resolution", f"is {found:g}s", right)
    return kind.resolution_s


def _queries(section: Section, source: SourceName) -> dict[str, MetricQuery]:
    queries = section.section("queries", None)
    if queries is None:
        return {}
    if not 0 < len(queries.entries) <= _MOST_QUERIES:
        section.wrong("queries", "has no metric, or too many", f"write 1 to {_MOST_QUERIES}")
        return {}
    found: dict[str, MetricQuery] = {}
    for name in queries.entries:
        if not NAME.fullmatch(name) or name in EDGE:
            right = f"use small letters, digits and _, not {', '.join(sorted(EDGE))}"
            queries.wrong(name, "cannot be the name of a metric", right)
            continue
        query = queries.section(name, QUERY_KEYS)
        if query is not None:
            found[name] = _query(query, source)
    return found


def _query(query: Section, source: SourceName) -> MetricQuery:
    right = "write a query; docs/metrics.md has an example for each source"
    texts = {key: query.text(key, None, right) for key in ("total", "bad", "good")}
    if source == "command":
        for key in texts:
            if key in query.entries:
                query.wrong(key, "is not asked of a command, which knows the metric", "remove it")
        return MetricQuery(critical=query.flag("critical", True))
    query.require("total")
    if ("bad" in query.entries) == ("good" in query.entries):
        query.problems.add(query.place, f"{query.name} needs one of bad and good", _TWO_KINDS)
    for key, text in texts.items():
        if text is not None:
            _check(query, key, text, source)
    return MetricQuery(**texts, critical=query.flag("critical", True))


def _check(query: Section, key: str, text: str, source: SourceName) -> None:
    """A query must tell the new version from the old, whatever their names are."""
    _check_holes(query, key, text)
    if not TELLS.search(text):
        query.wrong(
            key,
            "asks for every version at once",
            "have {{revision}} or {{version}} in it, as the value of a label",
        )
    if source == "prometheus":
        _check_selector(query, key, text)


def _check_holes(section: Section, key: str, text: str) -> None:
    for hole in HOLE.finditer(text):
        if hole[1] not in HOLES:
            known = ", ".join("{{" + each + "}}" for each in HOLES)
            section.wrong(key, f"has {shown(hole[0])}, which stands for nothing", f"use {known}")


def _check_selector(query: Section, key: str, text: str) -> None:
    if not _SELECTOR.fullmatch(text.strip()):
        query.wrong(
            key,
            "is no plain selector of a counter",
            'write http_requests_total{version="{{version}}"}, without functions and ranges',
        )
    elif _EMPTY.search(text):
        query.wrong(key, "has an empty label, which matches every version", "write its value")
    elif _WILD.search(text):
        query.wrong(
            key, "has {{...}} in a pattern, where a dot matches anything", "use = and not =~"
        )
