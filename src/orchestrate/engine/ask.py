"""Asking an HTTP question: one GET, no redirect, no proxy, a short answer."""

from dataclasses import dataclass
from functools import cache

import httpx2

from orchestrate.core.environment import HealthGate
from orchestrate.core.untrusted import clean


@dataclass(frozen=True)
class Answer:
    """`problem` is None when the answer is good; else one line on what was wrong."""

    url: str
    problem: str | None
    version: str | None = None


@cache
def _client() -> httpx2.Client:
    # Replicas and the edge answer plain HTTP on this host; no environment proxy may come between.
    return httpx2.Client(follow_redirects=False, trust_env=False)


def ask(address: str, gate: HealthGate, version: str, host: str | None = None) -> Answer:
    """GET the health path at `address`; good is the expected status and, where a version header
    is configured, the right version."""
    url = address.rstrip("/") + gate.path
    headers = {"user-agent": "orchestrate-health", "connection": "close"}
    if host:
        headers["host"] = host
    try:
        with _client().stream("GET", url, headers=headers, timeout=gate.timeout_s) as response:
            status = response.status_code
            found = response.headers.get(gate.version_header) if gate.version_header else None
    except httpx2.HTTPError as error:
        return Answer(url, f"GET {url}: {clean(str(error) or type(error).__name__, limit=160)}")
    found = clean(found, limit=100) if found is not None else None
    if status != gate.expect_status:
        return Answer(url, f"GET {url} answered {status}, expected {gate.expect_status}", found)
    if gate.version_header and found != version:
        said = found or "nothing"
        return Answer(url, f"GET {url}: {gate.version_header} is {said}, expected {version}", found)
    return Answer(url, None, found)
