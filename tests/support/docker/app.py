"""The small application of tests.support.local in images, and an environment that deploys it."""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass, field

from pydantic import JsonValue

from orchestrate.core.environment import Environment, EnvironmentType
from orchestrate.core.revision import Revision
from orchestrate.providers.docker import DockerProvider
from tests.support.docker.engine import Engine, engine
from tests.support.local import APP, Local
from tests.support.secrets import NoSecrets

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

    @property
    def engine(self) -> Engine:
        return engine()

    @property
    def environment(self) -> Environment:
        return Environment(
            app="shop",
            name=self.name,
            type=EnvironmentType.DEV,
            provider="docker",
            url=self.url,
            variables=self.variables,
            health=self.health,
            config={
                "root": str(self.root),
                "host": self.engine.host,
                "image": f"{self.repository}:{{version}}",
                "port": 8080,
                "replicas": 2,
                "grace": "2s",
                "init": True,
                **self.config,
            },
        )

    def another(self) -> DockerProvider:
        return DockerProvider(self.environment, str(self.home), NoSecrets())

    def release(
        self, version: str, text: str = APP, *lines: str, failing: bool = False
    ) -> Revision:
        source = text.replace("{version}", version).replace("{failing}", str(failing))
        name = image_of(in_container(source), *lines)
        self.engine.api.tag(name, self.repository, version)
        return self.pinned(version)

    def pids(self, revision: Revision) -> list[str]:
        found = self.provider.containers.all()
        return [c.id[:12] for c in found if c.key == revision.key and c.state == "running"]

    def effects(self, revision: Revision) -> list[dict[str, JsonValue]]:
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
            {"what": words[event["Action"]]}
            for event in events
            if event["Actor"]["Attributes"]["orchestrate.owner"] == owner
        ]

    def end(self) -> None:
        """Stop all there is, and remove it."""
        self.another().dismantle()
        self.engine.remove_images(f"{self.repository}:")
