"""Signatures without a key: sigstore's certificates, for an identity that an issuer vouched for.

By the package `sigstore` (the extra of that name), which is imported here alone and only when asked
for. It verifies certificate, signature, log entry and the time; what is signed is compared here.
Nothing is fetched: the trust root is the one in the package, or that of `orchestrate`'s own cache.
"""

import json
import os
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from orchestrate.core.errors import ProviderUnavailable, SignatureInvalid, Unsigned
from orchestrate.core.validation import Sigstore
from orchestrate.providers.artifacts.registry import Registry
from orchestrate.providers.artifacts.signatures import Signed
from orchestrate.providers.artifacts.signatures.cosign import (
    BUNDLE,
    MOST,
    STATEMENT,
    read_bundle,
    statement_digests,
)
from orchestrate.providers.artifacts.signatures.files import beside

if TYPE_CHECKING:
    from sigstore.verify import Verifier

    MakeVerifier = Callable[[], Verifier]


@cache
def production() -> "Verifier":
    """Verifies against sigstore's public instance. Raises ProviderUnavailable without the extra."""
    try:
        from sigstore.verify import Verifier
    except ImportError as problem:
        raise ProviderUnavailable(
            "signatures of sigstore need the package sigstore",
            fix=['pip install "orchestrate-mcp[sigstore]"'],
        ) from problem
    return Verifier.production(offline=True)


def verify_image(
    registry: Registry, digest: str, who: Sigstore, make: "MakeVerifier" = production
) -> Signed:
    """That `who` signed the image `digest`. Raises Unsigned, SignatureInvalid."""
    verifier = make()
    bad: list[str] = []
    for descriptor in registry.referrers(digest, BUNDLE)[:MOST]:
        place = str(descriptor.get("digest"))
        bundle = read_bundle(registry, digest, place)
        if bundle is None or "dsseEnvelope" not in bundle:
            bad.append(f"{place[:19]}: it is attached to another image, or no envelope")
            continue
        try:
            kind, payload = _checked(verifier.verify_dsse, json.dumps(bundle), who)
        except SignatureInvalid as problem:
            bad.append(f"{place[:19]}: {problem.message}")
            continue
        if kind == STATEMENT and digest.removeprefix("sha256:") in statement_digests(payload):
            return _signed(who)
        bad.append(f"{place[:19]}: it is the signature of another image")
    if not bad:
        raise Unsigned(
            f"{registry.name}@{digest[:19]} is not signed",
            why=["no bundle is attached to it"],
            fix=[f"sign it: cosign sign {registry.name}@{digest}"],
        )
    raise SignatureInvalid(
        f"no signature of {registry.name}@{digest[:19]} is by {who.identity}",
        why=bad[:5],
        fix=["have it signed by that identity, or find out who signed it"],
    )


def verify_file(path: str, digest: str, who: Sigstore, make: "MakeVerifier" = production) -> Signed:
    """That `who` signed the file at `path`, whose content is `digest`, by the bundle beside it."""
    verifier = make()
    bundle = beside(path, ".sigstore.json", ".sigstore").decode("utf-8", "replace")
    from sigstore.hashes import Hashed
    from sigstore_models.common.v1 import HashAlgorithm

    # By the digest that was pinned, not by what lies there now.
    hashed = Hashed(
        algorithm=HashAlgorithm.SHA2_256, digest=bytes.fromhex(digest.removeprefix("sha256:"))
    )
    try:
        _checked(lambda *given: verifier.verify_artifact(hashed, *given), bundle, who)
    except SignatureInvalid as problem:
        raise SignatureInvalid(
            f"the signature of {os.path.basename(path)} is not by {who.identity}",
            why=[problem.message],
            fix=["have it signed by that identity, or find out who signed it"],
        ) from problem
    return _signed(who)


# The package gives its verifiers different types for what is signed.
def _checked(verify: Callable[..., Any], text: str, who: Sigstore) -> Any:
    from sigstore.errors import Error
    from sigstore.models import Bundle
    from sigstore.verify.policy import Identity

    try:
        bundle = Bundle.from_json(text)
        return verify(bundle, Identity(identity=who.identity, issuer=who.issuer))
    except (Error, ValueError) as problem:
        said = str(problem).splitlines()
        raise SignatureInvalid(said[0][:200] if said else type(problem).__name__) from problem


def _signed(who: Sigstore) -> Signed:
    facts = {"identity": who.identity, "issuer": who.issuer, "log": "entry verified"}
    return Signed(who=who.identity, facts=dict(facts))
