"""Signatures without a key, verified by the real package against a sigstore of our own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrate.core.errors import SignatureInvalid, Unsigned
from orchestrate.core.validation import Sigstore
from orchestrate.providers.artifacts.registry import Registry
from orchestrate.providers.artifacts.signatures import keyless
from orchestrate.providers.outbound import Outbound
from orchestrate.providers.outbound.allowed import read
from tests.support.docker.registry import registry
from tests.support.images import Images
from tests.support.instance import Instance
from tests.support.real import need_module

pytestmark = pytest.mark.system

ISSUER = "https://accounts.example"
WHO = Sigstore(identity="ci@example.com", issuer=ISSUER)


@pytest.fixture(scope="module")
def ours() -> Instance:
    need_module("sigstore", 'pip install "orchestrate-mcp[sigstore]"')
    return Instance()


@pytest.fixture
def verifier(ours: Instance, tmp_path: Path) -> Any:
    from sigstore.verify import Verifier

    found = Verifier(trusted_root=ours.trusted_root(tmp_path / "root.json"))
    return lambda: found


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registry(tmp_path_factory.mktemp("registry")) as found:
        yield found.host


@pytest.fixture
def here(host: str, request: pytest.FixtureRequest) -> Images:
    number = hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:12]
    return Images(host, f"team/app-{number}")


def ask(here: Images, digest: str, verifier: Any, who: Sigstore = WHO) -> str:
    found = Registry(here.reference("1.0.0"), Outbound(read(here.host)))
    return keyless.verify_image(found, digest, who, verifier).who


def test_an_image_signed_by_the_identity_holds(here: Images, ours: Instance, verifier: Any) -> None:
    digest = here.image("1.0.0")
    here.attach(digest, ours.image(digest, WHO.identity, ISSUER))
    assert ask(here, digest, verifier) == "ci@example.com"


def test_an_image_without_a_bundle_is_not_signed(here: Images, verifier: Any) -> None:
    with pytest.raises(Unsigned):
        ask(here, here.image("1.0.0"), verifier)


@pytest.mark.attack("AR06", "a certificate of another identity or issuer", "refused")
@pytest.mark.parametrize(
    ("identity", "issuer"), [("eve@example.com", ISSUER), (WHO.identity, "https://evil.example")]
)
def test_another_identity_is_refused(
    here: Images, ours: Instance, verifier: Any, identity: str, issuer: str
) -> None:
    digest = here.image("1.0.0")
    here.attach(digest, ours.image(digest, identity, issuer))
    with pytest.raises(SignatureInvalid, match=r"by ci@example\.com"):
        ask(here, digest, verifier)


@pytest.mark.attack("AR06", "a certificate and log that nobody here trusts", "refused")
def test_another_instance_is_refused(here: Images, verifier: Any) -> None:
    digest = here.image("1.0.0")
    here.attach(digest, Instance().image(digest, WHO.identity, ISSUER))
    with pytest.raises(SignatureInvalid):
        ask(here, digest, verifier)


@pytest.mark.attack("AR06", "a good bundle of another image, attached to this one", "refused")
def test_a_bundle_about_another_image_is_refused(
    here: Images, ours: Instance, verifier: Any
) -> None:
    digest, other = here.image("1.0.0"), here.image("1.1.0")
    here.attach(digest, ours.image(other, WHO.identity, ISSUER))
    with pytest.raises(SignatureInvalid) as caught:
        ask(here, digest, verifier)
    assert "another image" in caught.value.why[0]


@pytest.mark.attack("AR06", "a keyless bundle with the log entry of another artifact", "refused")
@pytest.mark.parametrize("wrong", ["payload", "signature"])
def test_a_log_entry_of_another_artifact_is_refused(
    here: Images, ours: Instance, verifier: Any, wrong: str
) -> None:
    digest = here.image("1.0.0")
    here.attach(digest, ours.image(digest, WHO.identity, ISSUER, **{wrong: b"another"}))
    with pytest.raises(SignatureInvalid) as caught:
        ask(here, digest, verifier)
    assert "log entry" in caught.value.why[0]


def test_a_bundle_that_is_none_is_refused(here: Images, verifier: Any) -> None:
    digest = here.image("1.0.0")
    here.attach(digest, {"dsseEnvelope": {}})
    with pytest.raises(SignatureInvalid):
        ask(here, digest, verifier)


def signed_file(tmp_path: Path, ours: Instance, about: bytes, content: bytes) -> tuple[str, str]:
    path = tmp_path / "shop-1.0.0.tar.gz"
    path.write_bytes(content)
    bundle = ours.file(about, WHO.identity, ISSUER)
    path.with_name(path.name + ".sigstore.json").write_text(json.dumps(bundle))
    return str(path), f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_a_file_signed_by_the_identity_holds(tmp_path: Path, ours: Instance, verifier: Any) -> None:
    path, digest = signed_file(tmp_path, ours, b"content", b"content")
    assert keyless.verify_file(path, digest, WHO, verifier).who == "ci@example.com"


@pytest.mark.attack("AR06", "a good bundle of another file, laid beside this one", "refused")
def test_a_bundle_of_another_file_is_refused(tmp_path: Path, ours: Instance, verifier: Any) -> None:
    path, digest = signed_file(tmp_path, ours, b"another", b"content")
    with pytest.raises(SignatureInvalid, match=r"not by ci@example\.com"):
        keyless.verify_file(path, digest, WHO, verifier)


def test_the_public_instance_can_be_trusted_offline() -> None:
    need_module("sigstore", 'pip install "orchestrate-mcp[sigstore]"')
    assert keyless.production() is keyless.production()
