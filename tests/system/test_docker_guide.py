"""docs/providers/docker.md: its files and commands, as they stand, on a real engine."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker.errors import ImageNotFound

from tests.support.docker.engine import engine
from tests.support.ports import free_port
from tests.support.real import need_program
from tests.support.repository import ROOT
from tests.support.service import SHOP, end_all

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

PAGE = (ROOT / "docs" / "providers" / "docker.md").read_text(encoding="utf-8")
FROM = "python:3.13-slim"


def block(kind: str) -> str:
    found = re.search(rf"^```{kind}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


@pytest.fixture
def repository() -> Iterator[str]:
    """A name in place of `shop`, which a developer may have images of; and a Python to start from,
    where the engine has none and no registry to ask."""
    api, lent = engine().api, False
    try:
        api.inspect_image(FROM)
    except ImageNotFound:
        api.tag(engine().base(), *FROM.split(":"))
        lent = True
    name = f"orc-{secrets.token_hex(4)}"
    yield name
    for container in api.containers(all=True, filters={"label": f"orchestrate.app={name}"}):
        api.remove_container(container["Id"], v=True, force=True)
    engine().remove_images(f"{name}:")
    if lent:
        engine().remove_images(FROM)


def test_the_guide_leads_from_an_application_to_a_rollback(
    home: Path, tmp_path: Path, repository: str
) -> None:
    need_program("docker", "apt-get install docker.io")
    need_program("traefik", 'pip install "orchestrate-mcp[edge]"')
    port = str(free_port())

    def ours(text: str) -> str:
        text = re.sub(r"\bshop:(?=[1{])", f"{repository}:", text)
        return text.replace("app: shop", f"app: {repository}").replace(
            "127.0.0.1:8080", f"127.0.0.1:{port}"
        )

    shutil.copytree(SHOP / "releases", tmp_path / "releases")
    (tmp_path / "Dockerfile").write_text(block("dockerfile"), encoding="utf-8")
    (tmp_path / "orchestrate.yaml").write_text(ours(block("yaml")), encoding="utf-8")
    environment = {
        **os.environ,
        "DOCKER_HOST": engine().host,
        "DOCKER_CONFIG": str(tmp_path / "none"),
        "ORCHESTRATE_HOME": str(home),
        "PATH": f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}",
    }
    said = {}
    try:
        for line in ours(block("sh")).splitlines():
            done = subprocess.run(
                line.split(),
                cwd=tmp_path,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=120,
            )
            assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
            said[line] = done.stdout
    finally:
        end_all(home)
    *_, listed, logs, _, status = said.values()
    assert len(listed.splitlines()) == 3, "a heading and two replicas"
    assert "shop 1.1.0 listens" in logs
    assert "1.0.0" in status
