"""A container's own health check, in the form Compose has for it."""

from dataclasses import dataclass

from pydantic import JsonValue

from orchestrate.providers.settings import count, duration

_KEYS = ("test", "interval", "timeout", "retries", "start_period", "disable")
_TEST = "test must be a text for the container's shell, or a list that begins with CMD or CMD-SHELL"


@dataclass(frozen=True)
class Healthcheck:
    """What replaces the image's own HEALTHCHECK. None, and an empty test: as the image has it."""

    test: tuple[str, ...] = ()
    interval_s: float | None = None
    timeout_s: float | None = None
    retries: int | None = None
    start_period_s: float | None = None


DISABLED = Healthcheck(("NONE",))
"""The engine does not check, whatever the image says."""


def healthcheck(value: JsonValue) -> Healthcheck:
    """`{test, interval, timeout, retries, start_period}`, `{disable: true}`. Raises ValueError."""
    if not isinstance(value, dict) or not value or not set(value) <= set(_KEYS):
        raise ValueError(f"it must be a mapping of {', '.join(_KEYS)}")
    if "disable" in value:
        if value != {"disable": True}:
            raise ValueError("disable must be true, and stand alone")
        return DISABLED
    test = _test(value["test"]) if "test" in value else ()
    if test == DISABLED.test:
        return DISABLED
    retries = value.get("retries")
    return Healthcheck(
        test,
        _span(value.get("interval")),
        _span(value.get("timeout")),
        None if retries is None else count(1, 1000)(retries),
        _span(value.get("start_period")),
    )


def _test(value: JsonValue) -> tuple[str, ...]:
    if isinstance(value, str) and value:
        return ("CMD-SHELL", value)
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise ValueError(_TEST)
    words = tuple(str(word) for word in value)
    if words == DISABLED.test:
        return words
    if len(words) < 2 or words[0] not in ("CMD", "CMD-SHELL"):
        raise ValueError(_TEST)
    return words


def _span(value: JsonValue) -> float | None:
    if value is None:
        return None
    found = duration(value)
    if found < 0.001:
        raise ValueError("the engine takes no duration below 1ms")
    return found
