"""Environments that share an engine: what one lets go of, another that needs it brings again."""

from __future__ import annotations

import pytest

from orchestrate.core.secret import Secret
from tests.providers.docker.conftest import Make
from tests.providers.docker.test_images import pushed
from tests.support.docker.registry import Registry
from tests.support.secrets import GivenSecrets

pytestmark = pytest.mark.system


def test_an_image_that_another_environment_prunes_just_now_is_brought_again(
    make_docker: Make, registry_here: Registry
) -> None:
    docker = pushed(make_docker, registry_here, "1.0.0")
    docker.secrets = {"WORD": "a-word-that-is-long"}
    revision = docker.pinned("1.0.0")
    provider = docker.another()

    class Pruning(GivenSecrets):
        """Asked for between the look for the image and the container that is made of it."""

        def get(self, name: str, version: str | None = None) -> Secret:
            provider.images.forget(revision.artifact)
            return super().get(name, version)

    provider.running.secrets = Pruning(**docker.secrets)
    provider.start(revision, 1, docker.write())
    assert len(provider.observe().replicas(revision.key)) == 1
