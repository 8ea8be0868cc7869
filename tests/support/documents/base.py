"""What the documents have in common."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

Doc = dict[str, Any]  # JSON, to be picked apart by tests

CLAUDE = {"actor": "claude", "on_behalf_of": "lee"}
DANA = {"actor": "dana", "on_behalf_of": None}
DIGEST = "sha256:7c1e9a40b3f2" + "0" * 52


def changed(document: Mapping[str, Any], **fields: Any) -> Doc:
    """A copy with other values in some of its fields."""
    unknown = fields.keys() - document.keys()
    assert not unknown, f"no such field: {unknown}"
    return {**copy.deepcopy(dict(document)), **fields}
