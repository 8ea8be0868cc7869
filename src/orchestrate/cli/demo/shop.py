"""The shop that is deployed: where it is, its environment, and what its customers do."""

import os
from collections.abc import Iterator

import orchestrate
from orchestrate.core.errors import UsageProblem

NAME = "shop"
CUSTOMERS = ("/", "/catalogue", "POST /checkout", "/catalogue")
BASKET = '{"items": [{"sku": "mug", "quantity": 1}]}'
RATE = 500.0
"""Requests a second."""
WEIGHTS = (10, 25, 50, 100)
WINDOW_S = 3.0
BAKE_S = 2.0
START_WITHIN_S = 8.0
USES = 700
"""Checkouts after which a process of 1.3.0 turns bad: about 11 s of a whole shop's customers, where
its deployment takes 4."""


def find(given: str | None) -> str:
    """The directory of the shop: `given`, else examples/shop of the clone this program runs from,
    or of the one that is the working directory. Raises UsageProblem."""
    for directory in [given] if given else _places():
        if os.path.isfile(os.path.join(directory, "releases", "1.3.0", "shop.py")):
            return os.path.abspath(directory)
    if given:
        raise UsageProblem(
            f"{given} is not the shop of the demonstration",
            why=["it has no releases/1.3.0/shop.py"],
            fix=["orchestrate demo --app CLONE/examples/shop"],
        )
    raise UsageProblem(
        "the shop that the demonstration deploys is not here",
        why=["it is kept in the repository, examples/shop, and not in the installed package"],
        fix=["in a clone: make demo", "or: orchestrate demo --app CLONE/examples/shop"],
    )


def environment(root: str, port: int) -> dict[str, object]:
    """The environment to deploy to, as orchestrate.yaml would describe it."""
    return {
        "app": NAME,
        "name": NAME,
        "type": "staging",
        "provider": "local",
        "url": f"http://127.0.0.1:{port}",
        "strategy": {
            "type": "canary",
            "steps": list(WEIGHTS),
            "analyse": {"window_s": WINDOW_S, "min_requests": 50, "max_error_ratio": 0.05},
            "bake_s": BAKE_S,
            "keep_old_s": 600,
            "drain_s": 5,
        },
        "health": {
            "path": "/healthz",
            "version_header": "X-Version",
            "healthy_after": 2,
            "interval_s": 0.2,
            "start_timeout_s": START_WITHIN_S,
        },
        "config": {
            "root": root,
            "command": ["{python}", "-E", "-s", "-B", "shop.py"],
            "artifact": "releases/{version}",
            "replicas": 2,
            "grace": "10s",
        },
        "variables": {"RATES_MAX_USES": str(USES), "RATES_MAX_AGE_S": "3600"},
    }


def _places() -> Iterator[str]:
    package = os.path.dirname(os.path.abspath(orchestrate.__file__))
    yield os.path.join(package, "..", "..", "examples", "shop")
    here = os.getcwd()
    while True:
        yield os.path.join(here, "examples", "shop")
        if os.path.dirname(here) == here:
            return
        here = os.path.dirname(here)
