"""Images: versions pinned by digest, brought here, and let go of.

A repository that begins with a registry's host is asked for at that registry; one without is an
image of the engine's own, pinned by its id, and never removed here: it may be the only one.
"""

import logging
import re
from collections.abc import Mapping

from orchestrate.core.errors import (
    ArtifactMissing,
    DiskFull,
    OrchestrateError,
    ProviderUnavailable,
    StepFailed,
    TemporaryError,
)
from orchestrate.core.names import check_version, did_you_mean
from orchestrate.core.protocols import Secrets
from orchestrate.core.revision import Artifact
from orchestrate.providers.docker.engine import Absent, Conflict, Json, client, items, part, told
from orchestrate.providers.docker.host import Host
from orchestrate.providers.docker.settings import Credentials

log = logging.getLogger(__name__)

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DENIED = re.compile(r"unauthorized|denied|authentication required|no basic auth", re.IGNORECASE)
_UNKNOWN = re.compile(r"manifest unknown|not found|name unknown|no such", re.IGNORECASE)


class Images:
    """The images of the engine at `host`."""

    def __init__(self, host: Host, credentials: Credentials | None, secrets: Secrets) -> None:
        self.host, self.credentials, self.secrets = host, credentials, secrets

    def pin(self, pattern: str, version: str) -> Artifact:
        """What `version` of `pattern` is now. Pulls nothing.

        Raises VersionMalformed, ArtifactMissing, ProviderUnavailable, TemporaryError.
        """
        check_version(version)
        name = pattern.replace("{version}", version)
        repository, tag = _split(name)
        if not _TAG.fullmatch(tag):
            raise self._missing(pattern, version, f"{tag!r} cannot be the tag of an image")
        if has_registry(repository):
            digest = self._at_registry(name)
            where = f"{name} was asked for at its registry"
        else:
            digest = self._here(name)
            where = f"{name} was looked for among the engine's own images"
        if digest is None:
            raise self._missing(pattern, version, where)
        return Artifact(kind="image", reference=name, digest=digest)

    def ensure(self, artifact: Artifact) -> str:
        """The name to run an artifact by; pulled by digest when it is not here."""
        if not self.present(artifact):
            self._pull(artifact)
        return self.name(artifact)

    def present(self, artifact: Artifact) -> bool:
        """Whether the engine has it now."""
        return self._here(self.name(artifact)) is not None

    def name(self, artifact: Artifact) -> str:
        """`repository@sha256:...`, and for an image without a registry its id."""
        repository, _ = _split(artifact.reference)
        if not has_registry(repository):
            return artifact.digest
        return f"{repository}@{artifact.digest}"

    def lost(self, artifact: Artifact) -> str | None:
        """Why an artifact could not be run again; None when it could."""
        name = self.name(artifact)
        if self._here(name) is not None:
            return None
        if name == artifact.digest:
            return f"image {artifact.reference} ({name[:19]}) is not on the engine any more"
        try:
            found = self._at_registry(name)
        except OrchestrateError as problem:
            return f"{name} is not here, and {problem.message}"
        return None if found else f"{name} is neither here nor at its registry"

    def pullable(self, artifact: Artifact) -> bool:
        """Whether its registry would give it again now. False when it cannot be asked."""
        name = self.name(artifact)
        try:
            return name != artifact.digest and self._at_registry(name) is not None
        except OrchestrateError as problem:
            log.info("%s is kept: %s", name, problem.message)
            return False

    def forget(self, artifact: Artifact) -> None:
        """Let go of an image that was pulled. One that any container has, stays."""
        name = self.name(artifact)
        if name == artifact.digest:
            return
        try:
            with told(f"{name} was not removed"):
                client(self.host).remove_image(name)
        except (Absent, Conflict):
            return  # gone, or in use by somebody

    def versions(self, pattern: str) -> list[str]:
        """Versions of `pattern` that the engine has."""
        repository, tag = pattern.rsplit(":", 1)
        with told("its images were not listed"):
            found = items(client(self.host).images(name=repository))
        names = [str(t) for each in found for t in _texts(each.get("RepoTags"))]
        before, _, after = tag.partition("{version}")
        fits = re.compile(f"{re.escape(repository)}:{re.escape(before)}(.+){re.escape(after)}")
        return sorted({m[1] for name in names if (m := fits.fullmatch(name))}, key=_by_number)

    def login(self) -> Mapping[str, str] | None:
        """User and password, from the secrets that config names. Raises SecretMissing."""
        if self.credentials is None:
            return None
        return {
            "username": self.secrets.get(self.credentials.username).reveal(),
            "password": self.secrets.get(self.credentials.password).reveal(),
        }

    def _here(self, name: str) -> str | None:
        """The id of an image on the engine."""
        try:
            return str(inspect(self.host, name)["Id"])
        except Absent:
            return None

    def _at_registry(self, name: str) -> str | None:
        """The digest of a name at its registry, None when it has no such image."""
        login = self.login()
        try:
            with told(f"{name} was not asked for"):
                auth = dict(login) if login else None
                ask = client(self.host).inspect_distribution
                found: Json = ask(name, auth)  # type: ignore[no-untyped-call]  # as in the stubs
        except Absent as problem:
            if _DENIED.search(str(problem)):
                raise _denied(name, str(problem)) from problem
            return None
        except StepFailed as problem:
            said = "; ".join(problem.why)
            if _DENIED.search(said):
                raise _denied(name, said) from problem
            if _UNKNOWN.search(said):
                return None
            raise TemporaryError(
                f"the registry of {name} does not answer", why=[said], retry_after_s=5.0
            ) from problem
        return str(part(found, "Descriptor")["digest"])

    def _pull(self, artifact: Artifact) -> None:
        name = self.name(artifact)
        if name == artifact.digest:
            raise ArtifactMissing(
                f"image {artifact.reference} is not on the engine any more",
                why=[f"it was pinned as {name}, and no registry has it"],
                fix=["build or load it again, and plan anew"],
            )
        login = self.login()
        repository, _ = _split(artifact.reference)
        try:
            with told(f"{name} was not pulled"):
                said = client(self.host).pull(
                    repository,
                    tag=artifact.digest,
                    stream=True,
                    decode=True,
                    auth_config=dict(login) if login else None,
                )
                # A pull that fails does so inside an answer that began well.
                failed = [str(line["error"]) for line in said if "error" in line]
        except Absent as problem:
            failed = [str(problem)]
        except StepFailed as problem:  # the registry failed before the answer began
            failed = ["; ".join(problem.why)]
        if failed:
            raise _not_pulled(name, failed[-1])
        if self._here(name) is None:
            raise _not_pulled(name, "its answer ended before the image was here")

    def _missing(self, pattern: str, version: str, where: str) -> ArtifactMissing:
        there = self.versions(pattern)
        near = did_you_mean(version, there)
        known = ", ".join(there[-10:])
        return ArtifactMissing(
            f"there is no image for version {version}",
            why=[where, f"the engine has: {known}" if there else "the engine has none of it"],
            fix=[f"did you mean {near[0]}?"] if near else ["build or push it, or choose another"],
        )


