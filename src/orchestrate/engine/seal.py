"""The service's own mark on requests and decisions, so that a row written past it is found.

HMAC-SHA256 under a key that is never in the database: who can write there can change a row, and
cannot make its mark.
"""

import hashlib
import hmac
from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue

from orchestrate.core.canonical import canonical
from orchestrate.engine.keys import subkey

APPROVALS = "approvals"
"""Of the key under which requests and decisions are marked."""


class Seal:
    """Marks records, and tells whether a mark is ours.

    When the key is lost nothing that was marked with it verifies any more, and what waits must be
    asked for anew.
    """

    def __init__(self, home: Path) -> None:
        self._home = home

    def mark(self, label: str, record: Mapping[str, JsonValue]) -> str:
        """The mark of a record, in hexadecimal. Raises KeyUnusable."""
        text = f"orchestrate/{label}/v1\0{canonical(dict(record))}"
        key = subkey(self._home, APPROVALS)
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()

    def fits(self, label: str, record: Mapping[str, JsonValue], mark: str) -> bool:
        """Whether the mark is ours, and of this very record."""
        return hmac.compare_digest(self.mark(label, record).encode(), mark.encode())
