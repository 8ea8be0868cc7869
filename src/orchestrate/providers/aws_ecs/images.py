"""Images: which digest a version is, and whether it is still at its registry."""

from __future__ import annotations

import re
from dataclasses import dataclass

from orchestrate.core.errors import ArtifactMissing, ProviderUnavailable
from orchestrate.core.names import check_version, did_you_mean
from orchestrate.core.revision import Artifact
from orchestrate.providers.aws_ecs.account import Account
from orchestrate.providers.aws_ecs.errors import Absent, told
from orchestrate.providers.aws_ecs.template import repository_of

_ECR = re.compile(
    r"(?P<account>\d{12})\.dkr[.-]ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?"
    r"|on\.aws)/(?P<name>[a-z0-9._/-]+)"
)
MOST_TAGS = 1000


@dataclass(frozen=True)
class Repository:
    """A repository of images in Amazon ECR."""

    account: str
    region: str
    name: str


class Images:
    """Images in ECR, asked for through its API as the same identity that deploys."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def pin(self, pattern: str, version: str, template: str | None) -> Artifact:
        """The image of a version by its digest. Raises ArtifactMissing, VersionMalformed."""
        reference = pattern.replace("{version}", check_version(version))
        tag = reference.removeprefix(repository_of(reference)).removeprefix(":")
        where = _repository(reference)
        found = self._digest(where, {"imageTag": tag})
        if found is None:
            raise self._missing(where, pattern, version, reference)
        return Artifact(kind="image", reference=reference, digest=found, template=template)

    def lost(self, artifact: Artifact) -> str | None:
        """Why an image could not be pulled again; None when it could."""
        where = _repository(artifact.reference)
        if self._digest(where, {"imageDigest": artifact.digest}) is not None:
            return None
        return f"{repository_of(artifact.reference)}@{artifact.digest[:19]} is not in ECR any more"

    def _digest(self, where: Repository, image: dict[str, str]) -> str | None:
        try:
            with told(f"{where.name} was not looked for"):
                found = self._account.ecr(where.region).describe_images(
                    registryId=where.account,
                    repositoryName=where.name,
                    imageIds=[image],  # type: ignore[list-item]  # one of its two members
                )["imageDetails"]
        except Absent:
            return None
        return found[0]["imageDigest"] if found else None

    def _missing(
        self, where: Repository, pattern: str, version: str, reference: str
    ) -> ArtifactMissing:
        there = self.versions(pattern)
        near = did_you_mean(version, there)
        known = ", ".join(there[-10:])
        return ArtifactMissing(
            f"there is no image for version {version}",
            why=[
                f"{reference} is not in ECR",
                f"{where.name} has: {known}" if there else f"{where.name} has none",
            ],
            fix=[f"did you mean {near[0]}?"] if near else ["push it, or choose another"],
        )

    def versions(self, pattern: str) -> list[str]:
        """Versions of `pattern` that have a tag, oldest first."""
        where = _repository(pattern)
        try:
            with told(f"{where.name} was not listed"):
                found = self._account.ecr(where.region).list_images(
                    registryId=where.account,
                    repositoryName=where.name,
                    filter={"tagStatus": "TAGGED"},
                    maxResults=MOST_TAGS,
                )["imageIds"]
        except Absent:
            return []
        before, _, after = pattern.rpartition(":")[2].partition("{version}")
        fits = re.compile(f"{re.escape(before)}(.+){re.escape(after)}")
        tags = [each["imageTag"] for each in found if "imageTag" in each]
        return sorted({m[1] for tag in tags if (m := fits.fullmatch(tag))}, key=_by_number)


def _repository(reference: str) -> Repository:
    found = _ECR.fullmatch(repository_of(reference))
    if found is None:
        raise ProviderUnavailable(
            f"{repository_of(reference)} is not a repository in Amazon ECR",
            why=["its digest is asked for through ECR, as the identity that deploys"],
            fix=[
                "push the image to ECR, or let ECR pull through: aws ecr"
                " create-pull-through-cache-rule"
            ],
        )
    return Repository(found["account"], found["region"], found["name"])


def _by_number(version: str) -> list[tuple[int, str]]:
    return [
        (int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"[.+-]", version)
    ]
