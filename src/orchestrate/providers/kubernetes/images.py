"""Images at their registry: versions pinned by digest. A cluster pulls by itself."""

from orchestrate.core.errors import ArtifactMissing, OrchestrateError
from orchestrate.core.names import check_version, did_you_mean
from orchestrate.core.protocols import Secrets
from orchestrate.providers.artifacts.registry import Login, Name, Registry, name_of
from orchestrate.providers.kubernetes.settings import Settings


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
        digest = self._registry(name_of(image)).digest(name_of(image))
        if digest is None:
            raise self._missing(version, image)
        return image, digest

    def lost(self, image: str) -> str | None:
        """Why a pinned image could not be pulled again; None when it could."""
        try:
            if self._registry(name_of(image)).digest(name_of(image)) is None:
                return f"{image} is not at its registry any more"
        except OrchestrateError as problem:
            return f"{image}: {problem.message}"
        return None

    def _registry(self, name: Name) -> Registry:
        named = self.settings.credentials
        if named is None:
            return Registry(name.host)
        login = Login(self.secrets.get(named.username), self.secrets.get(named.password))
        return Registry(name.host, login)

    def _missing(self, version: str, image: str) -> ArtifactMissing:
        name = name_of(image)
        before, _, after = self.settings.image.rpartition(":")[2].partition("{version}")
        there = [
            tag[len(before) : len(tag) - len(after)]
            for tag in self._registry(name).tags(name.repository)
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
