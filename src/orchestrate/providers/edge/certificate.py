"""The default certificate of an edge.

Traefik makes a new RSA key at every change of its configuration unless it is given a certificate
(measured: 60 to 600 ms a change; with one, 5 to 30). Nothing is served with it.
"""

import os
from datetime import UTC, datetime, timedelta

from orchestrate.providers.processes.files import replace


def ensure(directory: str) -> tuple[str, str]:
    """Paths of certificate and key (0600) in `directory`, made when they are not there."""
    certificate = os.path.join(directory, "default.crt")
    key = os.path.join(directory, "default.key")
    if not (os.path.exists(certificate) and os.path.exists(key)):
        made_certificate, made_key = _make()
        replace(key, made_key)
        replace(certificate, made_certificate)
    return certificate, key


def _make() -> tuple[str, str]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "edge.invalid")])
    today = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=36500))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), private.decode()
