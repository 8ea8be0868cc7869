"""An environment on a pretended cluster of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.kubernetes.app import Kubernetes, kubernetes


@pytest.fixture
def shop(home: Path) -> Iterator[Kubernetes]:
    with kubernetes(home) as made:
        yield made
