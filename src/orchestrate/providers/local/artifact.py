"""Artifacts on this machine: pinning a version, and putting its files in place."""

import hashlib
import os
import re
from collections.abc import Callable

from orchestrate.core.errors import ArtifactInvalid, ArtifactMissing, DiskFull
from orchestrate.core.names import check_version, did_you_mean
from orchestrate.core.revision import Artifact
from orchestrate.providers.artifacts import git
from orchestrate.providers.local import tree, unpack
from orchestrate.providers.local.settings import GitSource, Settings
from orchestrate.providers.local.unpack import Target
from orchestrate.providers.processes.disk import free_bytes, told_when_full

ARCHIVES = (".tar.gz", ".tgz", ".tar", ".zip")


def pin(settings: Settings, version: str) -> Artifact:
    """What `version` is, by digest. Raises ArtifactMissing, ArtifactInvalid, VersionMalformed."""
    check_version(version)
    source = settings.artifact
    if isinstance(source, GitSource):
        repository = _path(settings, source.repository)
        commit = git.commit_of(repository, source.ref.replace("{version}", version))
        if commit is None:
            raise _missing(settings, version, f"{source.ref} in {source.repository}")
        return Artifact(kind="git", reference=repository, digest=f"git:{commit}")
    path = _path(settings, source.replace("{version}", version))
    if os.path.isdir(path):
        found = tree.digest(path, settings.most_files)
        return Artifact(kind="directory", reference=path, digest=found)
    if not os.path.isfile(path):
        raise _missing(settings, version, path)
    if not path.endswith(ARCHIVES):
        raise ArtifactInvalid(
            f"{os.path.basename(path)} is no directory and no archive",
            why=[f"known archives end with {', '.join(ARCHIVES)}"],
            fix=["pack it, or name the directory in `artifact`"],
        )
    with open(path, "rb") as file:
        found = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    return Artifact(kind="archive", reference=path, digest=found)


def place(artifact: Artifact, settings: Settings, directory: str, cache: str) -> int:
    """Put an artifact's files into the new directory; returns how many.

    What lies at the reference must still have the pinned digest: ArtifactInvalid otherwise.
    Raises DiskFull; what was written is removed then, and in every other failure.
    """
    unpack.discard(directory)
    target = Target(directory, settings.most_files, settings.most_bytes)
    try:
        _refuse_full(artifact, os.path.dirname(directory), settings)
        with told_when_full("the version could not be unpacked"):
            os.mkdir(directory, 0o700)
            _FILL[artifact.kind](artifact, settings, target, cache)
            target.seal()
    except FileNotFoundError as problem:
        unpack.discard(directory)
        raise ArtifactMissing(
            f"{artifact.reference} is not there any more", why=[str(problem)]
        ) from problem
    except BaseException:
        unpack.discard(directory)
        raise
    return target.files


def versions(settings: Settings) -> list[str]:
    """The versions there are, as far as `artifact` has a `{version}` to find them by."""
    source = settings.artifact
    if isinstance(source, GitSource):
        names = git.tags(_path(settings, source.repository))
        return _matching(source.ref, names)
    parts = source.split("/")
    at = next((i for i, part in enumerate(parts) if "{version}" in part), None)
    if at is None:
        return []
    folder = _path(settings, "/".join(parts[:at]) or ".")
    if not os.path.isdir(folder):
        return []
    return sorted(_matching(parts[at], os.listdir(folder)), key=_by_number)


def _from_directory(artifact: Artifact, settings: Settings, target: Target, cache: str) -> None:
    if not os.path.isdir(artifact.reference):
        raise FileNotFoundError(artifact.reference)
    _same(artifact, unpack.from_directory(artifact.reference, target))


def _from_archive(artifact: Artifact, settings: Settings, target: Target, cache: str) -> None:
    with tree.open_file(artifact.reference) as file:
        _same(artifact, f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}")
        file.seek(0)
        unpack.from_archive(artifact.reference, file, target)


def _from_git(artifact: Artifact, settings: Settings, target: Target, cache: str) -> None:
    source = settings.artifact
    below = source.subdirectory if isinstance(source, GitSource) else ""
    commit = artifact.digest.removeprefix("git:")
    with git.archive(artifact.reference, commit, cache) as stream:
        unpack.from_tar(stream, target, compressed=False, links=True, below=below)
    if target.files == 0:
        raise ArtifactMissing(f"commit {commit[:12]} has nothing in {below or 'it'}")


_FILL: dict[str, Callable[[Artifact, Settings, Target, str], None]] = {
    "directory": _from_directory,
    "archive": _from_archive,
    "git": _from_git,
}


def _same(artifact: Artifact, found: str) -> None:
    if found != artifact.digest:
        raise ArtifactInvalid(
            f"{artifact.reference} was changed after it was pinned",
            why=[f"pinned {artifact.digest}", f"found {found}"],
            fix=["plan again to deploy what is there now"],
        )


def _refuse_full(artifact: Artifact, folder: str, settings: Settings) -> None:
    """Refuse before a byte is written what cannot fit anyway."""
    needed = 0
    if artifact.kind == "directory" and os.path.isdir(artifact.reference):
        needed = sum(e.size for e in tree.entries(artifact.reference, settings.most_files))
    elif artifact.kind == "archive":
        needed = os.path.getsize(artifact.reference)
    free = free_bytes(folder)
    if needed > free:
        raise DiskFull(
            "the disk is too full to unpack this version",
            why=[f"it needs {needed} bytes at least", f"{free} are free at {folder}"],
            fix=["free some space, then deploy again; what runs was not touched"],
        )


def _missing(settings: Settings, version: str, where: str) -> ArtifactMissing:
    there = versions(settings)
    near = did_you_mean(version, there)
    return ArtifactMissing(
        f"there is no artifact for version {version}",
        why=[
            f"looked for {where}",
            f"there are: {', '.join(there[-10:])}" if there else "no version was found there",
        ],
        fix=[f"did you mean {near[0]}?"] if near else ["build it, or choose one that is there"],
    )


def _matching(pattern: str, names: list[str]) -> list[str]:
    before, _, after = pattern.partition("{version}")
    fits = re.compile(f"{re.escape(before)}(.+){re.escape(after)}")
    return [match[1] for name in names if (match := fits.fullmatch(name))]


def _by_number(version: str) -> list[tuple[int, str]]:
    return [
        (int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"[.+-]", version)
    ]


def _path(settings: Settings, path: str) -> str:
    if not git.is_local(path):
        return path
    return os.path.normpath(os.path.join(settings.root, os.path.expanduser(path)))
