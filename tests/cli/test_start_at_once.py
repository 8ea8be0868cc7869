"""Clients that start the service at the same moment lose nothing of what the last one said."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from orchestrate.cli import start
from tests.support.midway import at_each_moment


def test_a_grown_log_is_put_aside_once_however_many_begin_it_anew(tmp_path: Path) -> None:
    log, kept, numbers = tmp_path / "service.log", tmp_path / "service.log.1", count()

    def prepare() -> None:
        start._prepare(str(tmp_path))

    def grown() -> int:
        kept.unlink(missing_ok=True)
        log.write_bytes(b"%d" % next(numbers) + b"x" * start.LOG_BYTES)
        prepare()
        return 0

    for code in (start._prepare.__code__, start._begin_anew.__code__):
        for _ in at_each_moment(code, grown, prepare):
            assert kept.stat().st_size > start.LOG_BYTES
