"""The registry an image comes from, with the login that its environment has."""

from orchestrate.core.protocols import Registered
from orchestrate.core.revision import Artifact
from orchestrate.engine.checks.subject import Subject
from orchestrate.providers.artifacts.registry import Login, Registry


def registry_of(subject: Subject, artifact: Artifact) -> Registry:
    """Raises ArtifactInvalid for an image that the engine alone has."""
    provider = subject.site.provider
    login = provider.registry_login() if isinstance(provider, Registered) else None
    return Registry(artifact.reference, subject.outbound, Login(*login) if login else None)
