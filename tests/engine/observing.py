"""A new revision as checks are asked about it, on a server that answers what a test says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from orchestrate.core.protocols import Replica
from orchestrate.core.revision import Ref
from orchestrate.core.steps import Share
from orchestrate.core.verification import (
    Verification,
)
from orchestrate.engine.checks.observed import Found, Observed
from tests.support.door import Door, a_door
from tests.support.pretended import Pretended
from tests.support.records import revision

NOT_YET = (
    "skipped",
    "no replica can be asked by itself; it is asked once it has the traffic",
)
NEW, OLD = Ref(key="new", version="2.0.0"), Ref(key="old", version="1.0.0")


@pytest.fixture
def door() -> Iterator[Door]:
    with a_door() as found:
        found.says("GET /healthz", X_Version="2.0.0")
        yield found


@pytest.fixture
def platform(door: Door) -> Pretended:
    """One replica behind the front door, with all the traffic."""
    found = Pretended(address=door.url, shares=(Share(revision=NEW, percent=100),))
    found.replicas_of["new"] = [Replica(0, "running", door.url)]
    return found


def observed(platform: Pretended, verify: Verification | None = None, **more: object) -> Observed:
    found = revision("2.0.0")
    gate = found.health.model_copy(update={"version_header": "X-Version"})
    found = found.model_copy(update={"health": gate, "verify": verify or Verification()})
    subject = Observed(
        ref=NEW,
        revision=found,
        baseline=OLD,
        provider=platform,
        seen=platform.observe(),
        replicas=1,
        percent=100,
        url=platform.address,
    )
    return replace(subject, **more)  # type: ignore[arg-type]  # fields by name


def result(found: Found) -> tuple[str, str]:
    assert found.result is not None, found.text
    return found.result.result, found.result.text
