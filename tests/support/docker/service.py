"""Environments of a running service whose provider is docker."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from tests.support.docker.app import image_of, in_container
from tests.support.docker.engine import Engine, engine
from tests.support.local import APP
from tests.support.ports import free_port
from tests.support.service import SHOP, Site, World


@dataclass
class Dock:
    """A world with an engine, and repositories of images for its environments."""

    world: World
    repository: str

    @property
    def engine(self) -> Engine:
        return engine()

    def shop(self, name: str, *, strategy: Mapping[str, object], **more: object) -> Site:
        """An environment for examples/shop, whose four versions are images."""
        for directory in sorted((SHOP / "releases").iterdir()):
            files = {p.name: p.read_text("utf-8") for p in directory.iterdir() if p.is_file()}
            recipe = ('CMD ["python3", "-E", "-s", "shop.py"]', "ENV HOST=0.0.0.0")
            name_of = f"{self.repository}/shop:{directory.name}"
            if not self.engine.api.images(name=name_of):
                self.engine.build(name_of, files, *recipe)
        return self._site(name, "shop", strategy, more)

    def small(self, name: str, *, strategy: Mapping[str, object], **more: object) -> Site:
        """An environment for the small application in 1.0.0 and 1.1.0."""
        for version in ("1.0.0", "1.1.0"):
            text = APP.replace("{version}", version).replace("{failing}", "False")
            self.engine.api.tag(image_of(in_container(text)), f"{self.repository}/small", version)
        return self._site(name, "small", strategy, more)

    @property
    def app(self) -> str:
        return self.repository

    def containers(self, name: str, *states: str) -> list[str]:
        """Ids of an environment's containers in these states, of all with none."""
        found = self.engine.api.containers(
            all=True,
            filters={"label": [f"orchestrate.app={self.app}", f"orchestrate.environment={name}"]},
        )
        return sorted(each["Id"] for each in found if not states or each["State"] in states)

    def _site(
        self, name: str, image: str, strategy: Mapping[str, object], more: Mapping[str, object]
    ) -> Site:
        url = f"http://127.0.0.1:{free_port()}"
        own, health = more.get("config"), more.get("health")
        settings: dict[str, object] = {
            "app": self.app,
            "name": name,
            "type": "dev",
            "provider": "docker",
            **more,
            "url": url,
            "strategy": {"drain_s": 5, **strategy},
            "health": {
                "version_header": "X-Version",
                "healthy_after": 1,
                "interval_s": 0.05,
                **(health if isinstance(health, dict) else {}),
            },
            "config": {
                "root": str(self.world.root),
                "host": self.engine.host,
                "image": f"{self.repository}/{image}:{{version}}",
                "port": 8080,
                **(own if isinstance(own, dict) else {}),
            },
        }
        self.world.api.set(settings)
        return Site(self.world, name, url, settings)


@contextmanager
def dock(world: World) -> Iterator[Dock]:
    """A dock of its own; its containers and images are removed at the end."""
    made = Dock(world, f"orc-{secrets.token_hex(4)}")
    try:
        yield made
    finally:
        # Before anything is removed: a service that lives would bring it back.
        world.service.kill()
        mine = {"label": f"orchestrate.app={made.app}"}
        for container in made.engine.api.containers(all=True, filters=mine):
            made.engine.api.remove_container(container["Id"], v=True, force=True)
        made.engine.remove_images(f"{made.repository}/")
