"""Which commit a version is: what tests and scans are about."""

from dataclasses import dataclass
from pathlib import Path

from orchestrate.core.errors import NoDataError
from orchestrate.core.revision import Artifact
from orchestrate.engine.checks.registries import registry_of
from orchestrate.engine.checks.subject import Subject
from orchestrate.providers.artifacts import git
from orchestrate.providers.artifacts.registry import REVISION_LABEL

_HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True)
class Commit:
    sha: str
    """40 hexadecimal characters."""
    repository: str
    """Where its files are had from."""
    how: str
    """How it is known, in a few words."""

    @property
    def about(self) -> str:
        return f"git:{self.sha}"

    @property
    def short(self) -> str:
        return self.sha[:7]


def commit_of(subject: Subject) -> Commit:
    """The commit of the version that is to be deployed.

    Raises NoDataError when nothing says it: a test of some other commit proves nothing.
    """
    artifact = subject.artifact
    if artifact.digest.startswith("git:"):
        sha = artifact.digest.removeprefix("git:")
        return Commit(sha, subject.checks.source.repository or artifact.reference, "the artifact")
    labelled = _labelled(subject, artifact) if artifact.kind == "image" else None
    if labelled is not None:
        return Commit(labelled, _repository(subject), f"the image's label {REVISION_LABEL}")
    tag = subject.checks.source.tag
    if tag is not None and subject.version is not None:
        name = tag.replace("{version}", subject.version)
        repository = _repository(subject)
        tagged = git.commit_of(repository, f"refs/tags/{name}")
        if tagged is not None:
            return Commit(tagged, repository, f"the tag {name}")
        raise NoDataError(f"{repository} has no tag {name}", fix=["push the tag, and ask again"])
    label = f" and the image has no label {REVISION_LABEL}" if artifact.kind == "image" else ""
    raise NoDataError(
        f"nothing says which commit {subject.version} is",
        why=[f"a {artifact.kind} does not say it{label}"],
        fix=["say how versions are tagged: checks.source.tag: v{version}"],
    )


def _labelled(subject: Subject, artifact: Artifact) -> str | None:
    labels = registry_of(subject, artifact).labels(artifact.digest)
    found = labels.get(REVISION_LABEL, "").strip().lower()
    return found if len(found) == 40 and set(found) <= _HEX else None


def _repository(subject: Subject) -> str:
    root = subject.site.environment.config.get("root")
    base = root if isinstance(root, str) else "."
    source = subject.checks.source.repository
    if source is None:
        return base
    return str(Path(base) / source) if git.is_local(source) else source
