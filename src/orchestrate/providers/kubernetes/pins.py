"""Manifests that were deployed, kept by their digest below the service's home."""

import json
import os

from orchestrate.core.canonical import digest
from orchestrate.core.errors import NotRestorable
from orchestrate.core.revision import Artifact
from orchestrate.providers.kubernetes.objects import Json
from orchestrate.providers.processes.disk import told_when_full
from orchestrate.providers.processes.files import private_directory, replace

KIND = "manifests"
IMAGE = "image"


class Pins:
    """A directory with a file for each set of manifests."""

    def __init__(self, directory: str) -> None:
        self.directory = directory

    def pin(self, image: str, image_digest: str, objects: list[Json]) -> Artifact:
        """The artifact of an image and its manifests, which are kept. Without manifests the image
        alone: what is built in follows from the revision's config."""
        if not objects:
            return Artifact(kind=IMAGE, reference=image, digest=image_digest)
        whole = digest({"image": image_digest, "objects": objects})
        private_directory(self.directory)
        with told_when_full("the manifests were not kept"):
            replace(self._path(whole), json.dumps({"image": image_digest, "objects": objects}))
        return Artifact(kind=KIND, reference=f"{image}@{image_digest}", digest=whole)

    def objects(self, artifact: Artifact) -> list[Json]:
        """The manifests of an artifact. Raises NotRestorable when they are lost."""
        if artifact.kind == IMAGE:
            return []
        try:
            with open(self._path(artifact.digest), encoding="utf-8") as file:
                found = json.load(file)
        except FileNotFoundError as problem:
            raise NotRestorable(
                f"the manifests of {artifact.reference} are not kept here",
                why=[f"{self._path(artifact.digest)} is gone, or was written on another machine"],
                fix=["deploy the version anew"],
            ) from problem
        return [each for each in found["objects"] if isinstance(each, dict)]

    def newest(self) -> list[Json]:
        """The manifests that were kept last; none where none are."""
        try:
            paths = [each.path for each in os.scandir(self.directory)]
        except FileNotFoundError:
            return []
        for path in sorted(paths, key=os.path.getmtime)[-1:]:
            with open(path, encoding="utf-8") as file:
                found = json.load(file)
            return [each for each in found["objects"] if isinstance(each, dict)]
        return []

    def has(self, artifact: Artifact) -> bool:
        return artifact.kind == IMAGE or os.path.exists(self._path(artifact.digest))

    def _path(self, name: str) -> str:
        return os.path.join(self.directory, f"{name.removeprefix('sha256:')}.json")


def image_of(artifact: Artifact) -> str:
    """`registry/repository@sha256:...` of an artifact."""
    reference, at, digest = artifact.reference.partition("@")
    return pinned(reference, digest if at else artifact.digest)


def pinned(image: str, digest: str) -> str:
    """An image's name with its digest in place of its tag."""
    host, slash, path = image.partition("/")
    return f"{host}{slash}{path.partition(':')[0]}@{digest}"
