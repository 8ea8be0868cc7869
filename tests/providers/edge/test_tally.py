"""Requests are counted over restarts of Traefik, however many revisions came in between."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from pytest_httpserver import HTTPServer

from orchestrate.providers.edge import tally
from orchestrate.providers.edge.engine import Engine

LINE = 'traefik_service_requests_total{{code="200",method="GET",protocol="http",service="{}"}} {}\n'
LIVE = "f" * 12


class Traefik:
    """One that was started some times, and says what was counted since."""

    def __init__(self, server: HTTPServer) -> None:
        self.server = server
        self.starts = 1
        self.found: dict[str, int] = {}
        self.engine = cast(
            Engine,
            SimpleNamespace(
                record=lambda: SimpleNamespace(internal_port=server.port),
                process=lambda: SimpleNamespace(identity=SimpleNamespace(pid=1, start=self.starts)),
            ),
        )

    def counts(self, directory: Path) -> dict[str, int]:
        text = "".join(LINE.format(f"shop--dev-{k}@file", n) for k, n in self.found.items())
        self.server.clear()
        self.server.expect_request("/metrics").respond_with_data(text)
        found = tally.counts(str(directory), "shop--dev", self.engine)
        return {key: counted.total for key, counted in found.items()}


@pytest.fixture
def traefik(httpserver: HTTPServer) -> Traefik:
    return Traefik(httpserver)


def test_what_was_counted_before_a_restart_still_counts(traefik: Traefik, tmp_path: Path) -> None:
    traefik.found = {LIVE: 100}
    assert traefik.counts(tmp_path) == {LIVE: 100}
    traefik.starts, traefik.found = 2, {LIVE: 5}
    assert traefik.counts(tmp_path) == {LIVE: 105}
    traefik.found = {LIVE: 7}
    assert traefik.counts(tmp_path) == {LIVE: 107}


def test_many_releases_that_came_and_went_take_nothing_from_the_one_that_stayed(
    traefik: Traefik, tmp_path: Path
) -> None:
    traefik.found = {LIVE: 100}
    traefik.counts(tmp_path)
    traefik.starts, traefik.found = 2, {LIVE: 1}
    assert traefik.counts(tmp_path)[LIVE] == 101
    for number in range(tally.KEPT + 10):
        traefik.found = {f"{number:012x}": 3, LIVE: 2 + number}
        traefik.counts(tmp_path)  # Traefik forgets what it does not send to any more
    assert traefik.counts(tmp_path)[LIVE] == 100 + traefik.found[LIVE]
