"""Heads of the trail are there at every moment, also while their file is begun anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrate.store import heads
from orchestrate.store.heads import Head, HeadFile, make_key, sign
from tests.support.midway import at_each_moment


def test_a_file_of_heads_that_has_grown_is_never_without_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads, "_LARGEST", 300)
    key, file = make_key(tmp_path), HeadFile(tmp_path)
    note = sign(Head("s" * 32, 1, b"x" * 32), key)
    file.add(note)
    seen: list[int] = []

    def grow() -> None:
        file.add(note)
        file.add(note)

    def look() -> None:
        seen.append(sum(1 for head in file.every() if head is not None))

    assert list(at_each_moment(HeadFile._turn.__code__, grow, look))
    assert seen and min(seen) > 0
    assert (tmp_path / "heads.1").exists()
