"""What the checks before a change are asked about."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from orchestrate.core.check import CheckResult, Evidence
from orchestrate.core.deployment import Kind
from orchestrate.core.environment import StrategyName
from orchestrate.core.errors import InvalidInput, NoDataError, OrchestrateError
from orchestrate.core.protocols import Rendering, Restorable, Secrets
from orchestrate.core.revision import Artifact, Revision
from orchestrate.core.validation import Checks
from orchestrate.core.windows import Exemption
from orchestrate.engine.site import Site
from orchestrate.providers.outbound import Outbound

Recall = Callable[[str, str], CheckResult | None]
"""The fresh pass of a check (by name) about a commit or digest, where there is one."""
ENVIRONMENT = "environment"
"""What evidence is about that is neither a commit nor a digest."""


@dataclass(frozen=True)
class Target:
    """What a rollback of the change would return to."""

    name: str
    """`r86`."""
    revision: Revision
    restorable: Restorable
    secrets: Secrets


@dataclass(frozen=True)
class Subject:
    site: Site
    home: Path
    kind: Kind = Kind.DEPLOY
    strategy: StrategyName | None = None
    """Of the plan; None for the environment's own."""
    version: str | None = None
    pinned: Artifact | None = None
    """The artifact that the plan was made with; what is found now must be it."""
    busy: str | None = None
    """`d142, 1.4.1 -> 1.4.2, by lee`, when another deployment holds the environment."""
    target: Target | None = None
    needs_s: float = 0.0
    """Time the deployment takes at least."""
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    exemption: Exemption | None = None
    """What a closed window is passed by."""
    asks_exemption: bool = False
    """It was asked for with a reason to pass it; a second person has not said yes yet."""
    secrets: Secrets | None = None
    recall: Recall = lambda name, about: None
    stop: threading.Event = field(default_factory=threading.Event)
    """Set when nobody wants the answer any more."""
    may_run: bool = True
    """Whether who asks may have commands run: who only reads gets what is known already."""
    outbound: Outbound = field(default_factory=Outbound)

    @property
    def checks(self) -> Checks:
        return self.site.environment.checks

    @cached_property
    def found(self) -> Artifact:
        """What the version is now. Raises ArtifactMissing and what else resolving raises."""
        if self.version is None:
            raise InvalidInput("no version was named", fix=["name one: --version"])
        provider = self.site.provider
        if isinstance(provider, Rendering) and provider.renders:
            self.refuse_running("the command that writes its manifests")
        return self.site.provider.resolve(self.version)

    @cached_property
    def lost(self) -> bool:
        """Whether there is no artifact to ask about; the check of artifacts says why."""
        try:
            _ = self.artifact
        except OrchestrateError:
            return True
        return False

    def refuse_running(self, what: str) -> None:
        """Raises NoDataError where `what`, a command of the project, would run for somebody who may
        only read."""
        if not self.may_run:
            raise NoDataError(
                f"{what} was not run for somebody who may only read",
                fix=["ask as a deployer; what is found then is shown to everybody"],
            )

    @property
    def artifact(self) -> Artifact:
        """What is to be deployed: that of the plan, so that just what is deployed is verified."""
        return self.pinned or self.found

    def seen(self, about: str, source: str, **facts: object) -> Evidence:
        """Evidence of something that was looked at just now."""
        return Evidence.model_validate(
            {"about": about, "source": source, "at": self.now, "facts": facts}
        )
