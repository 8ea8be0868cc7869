"""This repository as git sees it: its root, and the files it tracks."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "orchestrate"


@cache
def tracked() -> tuple[Path, ...]:
    """Return every tracked path, links included, relative to ROOT, that is still in the tree."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    )
    paths = (Path(name) for name in listed.stdout.split("\0") if name)
    return tuple(path for path in paths if (ROOT / path).exists() or (ROOT / path).is_symlink())
