"""Golden files: what an outsider sees, committed, and compared whole."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Snapshot:
    """Compares text with a committed file; writes it only when told to by --update-snapshots."""

    update: bool

    def check(self, file: Path, actual: str) -> None:
        """Fail with a diff where `actual` differs from the file; a missing file differs too."""
        if self.update:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(actual, encoding="utf-8")
            return
        expected = file.read_text(encoding="utf-8") if file.exists() else ""
        if actual == expected:
            return
        diff = difflib.unified_diff(
            expected.splitlines(), actual.splitlines(), "committed", "now", lineterm=""
        )
        pytest.fail(
            f"{file.name} is not what the program gives now\n"
            + "\n".join(diff)
            + "\nif that is meant: make test ARGS=--update-snapshots, and commit the file",
            pytrace=False,
        )
