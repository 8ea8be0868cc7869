"""Unpacked versions of one environment: one read-only directory per revision."""

import json
import os

from orchestrate.core.revision import Artifact, Revision
from orchestrate.providers.local import artifact as artifacts
from orchestrate.providers.local import unpack
from orchestrate.providers.local.settings import Settings
from orchestrate.providers.processes.disk import told_when_full
from orchestrate.providers.processes.files import (
    locked,
    private_directory,
    read_json,
    remove,
    replace,
)


class Versions:
    """The directory `versions/` of an environment."""

    def __init__(self, directory: str) -> None:
        self.directory = directory

    def ensure(self, revision: Revision, settings: Settings) -> str:
        """The directory with a revision's files, unpacked now when it is not there."""
        private_directory(self.directory)
        with locked(self._path(f"{revision.key}.lock")):
            if not self.has(revision.key, revision.artifact):
                self._unpack(revision, settings)
        return self.path(revision.key)

    def has(self, key: str, artifact: Artifact) -> bool:
        """Whether a whole, untouched directory for this very artifact is there."""
        marker = read_json(self._marker(key))
        try:
            found = os.stat(self.path(key))
        except FileNotFoundError:
            return False
        return (
            marker is not None
            and marker.get("digest") == artifact.digest
            and marker.get("inode") == found.st_ino
        )

    def path(self, key: str) -> str:
        return self._path(key)

    def prune(self, keep: set[str], most: int) -> list[str]:
        """Remove the oldest beyond `most`, never one of `keep`; returns the keys removed."""
        if not os.path.isdir(self.directory):
            return []
        names = [n for n in os.listdir(self.directory) if os.path.exists(self._marker(n))]
        spare = sorted(set(names) - keep, key=lambda n: os.stat(self._path(n)).st_ctime_ns)
        old = spare[: max(0, len(spare) - most)]
        for key in old:
            with locked(self._path(f"{key}.lock")):
                remove(self._marker(key))
                unpack.discard(self.path(key))
        return old

    def _unpack(self, revision: Revision, settings: Settings) -> None:
        part = self._path(f"{revision.key}.part")
        remove(self._marker(revision.key))
        unpack.discard(self.path(revision.key))
        files = artifacts.place(revision.artifact, settings, part, f"{self.directory}-git")
        os.rename(part, self.path(revision.key))
        inode = os.stat(self.path(revision.key)).st_ino
        record = {"digest": revision.artifact.digest, "files": files, "inode": inode}
        with told_when_full("the version could not be unpacked"):
            replace(self._marker(revision.key), json.dumps(record))

    def _marker(self, key: str) -> str:
        return self._path(f"{key}.json")

    def _path(self, name: str) -> str:
        return os.path.join(self.directory, name)
