"""The `config` of an environment on a Docker engine, checked."""

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from orchestrate.providers.docker.healthcheck import Healthcheck, healthcheck
from orchestrate.providers.docker.host import Tls, host_url, reached, tls
from orchestrate.providers.docker.mounts import Volume, tmpfs, volumes
from orchestrate.providers.settings import Reader, count, duration, size, variable, words

LOOPBACK = "127.0.0.1"
_REPOSITORY = re.compile(
    r"(?:[A-Za-z0-9.-]+(?::\d+)?/)?[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*"
)
_TAG = re.compile(r"[A-Za-z0-9_.-]*\{version\}[A-Za-z0-9_.-]*")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?::[A-Za-z0-9_][A-Za-z0-9_.-]*)?")
_CAPABILITY = re.compile(r"[A-Z_]{3,40}")


@dataclass(frozen=True)
class Credentials:
    """Names of the environment's secrets that hold a registry's user and password. They are not
    given to the application."""

    username: str
    password: str


@dataclass(frozen=True)
class Limits:
    """What a container may use. None: as much as there is."""

    memory: int | None = None
    cpus: float | None = None
    pids: int | None = 1024


@dataclass(frozen=True)
class Settings:
    """What runs, where, and how much of it."""

    image: str
    """Repository and tag with `{version}` in the tag."""
    port: int
    """Port the application listens on in its container, on all addresses."""
    port_variable: str = "PORT"
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    replicas: int = 1
    grace_s: float = 10.0
    keep: int = 5
    """Stopped revisions that are kept whole, with containers, logs and images: so many of those
    that once had all the traffic, and so many of the others."""
    limits: Limits = Limits()
    user: str | None = None
    """None: the image's own, and 65534:65534 where that is root."""
    read_only: bool = True
    init: bool = False
    cap_add: tuple[str, ...] = ()
    tmpfs: Mapping[str, str] = field(default_factory=lambda: {"/tmp": "size=64m"})
    volumes: tuple[Volume, ...] = ()
    networks: tuple[str, ...] = ()
    healthcheck: Healthcheck | None = None
    """None: the image's own, if it has one."""
    log_bytes: int = 10 << 20
    log_files: int = 3
    host: str | None = None
    """None: DOCKER_HOST of the service, else the socket of this machine."""
    tls: Tls | None = None
    publish: str = LOOPBACK
    """Address of the engine's machine that ports are published on."""
    credentials: Credentials | None = None


def settings_of(config: Mapping[str, JsonValue]) -> Settings:
    """The settings in `config`. Raises ProviderConfigInvalid with every problem at once."""
    reader = Reader("docker", config)
    reader.take("root", lambda value: value, None)
    found = Settings(
        image=reader.take("image", _image, ""),
        port=reader.take("port", count(1, 65535), 0),
        port_variable=reader.take("port_variable", variable, "PORT"),
        command=reader.take("command", words, None),
        entrypoint=reader.take("entrypoint", words, None),
        environment=reader.take("environment", _environment, {}),
        replicas=reader.take("replicas", count(1, 100), 1),
        grace_s=reader.take("grace", duration, 10.0),
        keep=reader.take("keep", count(0, 1000), 5),
        limits=Limits(
            memory=reader.take("memory", _memory, None),
            cpus=reader.take("cpus", _cpus, None),
            pids=reader.take("pids", count(1, 4_000_000), 1024),
        ),
        user=reader.take("user", _matching(_USER, "a user such as 1000:1000"), None),
        read_only=reader.take("read_only", _truth, True),
        init=reader.take("init", _truth, False),
        cap_add=reader.take("cap_add", _each(_CAPABILITY, "a capability such as CHOWN"), ()),
        tmpfs=reader.take("tmpfs", tmpfs, {"/tmp": "size=64m"}),
        volumes=reader.take("volumes", volumes, ()),
        networks=reader.take("networks", _each(_NAME, "the name of a network"), ()),
        healthcheck=reader.take("healthcheck", healthcheck, None),
        log_bytes=reader.take("log_size", size, 10 << 20),
        log_files=reader.take("log_files", count(1, 100), 3),
        host=reader.take("host", host_url, None),
        tls=reader.take("tls", tls, None),
        publish=reader.take("publish", _address, LOOPBACK),
        credentials=reader.take("credentials", _credentials, None),
    )
    reader.demand("image", "registry.example.com/shop:{version}")
    reader.demand("port", "8080")
    _agree(reader, found)
    reader.finish()
    return found


def _agree(reader: Reader, found: Settings) -> None:
    """What is wrong only together."""
    if found.tls is not None and not (found.host or "tcp:").startswith("tcp:"):
        reader.problems.append("tls: it goes with a host that is tcp://, and no other")
    if found.host is not None and found.host.startswith("tcp:") and found.tls is None:
        reader.problems.append(
            "host: tcp:// needs tls: {ca, cert, key}; without it whoever reaches the port is root"
        )
    remote = found.host is not None and not found.host.startswith("unix:")
    if remote and not reached(found.publish):
        reader.problems.append(
            "publish: an engine elsewhere must publish on an address that this machine reaches"
        )


def _image(value: JsonValue) -> str:
    if isinstance(value, str):
        repository, _, tag = value.rpartition(":")
        if _REPOSITORY.fullmatch(repository) and _TAG.fullmatch(tag):
            return value
    raise ValueError("it must be a repository and a tag such as shop:{version}")


def _environment(value: JsonValue) -> dict[str, str]:
    """As Compose has it: a mapping, or a list of NAME=value."""
    pairs: list[tuple[str, JsonValue]]
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list) and all(isinstance(x, str) and "=" in x for x in value):
        pairs = [(name, text) for name, _, text in (str(x).partition("=") for x in value)]
    else:
        raise ValueError("it must be a mapping, or a list of NAME=value")
    if any(not isinstance(text, str) for _, text in pairs):
        raise ValueError("every value must be a text; quote numbers")
    return {variable(name): str(text) for name, text in pairs}


def _memory(value: JsonValue) -> int:
    found = size(value)
    if found < 6 << 20:
        raise ValueError("the engine takes no less than 6MiB")
    return found


def _cpus(value: JsonValue) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0.01 <= value <= 1024:
        return float(value)
    raise ValueError("it must be a number of processors such as 0.5")


def _truth(value: JsonValue) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError("it must be true or false")


def _matching(form: re.Pattern[str], what: str) -> Callable[[JsonValue], str]:
    def read(value: JsonValue) -> str:
        if isinstance(value, str) and form.fullmatch(value):
            return value
        raise ValueError(f"it must be {what}")

    return read


def _each(form: re.Pattern[str], what: str) -> Callable[[JsonValue], tuple[str, ...]]:
    def read(value: JsonValue) -> tuple[str, ...]:
        if isinstance(value, list) and all(isinstance(x, str) and form.fullmatch(x) for x in value):
            return tuple(str(x) for x in value)
        raise ValueError(f"it must be a list, and each in it {what}")

    return read


def _address(value: JsonValue) -> str:
    try:
        return str(ipaddress.IPv4Address(value if isinstance(value, str) else ""))
    except ValueError:
        raise ValueError("it must be an IPv4 address of the engine's machine") from None


def _credentials(value: JsonValue) -> Credentials:
    if isinstance(value, dict) and set(value) == {"username", "password"}:
        return Credentials(variable(value["username"]), variable(value["password"]))
    raise ValueError(
        "it must be {username: NAME, password: NAME}, names of secrets of the environment"
    )
