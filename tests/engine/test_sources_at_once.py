"""Metric sources are shared by the threads of a service: none takes another's from under it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from orchestrate.core.metrics import MetricQuery, Metrics
from orchestrate.core.protocols import MetricSource
from orchestrate.core.secret import Secret
from orchestrate.engine import site
from orchestrate.engine.site import Place, metrics_of
from orchestrate.providers.metrics.asking import Asking
from orchestrate.providers.metrics.cloudwatch import CloudWatch
from orchestrate.providers.metrics.google_identity import Identity
from orchestrate.providers.outbound import Outbound
from orchestrate.store.database import Store
from tests.support.midway import at_each_moment
from tests.support.records import environment
from tests.support.secrets import NoSecrets

METRICS = Metrics(
    source="cloudwatch",
    region="eu-west-1",
    queries={"errors": MetricQuery(total="A B Sum C=d", bad="A E Sum C=d")},
)
ASKING = Asking(METRICS, environment(), NoSecrets(), Outbound())


class Exchanging(Identity):
    """Gets its tokens from nobody."""

    def _exchanged(self, key: Secret) -> Secret:
        return key


class Credentials(NoSecrets):
    def get(self, name: str, version: str | None = None) -> Secret:
        return Secret("a-token-of-google")


class Meeting(dict[tuple[str, str, str, str], MetricSource]):
    """Looked at by two threads at once, if they can be there at once."""

    def __init__(self) -> None:
        super().__init__()
        self.both = threading.Barrier(2)

    def __iter__(self) -> Iterator[tuple[str, str, str, str]]:
        first = next(super().__iter__())
        with suppress(threading.BrokenBarrierError):
            self.both.wait(0.5)
        return iter([first])


def test_two_environments_more_than_are_kept_find_their_sources_at_once(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path, store)
    monkeypatch.setattr(site, "_sources", Meeting())

    def found(number: int) -> bool:
        return metrics_of(METRICS, environment(f"e{number}"), place) is not None

    assert all(map(found, range(site.MOST_SOURCES)))
    with ThreadPoolExecutor(2) as pool:
        assert all(pool.map(found, (100, 101)))


def test_a_client_that_another_thread_gives_up_is_still_asked() -> None:
    asked = CloudWatch(ASKING)
    found = at_each_moment(
        CloudWatch._connected.__code__, asked._connected, lambda: setattr(asked, "_client", None)
    )
    assert all(client is not None for client in found)


def test_a_token_that_another_thread_gives_up_is_still_sent() -> None:
    metrics = METRICS.model_copy(update={"secrets": {"credentials": "KEY"}})
    asked = Exchanging(Asking(metrics, environment(), Credentials(), Outbound()))
    found = at_each_moment(Identity._own.__code__, asked._own, asked.forget)
    assert {token.reveal() for token in found} == {"a-token-of-google"}
