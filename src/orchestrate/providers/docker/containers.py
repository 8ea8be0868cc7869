"""The containers of one environment. Their labels are the record of what each one is."""

import re
from collections.abc import Iterator, Mapping, Sequence

from orchestrate.core.errors import ExitedAtOnce, PortTaken, StepFailed
from orchestrate.core.protocols import Write
from orchestrate.core.revision import Revision
from orchestrate.providers.docker import shape
from orchestrate.providers.docker.engine import Absent, Conflict, Json, client, items, part, told
from orchestrate.providers.docker.host import Host
from orchestrate.providers.docker.images import inspect
from orchestrate.providers.docker.seen import PREFIX, Container, Detail, container_of, detail_of
from orchestrate.providers.docker.settings import Settings

_PORT_TAKEN = re.compile(r"port is already allocated|address already in use")


class Containers:
    """The containers of `environment` (app/name) that the home `owner` made."""

    def __init__(self, host: Host, owner: str, environment: str, slug: str) -> None:
        self.host, self.owner, self.slug = host, owner, slug
        self.app, _, self.environment = environment.partition("/")

    def all(self) -> list[Container]:
        """All of them, stopped ones too."""
        asked = [f"{name}={value}" for name, value in self._labels({}).items()]
        with told("its containers were not listed"):
            found = client(self.host).containers(all=True, filters={"label": asked})
        return sorted(map(container_of, items(found)), key=lambda c: (c.key, c.number))

    def taken_ports(self) -> set[int]:
        """Ports that any container of any home of ours has, or will have once started."""
        with told("its containers were not listed"):
            found = client(self.host).containers(all=True, filters={"label": f"{PREFIX}address"})
        return {container_of(each).port for each in items(found)}

    def look(self, container: Container) -> Detail | None:
        """A closer look; None when it is gone."""
        try:
            with told("a container was not looked at"):
                found: Json = client(self.host).inspect_container(container.id)
        except Absent:
            return None
        return detail_of(found)

    def create(
        self,
        revision: Revision,
        settings: Settings,
        image: str,
        number: int,
        port: int,
        write: Write,
        secrets: Mapping[str, str],
    ) -> str:
        """A container that is not started yet; returns its id.

        One of the same name that a crash left behind is returned, whatever its port.
        """
        api = client(self.host)
        name = f"{self.slug}-{revision.key}-{number}-{self.owner}"
        try:
            with told(f"a container of {revision.version} was not made"):
                made = api.create_container(
                    image,
                    command=shape.words(settings.command),
                    entrypoint=shape.words(settings.entrypoint),
                    name=name,
                    detach=True,
                    ports=[settings.port],
                    environment=shape.variables(revision, settings, number, secrets),
                    user=shape.user(settings, self._user_of(image)),
                    labels=self._labels(shape.labels(revision, settings, number, port, write)),
                    host_config=shape.host_config(api, settings, port),
                    healthcheck=shape.healthcheck(settings),
                )
            identity = str(made["Id"])
        except Conflict:
            identity = self._named(name)
        except Absent as problem:
            raise StepFailed(
                f"a container of {revision.version} was not made", why=[str(problem)]
            ) from problem
        return identity

    def start(self, identity: str, networks: Sequence[str]) -> None:
        """Start it in its networks; one that runs is fine. Raises PortTaken, ExitedAtOnce."""
        # Here and not where it is made: a crash between the two must not leave one out.
        self._join(identity, networks[1:])
        try:
            with told("a container was not started"):
                client(self.host).start(identity)
        except (Absent, Conflict) as problem:
            raise StepFailed("a container was not started", why=[str(problem)]) from problem
        except StepFailed as problem:
            said = "; ".join(problem.why)
            if _PORT_TAKEN.search(said):
                raise PortTaken("the port of a container is taken", why=[said]) from problem
            raise ExitedAtOnce(
                "a container could not be started",
                why=[said],
                fix=["correct `command`, `entrypoint`, `user`, `volumes` or the image"],
            ) from problem

    def stop(self, identity: str, grace_s: float) -> None:
        """SIGTERM, and SIGKILL when it has not ended after `grace_s`; waits for the end."""
        try:
            with told("a container was not stopped"):
                client(self.host).stop(identity, timeout=max(round(grace_s), 1))
        except Absent:
            return

    def remove(self, identity: str) -> None:
        """Remove a container, its log too. Named volumes stay. One that is gone is fine."""
        try:
            with told("a container was not removed"):
                client(self.host).remove_container(identity, v=True, force=True)
        except (Absent, Conflict):
            return  # gone, or on its way

    def tail(self, container: Container, lines: int) -> Iterator[tuple[str, str]]:
        """The last lines it wrote: when, and what."""
        try:
            with told("a log was not read"):
                text: bytes = client(self.host).logs(container.id, timestamps=True, tail=lines)
        except Absent:
            return
        for line in text.decode("utf-8", "replace").splitlines():
            at, _, rest = line.partition(" ")
            yield at, rest

    def missing_networks(self, names: Sequence[str]) -> list[str]:
        with told("its networks were not listed"):
            found = {str(each["Name"]) for each in items(client(self.host).networks())}
        return [name for name in names if name not in found]

    def _named(self, name: str) -> str:
        with told(f"container {name} was not found"):
            found: Json = client(self.host).inspect_container(name)
        labels = part(found, "Config", "Labels")
        if labels.get(f"{PREFIX}owner") != self.owner:
            raise StepFailed(
                f"a container named {name} is there, and it is not ours",
                fix=[f"look at it, then: docker rm {name}"],
            )
        return str(found["Id"])

    def _join(self, identity: str, networks: Sequence[str]) -> None:
        """The networks beyond the first, which the engine takes one by one."""
        if not networks:
            return
        failed = "a container was not connected to its networks"
        try:
            with told(failed):
                found: Json = client(self.host).inspect_container(identity)
                present = part(found, "NetworkSettings", "Networks")
                for network in networks:
                    if network not in present:
                        client(self.host).connect_container_to_network(identity, network)
        except (Absent, Conflict) as problem:
            raise StepFailed(failed, why=[str(problem)]) from problem

    def _user_of(self, image: str) -> str:
        return str(part(inspect(self.host, image), "Config").get("User") or "")

    def _labels(self, labels: dict[str, str]) -> dict[str, str]:
        whose = {"owner": self.owner, "app": self.app, "environment": self.environment}
        return {**labels, **{f"{PREFIX}{name}": value for name, value in whose.items()}}
