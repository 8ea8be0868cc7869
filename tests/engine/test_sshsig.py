"""SSH signatures: those of the real ssh-keygen, of keys in hardware, and what is no signature."""

from __future__ import annotations

import base64
import hashlib
import re
import struct
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from orchestrate.core.approval import NAMESPACE
from orchestrate.core.errors import ApprovalInvalid
from orchestrate.engine import sshsig
from tests.support.approvers import person

TEXT = "orchestrate-approval/v1\nplan sha256:aa\ndecision approve\n"
KINDS = [("ed25519", None), ("ecdsa", 256), ("ecdsa", 384), ("ecdsa", 521), ("rsa", 3072)]


@pytest.mark.parametrize(("kind", "bits"), KINDS)
def test_what_ssh_keygen_signs_verifies_and_nothing_else_does(
    tmp_path: Path, kind: str, bits: int | None
) -> None:
    dana = person(tmp_path, "dana", kind, bits)
    given = sshsig.parse(dana.sign(TEXT))
    assert given.public_key == sshsig.public_blob(dana.public_key)
    sshsig.verify(given, TEXT, NAMESPACE)
    for text, namespace in ((TEXT.replace("aa", "ab"), NAMESPACE), (TEXT, "git")):
        with pytest.raises(ApprovalInvalid):
            sshsig.verify(given, text, namespace)


def test_a_signature_for_another_purpose_is_none(tmp_path: Path) -> None:
    given = sshsig.parse(person(tmp_path, "dana").sign(TEXT, "file"))
    with pytest.raises(ApprovalInvalid, match="does not verify") as caught:
        sshsig.verify(given, TEXT, NAMESPACE)
    assert "another purpose" in caught.value.why[0]


def test_the_key_that_a_signature_brings_is_the_one_it_is_of(tmp_path: Path) -> None:
    dana, erin = person(tmp_path, "dana"), person(tmp_path, "erin")
    given = sshsig.parse(dana.sign(TEXT))
    stolen = sshsig.Signature(
        sshsig.public_blob(erin.public_key), given.namespace, given.hash_name, given.signature
    )
    with pytest.raises(ApprovalInvalid):
        sshsig.verify(stolen, TEXT, NAMESPACE)


def test_no_byte_of_a_signature_can_be_changed(tmp_path: Path) -> None:
    armoured = person(tmp_path, "dana").sign(TEXT)
    raw = _raw(armoured)
    for place in range(len(raw)):
        changed = bytearray(raw)
        changed[place] ^= 1
        with pytest.raises(ApprovalInvalid):
            sshsig.verify(sshsig.parse(_armoured(bytes(changed))), TEXT, NAMESPACE)


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
@pytest.mark.parametrize(
    ("flags", "good"), [(0x01, True), (0x05, True), (0x00, False), (0x04, False)]
)
def test_a_key_in_hardware_counts_when_it_was_touched(kind: str, flags: int, good: bool) -> None:
    given = sshsig.parse(_by_hardware(kind, flags))
    if good:
        sshsig.verify(given, TEXT, NAMESPACE)
        return
    with pytest.raises(ApprovalInvalid) as caught:
        sshsig.verify(given, TEXT, NAMESPACE)
    assert caught.value.why == ("nobody touched the key for it",)


def test_the_counter_of_a_key_in_hardware_is_signed_too() -> None:
    raw = _raw(_by_hardware("ed25519", 0x01))
    with pytest.raises(ApprovalInvalid):
        sshsig.verify(sshsig.parse(_armoured(raw[:-1] + b"\x09")), TEXT, NAMESPACE)


def test_small_and_old_keys_are_not_taken(tmp_path: Path) -> None:
    with pytest.raises(ApprovalInvalid) as caught:
        sshsig.public_blob(person(tmp_path, "dana", "rsa", 1024).public_key)
    assert "2048" in caught.value.why[0]
    curve = _packed(b"ecdsa-sha2-nistp256") + _packed(b"nistp999") + _packed(b"\x04")
    strange = f"ecdsa-sha2-nistp256 {base64.b64encode(curve).decode()}"
    for line in ("", "ssh-dss AAAA", "ssh-ed25519 AAAA", "ssh-ed25519 " + "A" * 20000, strange):
        with pytest.raises(ApprovalInvalid):
            sshsig.public_blob(line)


@pytest.mark.parametrize(
    "text", ["", "yes", "-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----\n",
             "-----BEGIN SSH SIGNATURE-----\n" + "A" * 20000 + "\n-----END SSH SIGNATURE-----\n"]
)  # fmt: skip
def test_what_is_no_signature_is_refused(text: str) -> None:
    with pytest.raises(ApprovalInvalid):
        sshsig.parse(text)


def _by_hardware(kind: str, flags: int) -> str:
    """A signature as OpenSSH makes it with a FIDO key (PROTOCOL.u2f), by a key in software."""
    application = b"ssh:"
    signed = b"SSHSIG" + _packed(NAMESPACE.encode()) + _packed(b"") + _packed(b"sha512")
    signed += _packed(hashlib.sha512(TEXT.encode()).digest())
    tail = bytes([flags]) + struct.pack(">I", 8)
    whole = hashlib.sha256(application).digest() + tail + hashlib.sha256(signed).digest()
    if kind == "ed25519":
        name = b"sk-ssh-ed25519@openssh.com"
        key = Ed25519PrivateKey.generate()
        public = _packed(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
        signature = key.sign(whole)
    else:
        name = b"sk-ecdsa-sha2-nistp256@openssh.com"
        curve = ec.generate_private_key(ec.SECP256R1())
        point = curve.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        public = _packed(b"nistp256") + _packed(point)
        numbers = decode_dss_signature(curve.sign(whole, ec.ECDSA(hashes.SHA256())))
        signature = b"".join(_packed(n.to_bytes(33)) for n in numbers)
    blob = _packed(name) + public + _packed(application)
    raw = b"SSHSIG" + struct.pack(">I", 1) + _packed(blob) + _packed(NAMESPACE.encode())
    raw += _packed(b"") + _packed(b"sha512") + _packed(_packed(name) + _packed(signature) + tail)
    return _armoured(raw)


def _packed(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


def _raw(armoured: str) -> bytes:
    found = re.search(r"-----\n(.*)\n-----", armoured, re.DOTALL)
    assert found
    return base64.b64decode(found[1].replace("\n", ""))


def _armoured(raw: bytes) -> str:
    text = base64.b64encode(raw).decode()
    return f"-----BEGIN SSH SIGNATURE-----\n{text}\n-----END SSH SIGNATURE-----\n"
