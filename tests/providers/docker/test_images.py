"""Images are pinned by digest, pulled by it from a real registry, and never pruned too early."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from orchestrate.core.errors import (
    ArtifactMissing,
    ProviderUnavailable,
    SecretMissing,
    TemporaryError,
)
from orchestrate.core.revision import Revision
from orchestrate.providers.docker.engine import client
from orchestrate.providers.docker.host import Host
from orchestrate.providers.docker.images import Images
from tests.providers.docker.conftest import Make
from tests.support.between import Between
from tests.support.docker.app import Docker, image_of, in_container
from tests.support.docker.registry import Registry
from tests.support.local import APP
from tests.support.platform import LOST, UNANSWERED, How
from tests.support.ports import free_port
from tests.support.secrets import GivenSecrets, NoSecrets
from tests.support.waiting import eventually

pytestmark = pytest.mark.system


def image(version: str, text: str = APP) -> str:
    source = text.replace("{version}", version).replace("{failing}", "False")
    return image_of(in_container(source))


def pushed(make: Make, registry: Registry, *versions: str, **config: object) -> Docker:
    """An environment whose image is at a registry, in these versions, and not on the engine."""
    docker = make(config={"image": f"{registry.host}/shop:{{version}}", **config})
    for version in versions:
        registry.push(docker.engine, image(version), "shop", version)
    return docker


def stopped(docker: Docker, revision: Revision) -> None:
    docker.provider.stop(revision.ref, docker.write())
    eventually(lambda: not docker.provider.observe().replicas(revision.key))


def served_in_turn(docker: Docker, *versions: str) -> list[Revision]:
    """Each has all the traffic, one after the other, and stops for the next."""
    found = [docker.pinned(version) for version in versions]
    for before, revision in zip([None, *found], found, strict=False):
        docker.up(revision, 1)
        docker.route((revision, 100))
        if before is not None:
            stopped(docker, before)
    docker.provider.scale(found[-1].ref, 1, docker.write())
    return found


def test_a_tag_that_moves_does_not_move_what_was_pinned(docker: Docker) -> None:
    pinned = docker.pinned("1.0.0")
    docker.engine.api.tag(image("1.1.0"), docker.repository, "1.0.0")
    assert docker.pinned("1.0.0").artifact.digest != pinned.artifact.digest
    docker.up(pinned, 1)
    docker.route((pinned, 100))
    assert docker.ask().version == "1.0.0"


def test_a_version_that_no_tag_can_be_is_missing(docker: Docker) -> None:
    with pytest.raises(ArtifactMissing) as raised:
        docker.provider.resolve("1.0.0+build")
    assert "cannot be the tag" in raised.value.why[0]


def test_pinning_at_a_registry_pulls_nothing(make_docker: Make, registry_here: Registry) -> None:
    docker = make_docker(config={"image": f"{registry_here.host}/shop:{{version}}"})
    digest = registry_here.push(docker.engine, image("1.0.0"), "shop", "1.0.0")
    found = docker.provider.resolve("1.0.0")
    assert (found.kind, found.digest) == ("image", digest)
    assert docker.engine.api.images(name=f"{registry_here.host}/shop") == []


def test_it_is_pulled_by_digest_though_the_tag_moved_since(
    make_docker: Make, registry_here: Registry
) -> None:
    docker = pushed(make_docker, registry_here, "1.0.0")
    pinned = docker.pinned("1.0.0")
    registry_here.push(docker.engine, image("1.1.0"), "shop", "1.0.0")
    docker.up(pinned, 1)
    docker.route((pinned, 100))
    assert docker.ask().version == "1.0.0"


def test_a_version_the_registry_does_not_have_is_missing(
    make_docker: Make, registry_here: Registry
) -> None:
    docker = pushed(make_docker, registry_here, "1.0.0")
    with pytest.raises(ArtifactMissing, match=r"1\.0\.9"):
        docker.provider.resolve("1.0.9")


def test_a_registry_that_does_not_answer_is_worth_another_try(make_docker: Make) -> None:
    docker = make_docker(config={"image": f"127.0.0.1:{free_port()}/shop:{{version}}"})
    with pytest.raises(TemporaryError, match="does not answer"):
        docker.provider.resolve("1.0.0")


def test_a_pull_that_is_cut_is_worth_another_try(
    make_docker: Make, registry_here: Registry, tmp_path: Path
) -> None:
    docker = pushed(make_docker, registry_here, "1.0.0")
    pinned = docker.pinned("1.0.0")
    host = Host(f"unix://{tmp_path}/cut.sock")
    with cutting(docker.engine.host, tmp_path / "cut.sock", "/images/create"):
        images = Images(host, None, NoSecrets())
        with pytest.raises(TemporaryError, match="does not answer"):
            images.ensure(pinned.artifact)
    client(host).close()
    docker.provider.images.ensure(pinned.artifact)
    assert names(docker, registry_here) == {pinned.artifact.digest}


@pytest.mark.parametrize("how", [LOST, UNANSWERED])
def test_a_registry_that_fails_at_any_call_is_asked_anew_by_the_same_write(
    make_docker: Make, registry_here: Registry, how: How
) -> None:
    with Between(registry_here.host) as wire:
        docker = make_docker(config={"image": f"{wire.address}/shop:{{version}}"})
        # Of no other name on the engine, so that all of it is pulled.
        built = image("1.0.0", f"{APP}# {wire.address}\n")
        registry_here.push(docker.engine, built, "shop", "1.0.0")
        docker.engine.remove_images(built)
        revision = docker.pinned("1.0.0")
        for call in range(1, 30):
            write = docker.write()
            with wire.failing(call, how) as broken:
                # The engine itself asks some of it again.
                with suppress(TemporaryError):
                    docker.provider.start(revision, 1, write)
            docker.another().start(revision, 1, write)
            docker.await_answering(revision, 1)
            assert docker.effects(revision).count("started") == call
            if not broken.reached:
                break
            stopped(docker, revision)
            docker.provider.running.forget(revision.key, for_good=True)
        assert call > 3, "a pull is a manifest, a configuration and a layer"


def test_credentials_come_from_the_secrets_that_config_names(
    make_docker: Make, locked_registry: Registry
) -> None:
    names = {"username": "SHOP_REGISTRY_USER", "password": "SHOP_REGISTRY_PASSWORD"}
    docker = pushed(make_docker, locked_registry, "1.0.0", credentials=names)
    with pytest.raises(SecretMissing, match="SHOP_REGISTRY_USER"):
        docker.provider.resolve("1.0.0")
    images = docker.provider.images
    images.secrets = GivenSecrets(SHOP_REGISTRY_USER="shop", SHOP_REGISTRY_PASSWORD="wrong")
    with pytest.raises(ProviderUnavailable, match="refuses"):
        docker.provider.resolve("1.0.0")
    images.secrets = GivenSecrets(SHOP_REGISTRY_USER="shop", SHOP_REGISTRY_PASSWORD="pa55")
    docker.up(docker.pinned("1.0.0"), 1)
    assert "pa55" not in repr(docker.provider.containers.all())


def test_a_registry_that_wants_a_login_says_so(
    make_docker: Make, locked_registry: Registry
) -> None:
    docker = pushed(make_docker, locked_registry, "1.0.0")
    with pytest.raises(ProviderUnavailable) as raised:
        docker.provider.resolve("1.0.0")
    assert any("secrets of the environment" in fix for fix in raised.value.fix)
    assert any("`credentials` in config" in fix for fix in raised.value.fix)


def test_pruning_keeps_what_is_kept_and_lets_go_of_the_rest(
    make_docker: Make, registry_here: Registry
) -> None:
    docker = pushed(make_docker, registry_here, "1.0.0", "1.1.0", "1.2.0", keep=1)
    old, kept, live = served_in_turn(docker, "1.0.0", "1.1.0", "1.2.0")
    assert names(docker, registry_here) == {r.artifact.digest for r in (kept, live)}
    assert not docker.provider.running.of(old.key)
    # What was let go of is where it came from; what was kept needs no registry.
    assert docker.provider.restorable(old).ok
    registry_here.end()
    assert docker.provider.restorable(kept).ok
    docker.up(kept, 1)


@pytest.mark.trap(8)
def test_canaries_that_fail_do_not_push_out_what_a_rollback_leads_to(
    make_docker: Make, registry_here: Registry
) -> None:
    versions = ("1.0.0", "1.1.0", "1.2.0", "1.3.0", "1.4.0", "1.5.0")
    docker = pushed(make_docker, registry_here, *versions, keep=1)
    older, target, live = served_in_turn(docker, "1.0.0", "1.1.0", "1.2.0")
    for version, most in (("1.3.0", 10), ("1.4.0", 50), ("1.5.0", 100)):
        canary = docker.up(docker.pinned(version), 1)
        docker.route((live, 100 - most), (canary, most))
        docker.route((live, 100))
        stopped(docker, canary)
    docker.provider.scale(live.ref, 1, docker.write())
    for version in versions:
        registry_here.delete("shop", docker.pinned(version).artifact.digest)
    assert docker.provider.restorable(target).ok
    assert docker.provider.running.of(target.key)
    assert not docker.provider.running.of(older.key)
    docker.up(target, 1)


def test_an_image_that_its_registry_lost_is_not_pruned(
    make_docker: Make, registry_here: Registry
) -> None:
    docker = pushed(make_docker, registry_here, "1.0.0", "1.1.0", "1.2.0", keep=0)
    (old,) = served_in_turn(docker, "1.0.0")
    registry_here.delete("shop", old.artifact.digest)
    docker.route()
    stopped(docker, old)
    served_in_turn(docker, "1.1.0", "1.2.0")
    assert not docker.provider.running.of(old.key)
    assert docker.provider.restorable(old).ok
    docker.up(old, 1)


def test_an_image_that_was_built_here_is_never_pruned(make_docker: Make) -> None:
    docker = make_docker(config={"keep": 0})
    # The one name it has is the repository's own, so that the engine would let it go.
    text = f"{APP}# {docker.repository}\n"
    old, live = docker.release("1.0.0", text), docker.release("1.1.0")
    docker.engine.remove_images(image("1.0.0", text))
    docker.up(old, 1)
    docker.up(live, 1)
    docker.route((live, 100))
    stopped(docker, old)
    docker.provider.scale(live.ref, 1, docker.write())
    assert not docker.provider.running.of(old.key)
    assert docker.provider.restorable(old).ok
    assert docker.provider.resolve("1.0.0") == old.artifact


@pytest.mark.trap(8)
def test_a_revision_whose_image_is_gone_everywhere_is_not_restorable(
    make_docker: Make, registry_here: Registry
) -> None:
    docker = pushed(make_docker, registry_here, "1.0.0")
    revision = docker.pinned("1.0.0")
    assert docker.provider.restorable(revision).ok
    registry_here.delete("shop", revision.artifact.digest)
    found = docker.provider.restorable(revision)
    assert not found.ok
    assert "neither here nor at its registry" in found.lost[0]
    with pytest.raises(ArtifactMissing):
        docker.provider.start(revision, 1, docker.write())


def names(docker: Docker, registry: Registry) -> set[str]:
    """Digests of the registry's images that the engine has."""
    found = docker.engine.api.images(name=f"{registry.host}/shop")
    return {name.partition("@")[2] for image in found for name in image["RepoDigests"]}


@contextmanager
def cutting(engine: str, path: Path, what: str) -> Iterator[None]:
    """A socket at `path` through which the engine is asked, one question to a connection. Its
    answer to `what` is cut off within the first chunk."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            with suppress(OSError):
                while True:
                    near, _ = listener.accept()
                    with near, socket.socket(socket.AF_UNIX) as far:
                        far.connect(engine.removeprefix("unix://"))
                        asked = near.recv(65536)
                        if not asked:
                            continue  # it knocked
                        far.sendall(asked.replace(b"Connection: keep-alive", b"Connection: close"))
                        if what.encode() not in asked:
                            while answer := far.recv(65536):
                                near.sendall(answer)
                            continue
                        answer = far.recv(65536)
                        while b"\r\n\r\n{" not in answer and b"\r\n{" not in answer:
                            answer += far.recv(65536)
                        near.sendall(answer[: answer.index(b"\r\n{") + 5])

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
