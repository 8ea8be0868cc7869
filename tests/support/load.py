"""Load for tests: the package's own generator, the shop's requests, and waiting for counts."""

import time
from collections.abc import Callable

from orchestrate.cli.load import (
    Counts,
    Event,
    Load,
    LoadFailed,
    Outcome,
    Probe,
    Result,
    slow_posts,
    sse_stream,
)

__all__ = [
    "BASKET",
    "SHOPPING",
    "Counts",
    "Event",
    "Load",
    "LoadFailed",
    "Outcome",
    "Probe",
    "Result",
    "slow_posts",
    "sse_stream",
    "until",
]

# What a customer of examples/shop does: `Load.start(url, path=SHOPPING, body=BASKET)`.
SHOPPING = ("/", "/catalogue", "POST /checkout", "/catalogue")
BASKET = '{"items": [{"sku": "mug", "quantity": 1}]}'


def until(load: Load, reached: Callable[[Counts], bool], *, within_s: float = 30.0) -> Counts:
    """The first counts for which `reached` holds. Fails with the counts when none does in time."""
    deadline = time.monotonic() + within_s
    while not reached(counts := load.counts()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not reached within {within_s:g} s: {counts}")
        time.sleep(0.01)
    return counts
