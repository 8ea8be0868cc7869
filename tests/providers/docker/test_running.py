"""What the engine does not let go of, and who an image would run as: decided without an engine."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from orchestrate.core.environment import Environment, EnvironmentType
from orchestrate.core.errors import StepFailed
from orchestrate.core.revision import Artifact, Revision, snapshot
from orchestrate.providers.docker import shape
from orchestrate.providers.docker.containers import Containers
from orchestrate.providers.docker.images import Images
from orchestrate.providers.docker.record import Record
from orchestrate.providers.docker.running import Running
from orchestrate.providers.docker.seen import Container
from orchestrate.providers.docker.settings import Settings
from tests.support.secrets import NoSecrets

pytestmark = pytest.mark.unit

SHOP = Environment(
    app="shop",
    name="dev",
    type=EnvironmentType.DEV,
    provider="docker",
    config={"image": "r.example.com/shop:{version}", "port": 8080},
)


class Empty:
    """An engine without a container."""

    def all(self) -> list[Container]:
        return []


class Stubborn:
    """Images of which the engine does not remove one."""

    def __init__(self, kept: str) -> None:
        self.kept = kept

    def pullable(self, artifact: Artifact) -> bool:
        return True

    def forget(self, artifact: Artifact) -> None:
        if artifact.digest == self.kept:
            raise StepFailed("the Docker engine refused", why=["device or resource busy"])


def revision(version: str, letter: str) -> Revision:
    digest = f"sha256:{letter * 64}"
    return snapshot(SHOP, version, Artifact(kind="image", reference="shop", digest=digest))


def test_what_the_engine_keeps_is_no_failure_and_is_let_go_of_the_next_time(tmp_path: Path) -> None:
    busy, old = revision("1.0.0", "a"), revision("1.1.0", "b")
    images = Stubborn(busy.artifact.digest)
    record = Record(str(tmp_path), list)
    running = Running(cast(Containers, Empty()), cast(Images, images), record, NoSecrets(), SHOP)
    for each in (busy, old):
        record.put(each, 0)
    running.prune(set(), 0)
    assert list(record.all()) == [busy.key]
    images.kept = ""
    running.prune(set(), 0)
    assert record.all() == {}


@pytest.mark.parametrize("root", ["", "0", "root", "0:0", "root:root", "0:1000", "root:staff"])
def test_an_image_that_would_run_as_root_does_not(root: str) -> None:
    assert shape.user(Settings(image="shop", port=1), root) == shape.NOBODY


@pytest.mark.parametrize("user", ["1000", "shop", "1000:0", "shop:root"])
def test_an_image_that_runs_as_somebody_else_does_as_it_says(user: str) -> None:
    assert shape.user(Settings(image="shop", port=1), user) is None
