"""Database migrations of an environment: their settings, and what is said of them.

Expand (add what the new version needs) runs before the new revision starts, and the old one works
with it. Contract (remove what only the old one needed) runs after the time for a quick rollback is
over, or when a person asks for it: it takes the way back away.
"""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from orchestrate.core.model import Model

MigrationPhase = Literal["expand", "contract"]
Command = tuple[str, ...]


class Migrations(Model):
    """The settings below `migrations`: lists of arguments, never a shell."""

    expand: Command = Field(min_length=1)
    """Runs one migration; `{name}` and `{version}` are filled in. Run again it must do no harm."""
    contract: Command = Field(min_length=1)
    applied: Command = Field(min_length=1)
    """Prints the names that are applied, as a JSON list."""
    listed: Command = ()
    """Prints what the version brings, in order: names, or {"name": ..., "phase": ...}."""
    directory: str | None = None
    """Instead of `listed`: a directory with one file (or directory) a migration."""
    timeout_s: float = Field(default=600.0, gt=0, le=86400)
    """Longest time of one migration."""


class Migration(Model):
    """One migration, as a version lists it."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]{0,127}$")
    phase: MigrationPhase = "expand"


def stays(migration: Migration, version: str | None) -> str:
    """What a plan says of a migration that no rollback takes back."""
    if migration.phase == "expand":
        with_it = f"; {version} works with it" if version else ""
        return f"migration {migration.name} stays (expand{with_it})"
    without = f"{version} may need" if version else "a way back may need"
    return f"migration {migration.name} stays (contract; {without} what it removed)"


def phase_of(file_name: str) -> MigrationPhase:
    """The phase of a file by its name: `0043.contract.sql`, `0043_contract_drop.sql`; else
    expand."""
    words = file_name.replace(".", "_").replace("-", "_").lower().split("_")
    return "contract" if "contract" in words else "expand"


def pending(found: Sequence[Migration], applied: Sequence[str]) -> tuple[Migration, ...]:
    """Those of `found` that are not applied, in order."""
    known = set(applied)
    return tuple(each for each in found if each.name not in known)
