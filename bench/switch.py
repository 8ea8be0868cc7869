"""How fast a bad version is out of the traffic: blue-green, rolled back by one call, under load.

`rollback` is the time from sending the call to the moment at which the last request was sent that
the bad version answered. The old version was kept running, so the change is one document of the
edge. The load never retries; a request that is lost anywhere, in deployments and rollbacks alike,
is counted.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from harness import HERE, compile_all, last_line, percentile, row, show

from orchestrate.cli import client
from orchestrate.cli.client import Client, segment
from orchestrate.cli.demo.place import free_port, own_home
from orchestrate.cli.load import Event, Load

ROLLBACKS = 24
RATE = 600.0
GOOD, BAD = "1.0.0", "1.1.0"
SHOPPING = ("/", "/catalogue", "POST /checkout", "/catalogue")
BASKET = '{"items": [{"sku": "mug", "quantity": 1}]}'
NAME = "switch"


@dataclass(frozen=True)
class Rollback:
    """When a rollback was asked for and answered, and until when its requests count: monotonic
    nanoseconds."""

    called: int
    answered: int
    until: int


def main() -> None:
    rollbacks = int(sys.argv[1]) if len(sys.argv) > 1 else ROLLBACKS
    compile_all()
    port = free_port()
    with own_home():
        service = client.default(lambda text: None)
        service.post("/api/environments", {"environments": [environment(port)]})
        deploy(service, GOOD)
        with Load.start(f"http://127.0.0.1:{port}", rate=RATE, path=SHOPPING, body=BASKET) as load:
            done = [one(service) for _ in range(rollbacks)]
            result = load.stop()
    report(done, result.events)
    last_line(
        "switch",
        requests=result.requests,
        failed=result.failed + result.unsent,
        rollback_p50_ms=percentile(gone_ms(done, result.events), 50),
        rollback_p95_ms=percentile(gone_ms(done, result.events), 95),
    )
    raise SystemExit(1 if result.failed or result.unsent else 0)


def environment(port: int) -> dict[str, object]:
    return {
        "app": "bench",
        "name": NAME,
        "type": "staging",
        "provider": "local",
        "url": f"http://127.0.0.1:{port}",
        "strategy": {"type": "blue-green", "keep_old_s": 600, "drain_s": 2},
        "health": {
            "version_header": "X-Version", "healthy_after": 1, "interval_s": 0.1,
            "start_timeout_s": 30,
        },
        "config": {
            "root": str(HERE.parent / "examples" / "shop"),
            "command": ["{python}", "-B", "shop.py"],
            "artifact": "releases/{version}",
            "replicas": 2,
        },
    }  # fmt: skip


def one(service: Client) -> Rollback:
    """Deploy the bad version and roll it back."""
    deploy(service, BAD)
    called = time.monotonic_ns()
    answer = service.post(f"/api/environments/{NAME}/rollback", {"reason": "benchmark"})
    answered = time.monotonic_ns()
    wait(service, answer.document)
    return Rollback(called, answered, time.monotonic_ns())


def deploy(service: Client, version: str) -> None:
    plan = service.post("/api/plans", {"environment": NAME, "version": version}).document
    wait(service, service.post("/api/deployments", {"plan": plan["digest"]}).document)


def wait(service: Client, document: dict[str, object]) -> None:
    """Until it has succeeded."""
    path = f"/api/deployments/{segment(str(document['id']))}/wait"
    while not document["terminal"]:
        document = service.get(path, {"timeout_s": 45}).document
    if document["phase"] != "succeeded":
        raise SystemExit(f"{document['summary']}: {document['error']}")


def gone_ms(rollbacks: Sequence[Rollback], events: Sequence[Event]) -> list[float]:
    """From each call to the start of the last request that the bad version answered, in ms."""
    return [
        max(
            (
                (event.start_ns - each.called) / 1e6
                for event in events
                if event.version == BAD and each.called <= event.start_ns < each.until
            ),
            default=0.0,
        )
        for each in rollbacks
    ]


def first_good_ms(rollbacks: Sequence[Rollback], events: Sequence[Event]) -> list[float]:
    return [
        min(
            (
                (event.start_ns - each.called) / 1e6
                for event in events
                if event.version == GOOD and each.called <= event.start_ns < each.until
            ),
            default=0.0,
        )
        for each in rollbacks
    ]


def report(rollbacks: Sequence[Rollback], events: Sequence[Event]) -> None:
    answers = [(each.answered - each.called) / 1e6 for each in rollbacks]
    whole = [(each.until - each.called) / 1e6 for each in rollbacks]
    show(
        f"Rolled back by one call, {len(rollbacks)} times, under {RATE:.0f} requests a second",
        [
            row("last request on the bad version", gone_ms(rollbacks, events), "after the call"),
            row(
                "first request on the good one", first_good_ms(rollbacks, events), "after the call"
            ),
            row("the call is answered", answers, "after the call"),
            row("bad version drained and stopped", whole, "after the call"),
        ],
    )


if __name__ == "__main__":
    main()
