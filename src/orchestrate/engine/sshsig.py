"""SSH signatures (`ssh-keygen -Y sign`), verified without a subprocess.

The format is OpenSSH's PROTOCOL.sshsig; keys in hardware (`sk-`) sign a counter and flags too
(PROTOCOL.u2f). What is not known is refused, SHA-1 and small RSA keys among it.
"""

import base64
import binascii
import hashlib
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from orchestrate.core.errors import ApprovalInvalid

LONGEST = 16 * 1024
SMALLEST_RSA = 2048
TOUCHED = 0x01
"""Flag of a hardware key: somebody touched it for this signature."""
_ARMOUR = re.compile(
    r"-----BEGIN SSH SIGNATURE-----\n([A-Za-z0-9+/=\n]+)-----END SSH SIGNATURE-----\s*"
)
_MAGIC = b"SSHSIG"
_HASHES = {b"sha256": hashlib.sha256, b"sha512": hashlib.sha512}
_CURVES: dict[bytes, tuple[ec.EllipticCurve, hashes.HashAlgorithm]] = {
    b"nistp256": (ec.SECP256R1(), hashes.SHA256()),
    b"nistp384": (ec.SECP384R1(), hashes.SHA384()),
    b"nistp521": (ec.SECP521R1(), hashes.SHA512()),
}
_RSA: dict[bytes, hashes.HashAlgorithm] = {
    b"rsa-sha2-256": hashes.SHA256(),
    b"rsa-sha2-512": hashes.SHA512(),
}


@dataclass(frozen=True)
class Signature:
    """A signature as it was given; nothing of it is verified yet."""

    public_key: bytes
    namespace: bytes
    hash_name: bytes
    signature: bytes

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.public_key)