def inspect(host: Host, name: str) -> Json:
    """All the engine says of an image. Raises Absent."""
    with told(f"{name} was not looked at"):
        found: Json = client(host).inspect_image(name)  # type: ignore[no-untyped-call]  # stubs
    return found


def has_registry(repository: str) -> bool:
    """Whether a repository's name begins with a host."""
    first, slash, _ = repository.partition("/")
    return bool(slash) and ("." in first or ":" in first or first == "localhost")


def _split(name: str) -> tuple[str, str]:
    """Repository and tag of `host:5000/shop:1.0.0`."""
    repository, _, tag = name.rpartition(":")
    return repository, tag


def _not_pulled(name: str, said: str) -> OrchestrateError:
    if _DENIED.search(said):
        return _denied(name, said)
    if _UNKNOWN.search(said):
        return ArtifactMissing(f"{name} is not at its registry", why=[said])
    if "no space left on device" in said:
        return DiskFull(f"the engine's disk is full: {name} was not pulled", why=[said])
    return TemporaryError(f"{name} was not pulled", why=[said], retry_after_s=5.0)


def _denied(name: str, said: str) -> ProviderUnavailable:
    return ProviderUnavailable(
        f"the registry refuses {name}",
        why=[said],
        fix=[
            "store user and password as secrets of the environment, and name them as `credentials`"
            " in config: {username: NAME, password: NAME}",
            "or log in as the service's user: docker login",
        ],
    )


def _texts(found: object) -> list[str]:
    return [str(each) for each in found] if isinstance(found, list) else []


def _by_number(version: str) -> list[tuple[int, str]]:
    return [
        (int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"[.+-]", version)
    ]
