"""The application's secrets in the cluster: one immutable Secret for each revision.

They are written and never read back: the Role has no right to. Which ones there are is noted in the
colour that has had them, since they cannot be listed either.
"""

from collections.abc import Mapping, Sequence

from orchestrate.core.environment import Environment
from orchestrate.core.errors import SecretMissing
from orchestrate.core.protocols import Secrets, Write
from orchestrate.core.redact import redact
from orchestrate.core.revision import Revision
from orchestrate.core.secret import MASK
from orchestrate.core.secret_rules import for_application, pinned
from orchestrate.providers.kubernetes import shape
from orchestrate.providers.kubernetes.api import Api
from orchestrate.providers.kubernetes.colors import Color
from orchestrate.providers.kubernetes.objects import SECRET, Json, note
from orchestrate.providers.kubernetes.settings import Settings

KEPT = 5
"""Revisions of a colour whose Secrets are kept."""
LEAST = 4
"""Characters from which a value is looked for in a text; a shorter one is in any text."""


class Vault:
    """The secrets of an environment, but for those of this program itself."""

    def __init__(
        self,
        settings: Settings,
        api: Api,
        labels: Mapping[str, str],
        secrets: Secrets,
        environment: Environment,
    ) -> None:
        self.settings, self.api, self.labels = settings, api, labels
        self.secrets, self._environment = secrets, environment

    def names(self, revision: Revision | None = None) -> list[str]:
        """Secrets that the application gets: those that a revision pins, without one all."""
        if revision is None:
            return list(for_application(self._environment))
        return list(pinned(self._environment, revision))

    def name(self, revision: Revision) -> str | None:
        """Name of a revision's Secret; None when it needs none."""
        return self._of(revision.key) if self.names(revision) else None

    def put(self, revision: Revision, write: Write) -> None:
        """Have a revision's Secret there. Raises SecretMissing."""
        name = self.name(revision)
        if name is None:
            return
        values = {
            each: self.secrets.get(each, version).reveal()
            for each, version in pinned(self._environment, revision).items()
        }
        self.api.apply(SECRET, shape.secret(name, self.labels, values, write))

    def keep(
        self, body: Json, revision: Revision, color: Color | None, all_colors: Sequence[Color]
    ) -> None:
        """Note in a Deployment that is to be written which Secrets its colour has had, and let go
        of those beyond the last few: a Pod that is restarted while it is replaced needs its own."""
        if not self.names(revision):
            return
        had = note(color.deployment, "held").split(",") if color is not None else []
        held = [key for key in had if key and key != revision.key] + [revision.key]
        shape.annotate(body, {"held": ",".join(held[-KEPT:])})
        needed = {each.revision.key for each in all_colors}
        for key in held[:-KEPT]:
            if key not in needed:
                self.api.delete(SECRET, self._of(key))

    def forget(self, color: Color) -> None:
        """Delete every Secret that a colour has had."""
        for key in filter(None, note(color.deployment, "held").split(",")):
            self.api.delete(SECRET, self._of(key))

    def mask(self, line: str) -> str:
        """A line without the values of the application's secrets."""
        values = []
        for name in self.names():
            try:
                values.append(self.secrets.get(name))
            except SecretMissing:
                continue  # what is not there is in no log
        line = redact(line, values)
        for value in values:
            if LEAST <= len(value.reveal()):
                line = line.replace(value.reveal(), MASK)
        return line

    def _of(self, key: str) -> str:
        return f"{self.settings.name}-{key}"
