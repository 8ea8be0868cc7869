"""Signatures of images, against a real registry: what holds, and each way in which one does not."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import pytest

from orchestrate.core.errors import SignatureInvalid, Unsigned
from orchestrate.providers.artifacts.registry import Registry
from orchestrate.providers.artifacts.signatures import cosign
from orchestrate.providers.outbound import Outbound
from orchestrate.providers.outbound.allowed import read
from tests.support import images
from tests.support.docker.registry import registry
from tests.support.images import (
    Images,
    Pair,
    bundle_of,
    entry_of_bundle,
    entry_of_tag,
    hashedrekord,
)

pytestmark = pytest.mark.system

OURS, THEIRS = Pair.new(), Pair.new()


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registry(tmp_path_factory.mktemp("registry")) as found:
        yield found.host


@pytest.fixture
def here(host: str, request: pytest.FixtureRequest) -> Images:
    """A repository of the test's own."""
    number = images.digest_of(request.node.nodeid.encode())[7:19]
    return Images(host, f"team/app-{number}")


def ask(here: Images, digest: str, pem: str = OURS.pem) -> str:
    outbound = Outbound(read(here.host))
    found = Registry(here.reference("1.0.0"), outbound)
    signed = cosign.verify(found, digest, pem)
    assert signed.facts["key"] == cosign.fingerprint(cosign.load_key(OURS.pem))
    return f"{signed.facts['layout']}: {signed.facts['log']}"


def test_a_signature_under_its_tag_holds(here: Images) -> None:
    digest = here.image("1.0.0")
    here.tag_signature(digest, OURS)
    assert ask(here, digest) == "signature tag: none"


def test_a_bundle_that_is_attached_holds(here: Images) -> None:
    digest = here.image("1.0.0")
    here.bundle_signature(digest, OURS)
    assert ask(here, digest) == "bundle: none"


def test_the_signature_of_an_index_holds_for_the_index(here: Images) -> None:
    digest = here.index("1.0.0", here.image("amd64"), here.image("arm64"))
    here.tag_signature(digest, OURS)
    assert ask(here, digest)


@pytest.mark.attack("AR05", "an image that nobody signed", "refused: not signed")
def test_an_unsigned_image_is_refused(here: Images) -> None:
    digest = here.image("1.0.0")
    with pytest.raises(Unsigned, match="is not signed"):
        ask(here, digest)


@pytest.mark.attack("AR05", "an image signed with another key", "refused: another key")
@pytest.mark.parametrize("layout", ["tag_signature", "bundle_signature"])
def test_a_signature_by_another_key_is_refused(here: Images, layout: str) -> None:
    digest = here.image("1.0.0")
    getattr(here, layout)(digest, THEIRS)
    with pytest.raises(SignatureInvalid) as caught:
        ask(here, digest)
    assert "another key" in caught.value.why[0]


@pytest.mark.attack("AR05", "the right key's signature of another digest", "refused: another image")
@pytest.mark.parametrize("layout", ["tag_signature", "bundle_signature"])
def test_the_right_keys_signature_of_another_image_is_refused(here: Images, layout: str) -> None:
    signed, other = here.image("1.0.0"), here.image("1.1.0")
    getattr(here, layout)(other, OURS, about=signed)
    with pytest.raises(SignatureInvalid) as caught:
        ask(here, other)
    assert "another image" in caught.value.why[0]


@pytest.mark.attack("AR05", "a signature copied from another repository's image", "refused")
def test_a_signature_of_another_repositorys_image_is_refused(here: Images) -> None:
    other = Images(here.host, f"{here.repository}-other")
    theirs = other.image("1.0.0", text="theirs")
    other.bundle_signature(theirs, OURS)
    digest = here.image("1.0.0")
    here.attach(digest, bundle_of(theirs, OURS))
    with pytest.raises(SignatureInvalid):
        ask(here, digest)


