"""Images at their registry: versions pinned by digest. A cluster pulls by itself."""

from orchestrate.core.errors import ArtifactMissing, OrchestrateError
from orchestrate.core.names import check_version, did_you_mean
from orchestrate.core.protocols import Secrets
from orchestrate.core.secret import Secret
from orchestrate.providers.artifacts.registry import Login, Registry
from orchestrate.providers.kubernetes.settings import Settings
from orchestrate.providers.outbound import Outbound


class Images:
    """The images that `settings.image` names."""

    def __init__(self, settings: Settings, secrets: Secrets) -> None:
        self.settings, self.secrets = settings, secrets

    def pin(self, version: str) -> tuple[str, str]:
        """The name of a version's image, and its digest now.

        Raises VersionMalformed, ArtifactMissing, ProviderUnavailable, TemporaryError.
        """
        check_version(version)
        image = self.settings.image.replace("{version}", version)
        found = self._registry(image).manifest(image.rpartition(":")[2])
        if found is None:
            raise self._missing(version, image)
        return image, found.digest

    def lost(self, image: str) -> str | None:
        """Why a pinned image could not be pulled again; None when it could."""
        try:
            if self._registry(image).manifest(image.rpartition("@")[2]) is None:
                return f"{image} is not at its registry any more"
        except OrchestrateError as problem:
            return f"{image}: {problem.message}"
        return None

    def login(self) -> tuple[str, Secret] | None:
        """User and password for the registry; None where everybody may read."""
        named = self.settings.credentials
        if named is None:
            return None
        return self.secrets.get(named.username).reveal(), self.secrets.get(named.password)

    def _registry(self, image: str) -> Registry:
        login = self.login()
        return Registry(image, Outbound(), Login(*login) if login else None)

    def _missing(self, version: str, image: str) -> ArtifactMissing:
        before, _, after = self.settings.image.rpartition(":")[2].partition("{version}")
        there = [
            tag[len(before) : len(tag) - len(after)]
            for tag in self._registry(image).tags()
            if tag.startswith(before) and tag.endswith(after)
        ]
        near = did_you_mean(version, there)
        known = ", ".join(sorted(there)[-10:])
        return ArtifactMissing(
            f"there is no image for version {version}",
            why=[
                f"{image} was asked for at its registry",
                f"the registry has: {known}" if there else "the registry has none of it",
            ],
            fix=[f"did you mean {near[0]}?"] if near else ["push it, or choose another"],
        )