def fingerprint(blob: bytes) -> str:
    """`SHA256:...` of a public key, as ssh-keygen shows it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def public_blob(line: str) -> bytes:
    """The key in a line of a `.pub` file. Raises ApprovalInvalid for one that is not understood,
    or too weak to be believed."""
    parts = line.split()
    try:
        if len(parts) < 2 or len(line) > LONGEST:
            raise ValueError("a public key is its type, and the key in base64")
        blob = base64.b64decode(parts[1], validate=True)
        reader = _Reader(blob)
        if reader.string() != parts[0].encode():
            raise ValueError("it says another type than it is of")
        _verifier(blob)
    except (ValueError, binascii.Error, UnsupportedAlgorithm) as error:
        raise ApprovalInvalid(
            "that is not a public SSH key that can be used here",
            why=[str(error)],
            fix=["give the line of a .pub file: ed25519, ecdsa, rsa of 2048 bits, or sk- keys"],
        ) from error
    return blob


def parse(armoured: str) -> Signature:
    """The parts of an armoured signature. Raises ApprovalInvalid."""
    try:
        found = _ARMOUR.fullmatch(armoured.replace("\r\n", "\n"))
        if found is None or len(armoured) > LONGEST:
            raise ValueError("it is not an armoured SSH signature")
        reader = _Reader(base64.b64decode(found[1].replace("\n", ""), validate=True))
        if reader.take(len(_MAGIC)) != _MAGIC or reader.number() != 1:
            raise ValueError("it is not an SSH signature of version 1")
        key, namespace, reserved = reader.string(), reader.string(), reader.string()
        hash_name, signature = reader.string(), reader.string()
        reader.end()
        if reserved or hash_name not in _HASHES:
            raise ValueError("it has a form that is not known")
    except (ValueError, binascii.Error) as error:
        raise _invalid(str(error)) from error
    return Signature(key, namespace, hash_name, signature)


def verify(signature: Signature, text: str, namespace: str) -> None:
    """Whether the signature is one of its own key, over `text`, for `namespace`. Raises
    ApprovalInvalid with what is wrong."""
    if signature.namespace != namespace.encode():
        raise _invalid("it was made for another purpose than an approval")
    signed = (
        _MAGIC
        + _packed(signature.namespace)
        + _packed(b"")
        + _packed(signature.hash_name)
        + _packed(_HASHES[signature.hash_name](text.encode()).digest())
    )
    try:
        _verifier(signature.public_key)(_Reader(signature.signature), signed)
    except InvalidSignature as error:
        raise _invalid("it does not fit the text: another request, plan, time or decision") from (
            error
        )
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _invalid(str(error)) from error


Verifier = Callable[["_Reader", bytes], None]


def _verifier(blob: bytes) -> Verifier:
    """What verifies signatures of the key in `blob`: reads one, and raises InvalidSignature or
    ValueError."""
    reader = _Reader(blob)
    kind = reader.string()
    match kind:
        case b"ssh-ed25519":
            found = _ed25519(reader, kind)
        case b"ecdsa-sha2-nistp256" | b"ecdsa-sha2-nistp384" | b"ecdsa-sha2-nistp521":
            found = _ecdsa(reader, kind)
        case b"ssh-rsa":
            found = _rsa(reader)
        case b"sk-ssh-ed25519@openssh.com" | b"sk-ecdsa-sha2-nistp256@openssh.com":
            found = _hardware(reader, kind)
        case _:
            raise ValueError("its key is of a kind that is not known")
    reader.end()
    return found


def _ed25519(reader: "_Reader", kind: bytes) -> Verifier:
    key = Ed25519PublicKey.from_public_bytes(reader.string())

    def verify_one(given: _Reader, signed: bytes) -> None:
        _named(given, kind)
        raw = given.string()
        given.end()
        key.verify(raw, signed)

    return verify_one


def _ecdsa(reader: "_Reader", kind: bytes) -> Verifier:
    curve, digest = _curve(reader)
    if kind.rpartition(b"-")[2].decode().replace("nistp", "secp") + "r1" != curve.name:
        raise ValueError("its key says two curves")
    key = ec.EllipticCurvePublicKey.from_encoded_point(curve, reader.string())

    def verify_one(given: _Reader, signed: bytes) -> None:
        _named(given, kind)
        raw = given.string()
        given.end()
        key.verify(_dss(raw), signed, ec.ECDSA(digest))

    return verify_one


def _curve(reader: "_Reader") -> tuple[ec.EllipticCurve, hashes.HashAlgorithm]:
    found = _CURVES.get(reader.string())
    if found is None:
        raise ValueError("its key is on a curve that is not known")
    return found


def _rsa(reader: "_Reader") -> Verifier:
    exponent, modulus = reader.integer(), reader.integer()
    key = rsa.RSAPublicNumbers(exponent, modulus).public_key()
    if key.key_size < SMALLEST_RSA:
        raise ValueError(f"an RSA key has {SMALLEST_RSA} bits at least")

    def verify_one(given: _Reader, signed: bytes) -> None:
        digest = _RSA.get(given.string())
        if digest is None:
            raise ValueError("an RSA signature is by rsa-sha2-256 or rsa-sha2-512")
        raw = given.string()
        given.end()
        key.verify(raw, signed, padding.PKCS1v15(), digest)

    return verify_one


def _hardware(reader: "_Reader", kind: bytes) -> Verifier:
    """A key in hardware signs the application, its flags and a counter with the text's hash."""
    key: Ed25519PublicKey | ec.EllipticCurvePublicKey
    if kind.startswith(b"sk-ssh-ed25519"):
        key = Ed25519PublicKey.from_public_bytes(reader.string())
    else:
        curve, _ = _curve(reader)
        if curve.name != "secp256r1":
            raise ValueError("a hardware key is on the curve nistp256")
        key = ec.EllipticCurvePublicKey.from_encoded_point(curve, reader.string())
    application = reader.string()

    def verify_one(given: _Reader, signed: bytes) -> None:
        _named(given, kind)
        raw, flags, counter = given.string(), given.take(1), given.take(4)
        given.end()
        if not flags[0] & TOUCHED:
            raise ValueError("nobody touched the key for it")
        whole = hashlib.sha256(application).digest() + flags + counter
        whole += hashlib.sha256(signed).digest()
        if isinstance(key, Ed25519PublicKey):
            key.verify(raw, whole)
        else:
            key.verify(_dss(raw), whole, ec.ECDSA(hashes.SHA256()))

    return verify_one


def _named(given: "_Reader", kind: bytes) -> None:
    if given.string() != kind:
        raise ValueError("it is by another kind of key than it brings")


def _dss(raw: bytes) -> bytes:
    reader = _Reader(raw)
    first, second = reader.integer(), reader.integer()
    reader.end()
    return encode_dss_signature(first, second)


def _packed(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


class _Reader:
    """SSH's binary fields, one after the other. Raises ValueError where they end too soon."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, length: int) -> bytes:
        found = self._data[self._at : self._at + length]
        if len(found) != length:
            raise ValueError("it is cut short")
        self._at += length
        return found

    def number(self) -> int:
        return int(struct.unpack(">I", self.take(4))[0])

    def string(self) -> bytes:
        return self.take(self.number())

    def integer(self) -> int:
        """A whole number that is not negative."""
        raw = self.string()
        if raw[:1] > b"\x7f":
            raise ValueError("a number in it is negative")
        return int.from_bytes(raw)

    def end(self) -> None:
        if self._at != len(self._data):
            raise ValueError("something follows its end")


def _invalid(why: str) -> ApprovalInvalid:
    return ApprovalInvalid(
        "the signature does not verify",
        why=[why],
        fix=["sign what is asked now: orchestrate approvals approve"],
    )
