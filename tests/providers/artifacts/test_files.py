"""Detached signatures of files, made by the real programs."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrate.core.errors import SignatureInvalid, Unsigned
from orchestrate.providers.artifacts.signatures import Signed, files
from tests.support.real import need_program

pytestmark = pytest.mark.system

Verify = Callable[[str, str, str], Signed]


@dataclass
class Signer:
    """One who signs with a real program. `public` is the key as it is configured."""

    verify: Verify
    public: str
    sign: Callable[[Path], Path]


def digest_of(path: Path) -> str:
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def minisigner(folder: Path) -> Signer:
    program = need_program("minisign", "apt-get install minisign")
    folder.mkdir()
    secret, public = folder / "k.key", folder / "k.pub"
    run(program, "-G", "-W", "-f", "-s", str(secret), "-p", str(public))

    def sign(path: Path) -> Path:
        run(program, "-S", "-s", str(secret), "-m", str(path), "-t", "shop 1.0.0")
        return path.with_name(path.name + ".minisig")

    return Signer(files.minisign, public.read_text(), sign)


def gpg_signer(folder: Path) -> Signer:
    program = need_program("gpg", "apt-get install gnupg")
    folder.mkdir(mode=0o700)
    usual = (program, "--homedir", str(folder), "--batch", "--pinentry-mode", "loopback",
             "--passphrase", "")  # fmt: skip
    run(*usual, "--quick-generate-key", f"{folder.name}@example.com", "ed25519", "sign", "never")
    exported = run(*usual, "--armor", "--export")

    def sign(path: Path) -> Path:
        run(*usual, "--armor", "--yes", "--detach-sign", str(path))
        return path.with_name(path.name + ".asc")

    return Signer(files.gpg, exported, sign)


def run(*arguments: str) -> str:
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(params=["minisign", "gpg"])
def make(request: pytest.FixtureRequest, tmp_path: Path):  # type: ignore[no-untyped-def]
    """Makes signers of one kind; what their programs left running is ended."""
    made: list[Path] = []

    def signer(name: str) -> Signer:
        made.append(tmp_path / name)
        return (minisigner if request.param == "minisign" else gpg_signer)(tmp_path / name)

    yield signer
    for home in made:
        if request.param == "gpg":
            run("gpgconf", "--homedir", str(home), "--kill", "all")


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    path = tmp_path / "shop-1.0.0.tar.gz"
    path.write_bytes(b"content" * 1000)
    return path


Make = Callable[[str], Signer]


def test_a_signature_by_the_key_holds(make: Make, artifact: Path) -> None:
    ours = make("ours")
    ours.sign(artifact)
    signed = ours.verify(str(artifact), digest_of(artifact), ours.public)
    assert signed.facts["key"]


@pytest.mark.attack("AR05", "a file that nobody signed", "refused: not signed")
def test_a_file_without_a_signature_is_refused(make: Make, artifact: Path) -> None:
    ours = make("ours")
    with pytest.raises(Unsigned, match="is not signed"):
        ours.verify(str(artifact), digest_of(artifact), ours.public)


@pytest.mark.attack("AR05", "a file signed with another key", "refused: another key")
def test_a_signature_by_another_key_is_refused(make: Make, artifact: Path) -> None:
    ours, theirs = make("ours"), make("theirs")
    theirs.sign(artifact)
    with pytest.raises(SignatureInvalid) as caught:
        ours.verify(str(artifact), digest_of(artifact), ours.public)
    assert "another key" in str(caught.value.as_dict())


@pytest.mark.attack("AR05", "a signature copied from another file", "refused: does not fit")
def test_a_signature_of_another_file_is_refused(make: Make, artifact: Path) -> None:
    ours = make("ours")
    signature = ours.sign(artifact).read_bytes()
    other = artifact.with_name("shop-1.1.0.tar.gz")
    other.write_bytes(b"another")
    suffix = ".minisig" if ours.verify is files.minisign else ".asc"
    other.with_name(other.name + suffix).write_bytes(signature)
    with pytest.raises(SignatureInvalid) as caught:
        ours.verify(str(other), digest_of(other), ours.public)
    assert "changed" in str(caught.value.as_dict())


@pytest.mark.attack(
    "AR07", "a file exchanged after it was pinned, with a good signature", "refused"
)
def test_a_file_that_is_not_the_pinned_one_is_refused(make: Make, artifact: Path) -> None:
    ours = make("ours")
    pinned = digest_of(artifact)
    artifact.write_bytes(b"exchanged")
    ours.sign(artifact)
    with pytest.raises(SignatureInvalid, match="no longer what was pinned"):
        ours.verify(str(artifact), pinned, ours.public)


@pytest.mark.parametrize("content", [b"", b"nothing\n", b"\n\n\n\n\n", b"\xff" * 300])
def test_a_signature_that_is_none_is_refused(make: Make, artifact: Path, content: bytes) -> None:
    ours = make("ours")
    ours.sign(artifact).write_bytes(content)
    with pytest.raises(SignatureInvalid):
        ours.verify(str(artifact), digest_of(artifact), ours.public)


def test_a_signature_that_is_a_link_is_not_followed(make: Make, artifact: Path) -> None:
    ours = make("ours")
    signature = ours.sign(artifact)
    moved = signature.rename(signature.with_name("elsewhere"))
    os.symlink(moved, signature)
    with pytest.raises(SignatureInvalid, match="cannot be read"):
        ours.verify(str(artifact), digest_of(artifact), ours.public)


def test_a_key_that_is_none_verifies_nothing(make: Make, artifact: Path) -> None:
    ours = make("ours")
    ours.sign(artifact)
    with pytest.raises(SignatureInvalid):
        ours.verify(str(artifact), digest_of(artifact), "no key\n")


def test_the_trusted_comment_of_minisign_is_signed_too(tmp_path: Path, artifact: Path) -> None:
    ours = minisigner(tmp_path / "ours")
    signature = ours.sign(artifact)
    signature.write_text(signature.read_text().replace("shop 1.0.0", "shop 9.9.9"))
    with pytest.raises(SignatureInvalid, match="does not fit"):
        ours.verify(str(artifact), digest_of(artifact), ours.public)
