"""Steps that are looked at, on a platform that shows what a test says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orchestrate.core.environment import AnalysePolicy
from orchestrate.core.protocols import Replica
from orchestrate.core.revision import Ref, Revision
from orchestrate.core.steps import (
    Step,
)
from orchestrate.engine.executors.look import Scene
from tests.support.pretended import Pretended, Watch
from tests.support.records import revision
from tests.support.servers import Server, serving

NEW, OLD = Ref(key="new", version="2"), Ref(key="old", version="1")
POLICY = AnalysePolicy(window_s=60, min_requests=20, max_error_ratio=0.05)


@pytest.fixture
def platform() -> Pretended:
    return Pretended()


@pytest.fixture
def answering() -> Iterator[Server]:
    """An application that answers as version 2."""
    with serving("2") as found:
        yield found


def watch(platform: Pretended, step: Step) -> Watch:
    def find(key: str) -> Revision:
        found = revision({"new": "2", "old": "1"}[key])
        gate = found.health.model_copy(update={"version_header": "X-Version", "healthy_after": 2})
        return found.model_copy(update={"health": gate})

    return Watch(step, Scene(platform, find))


def running(
    number: int, url: str | None = None, *, connections: int | None = None, restarts: int = 0
) -> Replica:
    return Replica(number, "running", url, connections=connections, restarts=restarts)
