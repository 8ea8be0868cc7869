"""One store for a test of the engine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrate.store.database import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A new one, in a home of its own."""
    found = Store(f"sqlite:///{tmp_path / 'store.db'}", tmp_path)
    found.migrate()
    yield found
    found.close()
