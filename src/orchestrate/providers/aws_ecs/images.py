"""Images: which digest a version is, and whether it is still at its registry.

ECR is asked through its own API, as the identity that deploys: no token of a registry is handed
out, and two reading actions are enough. Any other registry is asked as Docker would.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrate.core.errors import ArtifactMissing
from orchestrate.core.names import check_version, did_you_mean
from orchestrate.core.protocols import Secrets
from orchestrate.core.revision import Artifact
from orchestrate.providers.artifacts.registry import HUB, Login, Registry, has_host
from orchestrate.providers.aws_ecs.account import Account
from orchestrate.providers.aws_ecs.errors import Absent, told
from orchestrate.providers.aws_ecs.settings import Settings
from orchestrate.providers.aws_ecs.template import repository_of
from orchestrate.providers.outbound import Outbound

if TYPE_CHECKING:
    from types_boto3_ecr.type_defs import ListImagesRequestTypeDef

_ECR = re.compile(
    r"(?P<account>\d{12})\.dkr[.-]ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?"
    r"|on\.aws)/(?P<name>[a-z0-9._/-]+)"
)
MOST_TAGS = 1000
"""In one answer, by ECR's own limit."""


@dataclass(frozen=True)
class Repository:
    """A repository of images in Amazon ECR."""

    account: str
    region: str
    name: str


class Images:
    """Images by name, at their registries."""

    def __init__(self, account: Account, settings: Settings, secrets: Secrets) -> None:
        self._account, self._secrets = account, secrets
        self._login = settings.registry

    def pin(self, pattern: str, version: str, template: str | None) -> Artifact:
        """The image of a version by its digest. Raises ArtifactMissing, VersionMalformed."""
        reference = pattern.replace("{version}", check_version(version))
        found = self._digest(repository_of(reference), _tag(reference))
        if found is None:
            raise self._missing(pattern, version, reference)
        return Artifact(kind="image", reference=reference, digest=found, template=template)

    def lost(self, artifact: Artifact) -> str | None:
        """Why an image could not be pulled again; None when it could."""
        repository = repository_of(artifact.reference)
        if self._digest(repository, artifact.digest) is not None:
            return None
        return f"{repository}@{artifact.digest[:19]} is not at its registry any more"

    def listed(self, pattern: str) -> bool:
        """Whether its registry says what versions it has."""
        return _ecr(repository_of(pattern)) is not None

    def versions(self, pattern: str) -> list[str]:
        """Versions of `pattern` that have a tag, oldest first. Another registry than ECR is not
        asked for all it has: none."""
        place = _ecr(repository_of(pattern))
        tags = self._ecr_tags(place) if place else []
        before, _, after = _tag(pattern).partition("{version}")
        fits = re.compile(f"{re.escape(before)}(.+){re.escape(after)}")
        return sorted({m[1] for tag in tags if (m := fits.fullmatch(tag))}, key=_by_number)

    def _digest(self, repository: str, reference: str) -> str | None:
        """The digest of a tag or of a digest; None when there is no such image."""
        place = _ecr(repository)
        if place is None:
            found = self._registry(repository).manifest(reference)
            return found.digest if found else None
        kind = "imageDigest" if reference.startswith("sha256:") else "imageTag"
        try:
            with told(f"{place.name} was not looked for"):
                seen = self._account.ecr(place.region).describe_images(
                    registryId=place.account,
                    repositoryName=place.name,
                    imageIds=[{kind: reference}],  # type: ignore[misc]  # one of two
                )["imageDetails"]
        except Absent:
            return None
        return seen[0]["imageDigest"] if seen else None

    def _ecr_tags(self, place: Repository) -> list[str]:
        asked: ListImagesRequestTypeDef = {
            "registryId": place.account,
            "repositoryName": place.name,
            "filter": {"tagStatus": "TAGGED"},
            "maxResults": MOST_TAGS,
        }
        found: list[str] = []
        try:
            while True:
                with told(f"{place.name} was not listed"):
                    answer = self._account.ecr(place.region).list_images(**asked)
                found += [each["imageTag"] for each in answer["imageIds"] if "imageTag" in each]
                if "nextToken" not in answer:
                    return found
                asked["nextToken"] = answer["nextToken"]
        except Absent:
            return []

    def _registry(self, repository: str) -> Registry:
        login = None
        if self._login is not None:
            user = self._secrets.get(self._login.username).reveal()
            login = Login(user, self._secrets.get(self._login.password))
        # Without a host ECS pulls from Docker Hub.
        named = repository if has_host(repository) else f"{HUB}/{repository}"
        return Registry(named, Outbound(), login)

    def _missing(self, pattern: str, version: str, reference: str) -> ArtifactMissing:
        there = self.versions(pattern)
        near = did_you_mean(version, there)
        known = ", ".join(there[-10:])
        return ArtifactMissing(
            f"there is no image for version {version}",
            why=[
                f"{reference} is not at its registry",
                *([f"it has: {known}"] if there else []),
            ],
            fix=[f"did you mean {near[0]}?"] if near else ["push it, or choose another"],
        )


def _tag(reference: str) -> str:
    return reference.removeprefix(repository_of(reference)).removeprefix(":")


def _ecr(repository: str) -> Repository | None:
    """A repository's place in ECR; None for one of another registry."""
    found = _ECR.fullmatch(repository)
    return Repository(found["account"], found["region"], found["name"]) if found else None


def _by_number(version: str) -> list[tuple[int, str]]:
    return [
        (int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"[.+-]", version)
    ]
