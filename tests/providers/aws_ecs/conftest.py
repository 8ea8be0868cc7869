"""An AWS account for each test, with an environment of two slots or of one service."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.aws.app import Ecs, One


@pytest.fixture
def ecs(home: Path, tmp_path: Path) -> Iterator[Ecs]:
    """Two slots behind a listener rule, nothing deployed; versions 1.0.0 and 1.1.0."""
    made = Ecs(home, tmp_path)
    try:
        made.release("1.0.0")
        made.release("1.1.0")
        yield made
    finally:
        made.end()


@pytest.fixture
def one(home: Path, tmp_path: Path) -> Iterator[One]:
    """One service that runs 0.9.0, which somebody else deployed; versions 1.0.0 and 1.1.0, and
    1.2.0, which exits at once."""
    made = One(home, tmp_path)
    try:
        made.release("1.0.0")
        made.release("1.1.0")
        made.release("1.2.0", "import sys; print('no settings', flush=True); sys.exit(7)\n")
        yield made
    finally:
        made.end()