@pytest.mark.attack("AR06", "a bundle listed for one image and attached to another", "refused")
def test_a_bundle_whose_subject_is_another_image_is_refused(here: Images) -> None:
    digest, other = here.image("1.0.0"), here.image("1.1.0")
    here.attach(digest, bundle_of(digest, OURS), subject=other)
    with pytest.raises(SignatureInvalid) as caught:
        ask(here, digest)
    assert "attached to another image" in caught.value.why[0]


def test_one_good_signature_among_bad_ones_is_enough(here: Images) -> None:
    digest = here.image("1.0.0")
    here.tag_signature(digest, THEIRS)
    here.bundle_signature(digest, OURS)
    assert ask(here, digest) == "bundle: none"


def _payload(digest: str) -> bytes:
    return images.canonical(
        {"critical": {"image": {"docker-manifest-digest": digest}, "type": cosign.TYPE}}
    )


@pytest.mark.parametrize("wrong", ["nothing", "payload", "signature", "key", "kind"])
@pytest.mark.attack("AR06", "a log entry about another digest, signature or key", "refused")
def test_a_log_entry_beside_a_tag_signature_must_be_about_it(here: Images, wrong: str) -> None:
    digest = here.image("1.0.0")
    payload = _payload(digest)
    signature = OURS.sign(payload)
    body = hashedrekord(
        b"other" if wrong == "payload" else payload,
        b"other" if wrong == "signature" else signature,
        THEIRS.pem if wrong == "key" else OURS.pem,
    )
    if wrong == "kind":
        body["kind"] = "rfc3161"
    here.put_tag_signature(digest, payload, signature, entry_of_tag(body))
    if wrong == "nothing":
        assert "names this digest" in ask(here, digest)
        return
    with pytest.raises(SignatureInvalid) as caught:
        ask(here, digest)
    assert "about something else" in caught.value.why[0]


@pytest.mark.parametrize("wrong", ["nothing", "payload", "signature", "key"])
@pytest.mark.attack("AR06", "a bundle with the log entry of another artifact", "refused")
def test_the_log_entry_of_a_bundle_must_be_about_it(here: Images, wrong: str) -> None:
    digest = here.image("1.0.0")
    bundle = json.loads(json.dumps(bundle_of(digest, OURS)))
    envelope = bundle["dsseEnvelope"]
    payload = base64.b64decode(envelope["payload"])
    signature = base64.b64decode(envelope["signatures"][0]["sig"])
    body = hashedrekord(
        b"other" if wrong == "payload" else payload,
        b"other" if wrong == "signature" else signature,
        THEIRS.pem if wrong == "key" else OURS.pem,
    )
    bundle["verificationMaterial"]["tlogEntries"] = [entry_of_bundle(body)]
    here.attach(digest, bundle)
    if wrong == "nothing":
        assert "names this digest" in ask(here, digest)
        return
    with pytest.raises(SignatureInvalid):
        ask(here, digest)


@pytest.mark.parametrize(
    "change",
    [
        {"payloadType": "application/json"},
        {"payload": "!!"},
        {"signatures": []},
        {"signatures": [{"sig": "AAAA"}, {"sig": "AAAA"}]},
    ],
)
def test_an_envelope_of_another_form_is_refused(here: Images, change: dict[str, object]) -> None:
    digest = here.image("1.0.0")
    bundle = json.loads(json.dumps(bundle_of(digest, OURS)))
    bundle["dsseEnvelope"].update(change)
    here.attach(digest, bundle)
    with pytest.raises(SignatureInvalid):
        ask(here, digest)


@pytest.mark.parametrize(
    "pem", ["", "nothing", "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----"]
)
def test_a_key_that_is_none_verifies_nothing(here: Images, pem: str) -> None:
    digest = here.image("1.0.0")
    here.tag_signature(digest, OURS)
    with pytest.raises(SignatureInvalid, match="no public key"):
        ask(here, digest, pem)
