"""Revisions: immutable snapshots that a deployment installs and a rollback restores."""

from collections.abc import Mapping

from pydantic import Field, JsonValue

from orchestrate.core.canonical import digest, short
from orchestrate.core.environment import Environment, HealthGate
from orchestrate.core.model import Model
from orchestrate.core.verification import Verification


class Artifact(Model):
    """What is deployed, always pinned."""

    kind: str
    """`directory`, `archive`, `git`, `image`, ..."""
    reference: str
    """Where it was found: a path, a commit, an image name."""
    digest: str
    """`sha256:...` of the content, or `git:<40 hex>`."""
    template: str | None = Field(default=None, exclude_if=lambda template: template is None)
    """`sha256:...` of the file that says how it is run, where the config names such a file."""


class Revision(Model):
    """Version, artifact, provider config, variables, secret versions and gate config, together."""

    environment: str
    """`app/name` of the environment it was made for."""
    version: str
    artifact: Artifact
    provider: str
    config: dict[str, JsonValue]
    variables: dict[str, str]
    secret_versions: dict[str, str] = Field(default_factory=dict)
    """The version of each secret, as its backend names versions. Values never enter this type."""
    health: HealthGate
    verify: Verification = Verification()

    @property
    def digest(self) -> str:
        """`sha256:...` over everything above. What is not set is left out where it came later than
        the first revisions: they keep their names."""
        data = self.model_dump(mode="json")
        if self.verify == Verification():
            del data["verify"]
        return digest(data)

    @property
    def key(self) -> str:
        """12 hexadecimal characters of the digest: the revision's name at its provider."""
        return short(self.digest)

    @property
    def ref(self) -> "Ref":
        return Ref(key=self.key, version=self.version)


class Ref(Model):
    """A revision as steps name it."""

    key: str
    version: str


def snapshot(
    environment: Environment,
    version: str,
    artifact: Artifact,
    secret_versions: Mapping[str, str] | None = None,
) -> Revision:
    """The revision that deploying `version` to `environment` now would install."""
    return Revision(
        environment=f"{environment.app}/{environment.name}",
        version=version,
        artifact=artifact,
        provider=environment.provider,
        config=environment.config,
        variables=environment.variables,
        secret_versions=dict(secret_versions or {}),
        health=environment.health,
        verify=environment.verify,
    )
