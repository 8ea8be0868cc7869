"""What the checks before a change are asked about."""

from dataclasses import dataclass
from pathlib import Path

from orchestrate.core.deployment import Kind
from orchestrate.core.environment import StrategyName
from orchestrate.core.protocols import Restorable
from orchestrate.engine.site import Site


@dataclass(frozen=True)
class Subject:
    site: Site
    home: Path
    kind: Kind = Kind.DEPLOY
    strategy: StrategyName | None = None
    """Of the plan; None for the environment's own."""
    version: str | None = None
    expected_artifact: str | None = None
    """Digest that the plan was made with."""
    busy: str | None = None
    """`d142, 1.4.1 -> 1.4.2, by lee`, when another deployment holds the environment."""
    target: tuple[str, Restorable] | None = None
    """Version of the rollback target, and whether it can be restored."""
