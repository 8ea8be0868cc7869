"""The small application of tests.support.local in images, and an environment that deploys it."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar

from orchestrate.core.environment import Environment, EnvironmentType
from orchestrate.core.revision import Revision
from orchestrate.providers.docker import DockerProvider
from tests.support.between import Between
from tests.support.docker.engine import Engine, engine
from tests.support.local import APP, ROLLS, Local
from tests.support.platform import Ability, Failing, How
from tests.support.secrets import GivenSecrets

RECIPE = ('CMD ["python3", "-I", "-S", "app.py"]',)
IMAGES = "orchestrate-tests/app"


def in_container(text: str) -> str:
    """The application as it must be in a container: on all addresses, with the container's id for
    a pid, since that is 1 in all of them."""
    return text.replace("127.0.0.1", "0.0.0.0").replace(
        "pid=os.getpid()", "pid=__import__('socket').gethostname()"
    )


def image_of(text: str, *lines: str) -> str:
    """An image of the application in `text`, built once for each engine; its name."""
    recipe = (*RECIPE, *lines)
    name = f"{IMAGES}:{hashlib.sha256(repr((text, recipe)).encode()).hexdigest()[:16]}"
    if not engine().api.images(name=name):
        engine().build(name, {"app.py": text}, *recipe)
    return name


@dataclass
class Docker(Local):
    """As Local, on a Docker engine, with a repository of images of its own."""

    repository: str = field(default_factory=lambda: f"orchestrate-tests-{secrets.token_hex(4)}")
    since: float = field(default_factory=time.time)
    between: Between | None = None

    cannot: ClassVar[Mapping[Ability, str]] = {"rolls": ROLLS}

    @property
    def engine(self) -> Engine:
        return engine()

    @property
    def host(self) -> str:
        """Where its provider finds the engine: through the wire that breaks, once one is there."""
        return f"unix://{self.between.address}" if self.between else self.engine.host

    @property
    def environment(self) -> Environment:
        return Environment(
            app="shop",
            name=self.name,
            type=EnvironmentType.DEV,
            provider="docker",
            url=self.url,
            variables=self.variables,
            secrets=tuple(self.secrets),
            health=self.health,
            config={
                "root": str(self.root),
                "host": self.host,
                "image": f"{self.repository}:{{version}}",
                "port": 8080,
                "replicas": 2,
                "grace": "2s",
                "init": True,
                **self.config,
            },
        )

    def another(self) -> DockerProvider:
        return DockerProvider(self.environment, str(self.home), GivenSecrets(**self.secrets))

    def release(
        self, version: str, text: str = APP, *lines: str, failing: bool = False
    ) -> Revision:
        source = text.replace("{version}", version).replace("{failing}", str(failing))
        name = image_of(in_container(source), *lines)
        self.engine.api.tag(name, self.repository, version)
        return self.pinned(version)

    def copies(self, revision: Revision) -> list[str]:
        return self.pids(revision)

    @contextmanager
    def failing(self, call: int, how: How) -> Iterator[Failing]:
        """By a wire of its own to the engine, made for the first call that fails."""
        if self.between is None:
            socket = self.engine.host.removeprefix("unix://")
            self.between = Between(socket, self.home / "wire.sock").__enter__()
            self.provider = self.another()
        with self.between.failing(call, how) as broken:
            yield broken

    def pids(self, revision: Revision) -> list[str]:
        found = self.provider.containers.all()
        return [c.id[:12] for c in found if c.key == revision.key and c.state == "running"]

    def effects(self, revision: Revision) -> list[str]:
        """What the engine itself says was started and ended."""
        events = self.engine.api.events(
            since=int(self.since),
            until=int(time.time()) + 1,
            decode=True,
            filters={"event": ["start", "die"], "label": f"orchestrate.key={revision.key}"},
        )
        owner = self.provider.containers.owner
        words = {"start": "started", "die": "ended"}
        return [
            words[event["Action"]]
            for event in events
            if event["Actor"]["Attributes"]["orchestrate.owner"] == owner
        ]

    def end(self) -> None:
        """Stop all there is, and remove it."""
        self.another().dismantle()
        if self.between is not None:
            self.between.__exit__()
        self.engine.remove_images(f"{self.repository}:")
