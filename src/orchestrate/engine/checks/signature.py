"""Has the one who should have signed the artifact signed it?

What is verified is the digest that the plan pinned, and by digest it is deployed: a tag that moves
meanwhile changes nothing.
"""

from orchestrate.core.canonical import short
from orchestrate.core.check import CheckResult
from orchestrate.core.deployment import Kind
from orchestrate.core.errors import ArtifactInvalid, SignatureInvalid, Unsigned
from orchestrate.core.revision import Artifact
from orchestrate.core.validation import Signature
from orchestrate.engine.checks.registries import registry_of
from orchestrate.engine.checks.subject import Subject
from orchestrate.providers.artifacts.signatures import Signed, cosign, files, keyless

NAME = "signature"
_NOT_SIGNED = (Unsigned, SignatureInvalid, ArtifactInvalid)


def check(subject: Subject) -> list[CheckResult]:
    wanted = subject.checks.signature
    if wanted is None:
        return [CheckResult(NAME, "skipped", "none configured")]
    if subject.version is None or subject.kind is not Kind.DEPLOY:
        return [CheckResult(NAME, "skipped", "only a version that is to be deployed is asked")]
    if subject.lost:
        return [CheckResult(NAME, "skipped", "there is no artifact to ask about")]
    artifact = subject.artifact
    source = f"{wanted.who}, {artifact.reference}"
    try:
        signed = _verified(subject, wanted, artifact)
    except _NOT_SIGNED as problem:
        why = f": {problem.why[0]}" if problem.why else ""
        seen = subject.seen(artifact.digest, source, result=problem.code)
        fix = next(iter(problem.fix), None)
        text = f"{problem.message}{why}"
        return [CheckResult(NAME, "fail", text, fix, code=problem.code, evidence=seen)]
    text = f"{wanted.who} covers {short(artifact.digest)}"
    seen = subject.seen(artifact.digest, source, **signed.facts)
    return [CheckResult(NAME, "pass", text, evidence=seen)]


def _verified(subject: Subject, wanted: Signature, artifact: Artifact) -> Signed:
    if artifact.kind == "image":
        return _image(subject, wanted, artifact)
    if artifact.kind == "archive":
        return _file(wanted, artifact)
    raise ArtifactInvalid(
        f"a {artifact.kind} cannot be signed",
        why=["images and archives can"],
        fix=["deploy an image or an archive, or take signature out of checks"],
    )


def _image(subject: Subject, wanted: Signature, artifact: Artifact) -> Signed:
    registry = registry_of(subject, artifact)
    if wanted.cosign is not None:
        return cosign.verify(registry, artifact.digest, wanted.cosign.text)
    if wanted.sigstore is not None:
        return keyless.verify_image(registry, artifact.digest, wanted.sigstore)
    raise _wrong_kind("images are signed with cosign or sigstore")


def _file(wanted: Signature, artifact: Artifact) -> Signed:
    path, digest = artifact.reference, artifact.digest
    if wanted.minisign is not None:
        return files.minisign(path, digest, wanted.minisign.text)
    if wanted.gpg is not None:
        return files.gpg(path, digest, wanted.gpg.text)
    if wanted.sigstore is not None:
        return keyless.verify_file(path, digest, wanted.sigstore)
    raise _wrong_kind("files are signed with gpg, minisign or sigstore")


def _wrong_kind(why: str) -> ArtifactInvalid:
    return ArtifactInvalid(
        "checks.signature is of another kind than the artifact",
        why=[why],
        fix=["correct checks.signature in orchestrate.yaml"],
    )
