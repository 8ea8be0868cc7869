"""What is asked of a new revision before it counts as deployed: the settings below `verify`.

They belong to a revision, as its health gate does: what is restored is asked what it was asked
when it was deployed. Durations in seconds.
"""

from typing import Literal

from pydantic import Field, JsonValue

from orchestrate.core.model import Model

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
USUAL_PATTERNS = ("error", "exception", "fatal", "panic", "critical", "traceback", "unhandled")


class Expect(Model):
    """What an answer must be."""

    status: int = Field(default=200, ge=100, le=599)
    headers: dict[str, str] = Field(default_factory=dict)
    """Header's value by name; `*` stands for anything, so `*` alone means that it is there."""
    values: dict[str, JsonValue] = Field(default_factory=dict)
    """Value by path in the JSON of the answer, such as `$.items[0].id`."""
    contains: str | None = None
    within_s: float | None = Field(default=None, gt=0, le=60)
    """Longest time until the whole answer is there."""


class SmokeRequest(Model):
    """One request of a scenario. `{version}` and what was captured before are filled in."""

    name: str
    method: Method = "GET"
    path: str = Field(pattern=r"^/")
    headers: dict[str, str] = Field(default_factory=dict)
    body: JsonValue = None
    """Sent as JSON; a text is sent as it is."""
    timeout_s: float = Field(default=5.0, gt=0, le=60)
    expect: Expect = Expect()
    capture: dict[str, str] = Field(default_factory=dict)
    """By name: a path in the answer's JSON, or `header:NAME`."""


class SmokeCommand(Model):
    """A program that ends with 0 when the release is good. No shell: a list of arguments."""

    name: str
    command: tuple[str, ...] = Field(min_length=1)
    timeout_s: float = Field(default=60.0, gt=0, le=3600)


class Endpoint(Model):
    """A path that must be healthy: `good` of the last `of` answers, at every replica and at the
    front door. Unhealthy only when `bad` of them fail, so that one that flaps does neither."""

    path: str = Field(pattern=r"^/")
    status: int = Field(default=200, ge=100, le=599)
    good: int = Field(default=4, ge=1, le=100)
    bad: int = Field(default=3, ge=1, le=100)
    of: int = Field(default=5, ge=1, le=100)
    interval_s: float = Field(default=0.5, gt=0, le=60)
    timeout_s: float = Field(default=2.0, gt=0, le=60)


class VersionRule(Model):
    """Where the running version is told, besides `health.version_header`."""

    path: str = Field(default="/version", pattern=r"^/")
    header: str | None = Field(default=None, pattern=r"^[A-Za-z0-9-]+$")
    value: str | None = None
    """Path in the JSON of the answer."""


class LogRules(Model):
    """Which log lines are errors, and from when on they count against the release."""

    patterns: tuple[str, ...] = USUAL_PATTERNS
    """Words, in any case; `*` stands for anything. No regular expressions: matching is linear."""
    allow: tuple[str, ...] = ()
    """Patterns of lines that are no errors all the same."""
    at_least: int = Field(default=3, ge=1, le=10_000)
    """Lines of one kind from which it counts."""
    times: float = Field(default=3.0, gt=1, le=1000)
    """A kind that the old revision logs too: how many times more often the new one must."""
    lines: int = Field(default=500, ge=10, le=5000)
    """Newest lines of each replica that are read."""


class RequestRules(Model):
    """What the requests of real users must show once all traffic is on the new revision."""

    max_error_ratio: float = Field(default=0.05, gt=0, le=1)
    max_latency_s: float | None = Field(default=None, gt=0, le=600)
    quantile: float = Field(default=0.95, gt=0, lt=1)
    """Which quantile of the latency must be below `max_latency_s`."""
    window_s: float = Field(default=30.0, gt=0, le=86400)
    min_requests: int = Field(default=20, ge=1)
    no_data: Literal["hold", "skip"] = "hold"
    """Too few requests at the end of the window: wait for them, or go on without an answer."""


class Verification(Model):
    """Everything below `verify`."""

    smoke: tuple[SmokeRequest, ...] = ()
    commands: tuple[SmokeCommand, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    version: VersionRule | None = None
    logs: LogRules | None = None
    requests: RequestRules | None = None
    restarts: int = Field(default=2, ge=0, le=1000)
    """Restarts of a replica since it was started that are still taken."""
    patience_s: float = Field(default=10.0, gt=0, le=3600)
    """How long wrong answers may last before they count."""
    before_traffic: bool = True
    """Whether smoke tests and endpoints are asked before the first request of a user, too."""

    @property
    def asks_before(self) -> bool:
        """Whether there is something to ask of a revision without traffic."""
        return self.before_traffic and bool(self.smoke or self.commands or self.endpoints)
