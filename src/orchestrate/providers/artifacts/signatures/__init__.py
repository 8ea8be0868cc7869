"""Who vouches for an artifact: cosign and sigstore for images, GPG, minisign, sigstore for files.

A signature holds for one digest. Every verifier compares what is signed with the digest it was
given, never with a name, and raises Unsigned or SignatureInvalid; none of them trusts a key that
came with the signature.
"""

from dataclasses import dataclass, field

from pydantic import JsonValue


@dataclass(frozen=True)
class Signed:
    """A signature that holds: whose, and what was looked at."""

    who: str
    facts: dict[str, JsonValue] = field(default_factory=dict)
