"""Detached signatures of files: minisign here, GPG by its program in a home of its own."""

import base64
import binascii
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from orchestrate.core.errors import ProviderUnavailable, SignatureInvalid, Unsigned
from orchestrate.providers.artifacts.signatures import Signed

MOST_BYTES = 64 * 1024
"""Of a signature."""
TIMEOUT_S = 60
_GOOD = re.compile(r"^\[GNUPG:\] VALIDSIG ([0-9A-F]{40,64}) .* ([0-9A-F]{40,64})$", re.MULTILINE)
_BAD = ("BADSIG", "ERRSIG", "EXPSIG", "EXPKEYSIG", "REVKEYSIG", "KEYREVOKED", "KEYEXPIRED")
_PRINT = re.compile(r"^fpr:+([0-9A-F]{40,64}):", re.MULTILINE)


def beside(path: str, *suffixes: str) -> bytes:
    """The signature that lies beside a file. Raises Unsigned, SignatureInvalid."""
    for suffix in suffixes:
        try:
            handle = os.open(path + suffix, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        except OSError as problem:
            raise SignatureInvalid(
                f"{os.path.basename(path)}{suffix} cannot be read", why=[str(problem.strerror)]
            ) from problem
        with os.fdopen(handle, "rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise SignatureInvalid(f"{os.path.basename(path)}{suffix} is too large to be one")
        return content
    raise Unsigned(
        f"{os.path.basename(path)} is not signed",
        why=[f"beside it is no {' or '.join(f'*{suffix}' for suffix in suffixes)}"],
        fix=["sign it, and put the signature beside it"],
    )


# -- minisign


@dataclass(frozen=True)
class _MiniKey:
    number: bytes
    key: Ed25519PublicKey

    @property
    def name(self) -> str:
        return self.number[::-1].hex().upper()


def minisign(path: str, digest: str, public: str) -> Signed:
    """That `public` signed the file at `path`, whose content is `digest`."""
    key = _mini_key(public)
    signature, trusted, whole = _mini_signature(beside(path, ".minisig").decode("utf-8", "replace"))
    kind, number, signed = signature[:2], signature[2:10], signature[10:]
    if kind != b"ED":
        raise SignatureInvalid(
            f"the signature of {os.path.basename(path)} is of the old kind, which is not hashed",
            fix=["sign it again with minisign 0.8 or newer"],
        )
    if number != key.number:
        raise SignatureInvalid(
            f"{os.path.basename(path)} is signed with another key",
            why=[f"by {number[::-1].hex().upper()}, and {key.name} was expected"],
        )
    message = _blake(path, digest)
    try:
        key.key.verify(signed, message)
        key.key.verify(whole, signed + trusted.encode())
    except InvalidSignature:
        raise SignatureInvalid(
            f"the signature of {os.path.basename(path)} does not fit its content",
            why=["the file or its signature was changed"],
        ) from None
    return Signed(who=f"minisign {key.name}", facts={"key": key.name, "comment": trusted[:200]})


def _mini_key(text: str) -> _MiniKey:
    lines = [line for line in text.splitlines() if line.strip()]
    raw = _raw(lines[-1]) if lines else b""
    if len(raw) != 42 or raw[:2] != b"Ed":
        raise SignatureInvalid("the minisign key is no public key of minisign")
    return _MiniKey(raw[2:10], Ed25519PublicKey.from_public_bytes(raw[10:]))


def _mini_signature(text: str) -> tuple[bytes, str, bytes]:
    """Signature, trusted comment, and the signature over both."""
    lines = text.splitlines()
    prefix = "trusted comment: "
    if len(lines) < 4 or not lines[2].startswith(prefix):
        raise SignatureInvalid("the signature is none of minisign")
    signature, whole = _raw(lines[1]), _raw(lines[3])
    if len(signature) != 74 or len(whole) != 64:
        raise SignatureInvalid("the signature is none of minisign")
    return signature, lines[2].removeprefix(prefix), whole


def _raw(line: str) -> bytes:
    try:
        return base64.b64decode(line.strip(), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _blake(path: str, digest: str) -> bytes:
    """BLAKE2b of the file, while seeing that it is the one with `digest`."""
    blake, sha = hashlib.blake2b(), hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            blake.update(block)
            sha.update(block)
    if f"sha256:{sha.hexdigest()}" != digest:
        raise SignatureInvalid(
            f"{os.path.basename(path)} is no longer what was pinned",
            fix=["look at the plan again: orchestrate deploy diff"],
        )
    return blake.digest()


# -- GPG


def gpg(path: str, digest: str, public: str) -> Signed:
    """That a key of the keyring `public` signed the file at `path`. Raises Unsigned,
    SignatureInvalid, ProviderUnavailable without the program."""
    program = shutil.which("gpg")
    if program is None:
        raise ProviderUnavailable("gpg is not installed", fix=["apt-get install gnupg"])
    signature = beside(path, ".asc", ".sig")
    name = os.path.basename(path)
    with _home(program) as home:
        _write(home, "key.asc", public.encode())
        _write(home, "file.sig", signature)
        _copy(path, os.path.join(home, "file"), digest)
        _gpg(program, home, "--import", "key.asc")
        trusted = _PRINT.findall(_gpg(program, home, "--with-colons", "--fingerprint"))
        said = _gpg(program, home, "--status-fd", "1", "--verify", "file.sig", "file")
    found = _GOOD.findall(said)
    if len(found) != 1 or any(f"[GNUPG:] {bad}" in said for bad in _BAD):
        raise SignatureInvalid(
            f"no signature of {name} is by a key of the keyring",
            why=[_why(said)],
            fix=["sign it with the right key, or find out who signed it"],
        )
    print_, primary = found[0]
    if primary not in trusted:
        raise SignatureInvalid(f"{name} is signed with a key that is not in the keyring")
    return Signed(who=f"GPG key {primary[-16:]}", facts={"key": primary, "subkey": print_})


def _why(said: str) -> str:
    reasons = {
        "NO_PUBKEY": "it is signed with another key",
        "BADSIG": "the file or its signature was changed",
        "EXPKEYSIG": "the key has expired",
        "EXPSIG": "the signature has expired",
        "REVKEYSIG": "the key was revoked",
    }
    for word, reason in reasons.items():
        if f"[GNUPG:] {word}" in said:
            return reason
    return "gpg found no good signature in it"


@contextmanager
def _home(program: str) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="orc-gpg-") as home:
        try:
            yield home
        finally:
            # Whatever gpg started for this home ends with it.
            conf = shutil.which("gpgconf")
            if conf is not None:
                subprocess.run(
                    [conf, "--homedir", home, "--kill", "all"],
                    env=_environment(home),
                    capture_output=True,
                    timeout=TIMEOUT_S,
                    check=False,
                )


def _gpg(program: str, home: str, *arguments: str) -> str:
    usual = ("--batch", "--no-tty", "--no-options", "--no-auto-key-retrieve", "--trust-model",
             "always", "--homedir", home)  # fmt: skip
    try:
        done = subprocess.run(
            [program, *usual, *arguments],
            cwd=home,
            env=_environment(home),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as problem:
        raise SignatureInvalid(f"gpg did not end within {TIMEOUT_S} s") from problem
    return done.stdout.decode("utf-8", "replace")


def _environment(home: str) -> dict[str, str]:
    return {"PATH": os.defpath, "HOME": home, "GNUPGHOME": home, "LANG": "C.UTF-8"}


def _write(home: str, name: str, content: bytes) -> None:
    handle = os.open(os.path.join(home, name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)


def _copy(path: str, to: str, digest: str) -> None:
    """A copy that nobody else can change any more, once it is seen to be the pinned one."""
    sha = hashlib.sha256()
    with open(path, "rb") as source, open(to, "xb") as target:
        while block := source.read(1 << 20):
            sha.update(block)
            target.write(block)
    if f"sha256:{sha.hexdigest()}" != digest:
        raise SignatureInvalid(
            f"{os.path.basename(path)} is no longer what was pinned",
            fix=["look at the plan again: orchestrate deploy diff"],
        )
