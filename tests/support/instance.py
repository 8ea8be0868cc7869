"""A sigstore of our own: an authority, a certificate log, a transparency log, and who signs there.

Everything is as the public instance has it, small: the logs hold one entry each. What a verifier
needs to trust it is `trusted_root()`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import rfc8785
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from orchestrate.providers.artifacts.signatures.cosign import PREDICATE, STATEMENT, pae
from tests.support.images import BUNDLE, canonical

ISSUER_V1 = ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
SCTS = ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
ORIGIN = "rekor.example - 1"
NOW = datetime.now(UTC).replace(microsecond=0)


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def der(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def signed(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    return key.sign(message, ec.ECDSA(hashes.SHA256()))


@dataclass
class Instance:
    """One sigstore. Two of them do not trust each other."""

    authority: ec.EllipticCurvePrivateKey = field(default_factory=new_key)
    certificates: ec.EllipticCurvePrivateKey = field(default_factory=new_key)
    log: ec.EllipticCurvePrivateKey = field(default_factory=new_key)

    def __post_init__(self) -> None:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
        public = self.authority.public_key()
        self.root = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(public)
            .serial_number(1)
            .not_valid_before(NOW - timedelta(days=1))
            .not_valid_after(NOW + timedelta(days=1))
            .add_extension(x509.BasicConstraints(True, None), critical=True)
            .add_extension(_usage(certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .sign(self.authority, hashes.SHA256())
        )

    def trusted_root(self, path: Path) -> Any:
        from sigstore.models import TrustedRoot

        since = {"start": (NOW - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")}

        def log(key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
            return {
                "baseUrl": "https://log.example",
                "hashAlgorithm": "SHA2_256",
                "publicKey": {
                    "rawBytes": b64(der(key)),
                    "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    "validFor": since,
                },
                "logId": {"keyId": b64(hashlib.sha256(der(key)).digest())},
            }

        chain = {"certificates": [{"rawBytes": b64(self.root.public_bytes(Encoding.DER))}]}
        authority = {
            "subject": {"organization": "example", "commonName": "authority"},
            "uri": "https://authority.example",
            "certChain": chain,
            "validFor": since,
        }
        path.write_text(
            json.dumps(
                {
                    "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
                    "tlogs": [log(self.log)],
                    "certificateAuthorities": [authority],
                    "ctlogs": [log(self.certificates)],
                    "timestampAuthorities": [],
                }
            )
        )
        return TrustedRoot.from_file(str(path))

    def image(self, digest: str, identity: str, issuer: str, **wrong: bytes) -> dict[str, Any]:
        """A bundle about an image; `entry` is another envelope that the log tells of."""
        statement = canonical(
            {
                "_type": "https://in-toto.io/Statement/v1",
                "subject": [{"digest": {"sha256": digest.removeprefix("sha256:")}}],
                "predicateType": PREDICATE,
                "predicate": {},
            }
        )
        key, certificate = self._certificate(identity, issuer)
        signature = signed(key, pae(STATEMENT, statement))
        body = {
            "apiVersion": "0.0.1",
            "kind": "dsse",
            "spec": {
                "envelopeHash": {"algorithm": "sha256", "value": "0" * 64},
                "payloadHash": {
                    "algorithm": "sha256",
                    "value": hashlib.sha256(wrong.get("payload", statement)).hexdigest(),
                },
                "signatures": [
                    {
                        "signature": b64(wrong.get("signature", signature)),
                        "verifier": b64(certificate.public_bytes(Encoding.PEM)),
                    }
                ],
            },
        }
        return {
            **self._bundle(certificate, "dsse", body),
            "dsseEnvelope": {
                "payload": b64(statement),
                "payloadType": STATEMENT,
                "signatures": [{"sig": b64(signature)}],
            },
        }

    def file(self, content: bytes, identity: str, issuer: str) -> dict[str, Any]:
        """A bundle about a file."""
        key, certificate = self._certificate(identity, issuer)
        signature, digest = signed(key, content), hashlib.sha256(content)
        body = {
            "apiVersion": "0.0.1",
            "kind": "hashedrekord",
            "spec": {
                "data": {"hash": {"algorithm": "sha256", "value": digest.hexdigest()}},
                "signature": {
                    "content": b64(signature),
                    "publicKey": {"content": b64(certificate.public_bytes(Encoding.PEM))},
                },
            },
        }
        return {
            **self._bundle(certificate, "hashedrekord", body),
            "messageSignature": {
                "messageDigest": {"algorithm": "SHA2_256", "digest": b64(digest.digest())},
                "signature": b64(signature),
            },
        }

    def _bundle(
        self, certificate: x509.Certificate, kind: str, body: dict[str, Any]
    ) -> dict[str, Any]:
        return {
            "mediaType": BUNDLE,
            "verificationMaterial": {
                "certificate": {"rawBytes": b64(certificate.public_bytes(Encoding.DER))},
                "tlogEntries": [self._entry(kind, canonical(body))],
                "timestampVerificationData": {},
            },
        }

    def _certificate(
        self, identity: str, issuer: str
    ) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
        """For some minutes, with the word of the certificate log in it."""
        key = new_key()
        public = self.authority.public_key()
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(public)

        def build(scts: bytes) -> x509.Certificate:
            return (
                x509.CertificateBuilder()
                .subject_name(x509.Name([]))
                .issuer_name(self.root.subject)
                .public_key(key.public_key())
                .serial_number(2)
                .not_valid_before(NOW - timedelta(minutes=5))
                .not_valid_after(NOW + timedelta(minutes=5))
                .add_extension(
                    x509.SubjectAlternativeName([x509.RFC822Name(identity)]), critical=True
                )
                .add_extension(_usage(certificates=False), critical=True)
                .add_extension(
                    x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False
                )
                .add_extension(identifier, critical=False)
                .add_extension(
                    x509.UnrecognizedExtension(ISSUER_V1, issuer.encode()), critical=False
                )
                .add_extension(x509.UnrecognizedExtension(SCTS, scts), critical=False)
                .sign(self.authority, hashes.SHA256())
            )

        draft = build(self._scts(b""))
        return key, build(self._scts(draft.tbs_precertificate_bytes))

    def _scts(self, tbs: bytes) -> bytes:
        """RFC 6962: what the certificate log signed, as the certificate carries it."""
        at = int(NOW.timestamp() * 1000)
        entry = hashlib.sha256(der(self.authority)).digest() + len(tbs).to_bytes(3, "big") + tbs
        message = struct.pack(">BBQH", 0, 0, at, 1) + entry + b"\0\0"
        signature = signed(self.certificates, message)
        sct = struct.pack(">B32sQH", 0, hashlib.sha256(der(self.certificates)).digest(), at, 0)
        sct += struct.pack(">BBH", 4, 3, len(signature)) + signature
        listed = struct.pack(">H", len(sct)) + sct
        listed = struct.pack(">H", len(listed)) + listed
        short = len(listed) < 128
        return b"\x04" + (b"" if short else b"\x81") + bytes([len(listed)]) + listed

    def _entry(self, kind: str, body: bytes) -> dict[str, Any]:
        """The only entry of the log: its hash is the root of the tree."""
        number = hashlib.sha256(der(self.log)).digest()
        root = hashlib.sha256(b"\0" + body).digest()
        note = f"{ORIGIN}\n1\n{b64(root)}\n"
        note += f"\n\u2014 rekor.example {b64(number[:4] + signed(self.log, note.encode()))}\n"
        at = int(NOW.timestamp())
        promise = rfc8785.dumps(
            {"body": b64(body), "integratedTime": at, "logID": number.hex(), "logIndex": 0}
        )
        return {
            "logIndex": "0",
            "logId": {"keyId": b64(number)},
            "kindVersion": {"kind": kind, "version": "0.0.1"},
            "integratedTime": str(at),
            "inclusionPromise": {"signedEntryTimestamp": b64(signed(self.log, promise))},
            "inclusionProof": {
                "logIndex": "0",
                "rootHash": b64(root),
                "treeSize": "1",
                "hashes": [],
                "checkpoint": {"envelope": note},
            },
            "canonicalizedBody": b64(body),
        }


def _usage(*, certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certificates,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
