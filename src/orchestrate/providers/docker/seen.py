"""Containers as they are seen: what their labels record, and what the engine says of them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrate.core.untrusted import clean
from orchestrate.providers.docker.engine import Json, items, part

PREFIX = "orchestrate."
NOT_READY = ("starting", "unhealthy")


@dataclass(frozen=True)
class Container:
    """One container, as its labels and the engine's list have it."""

    id: str
    key: str
    """Of its revision."""
    number: int
    state: str
    """The engine's word: created, running, restarting, paused, removing, exited, dead."""
    address: str
    write: int
    write_key: str
    revision: str
    """The revision in JSON."""

    @property
    def port(self) -> int:
        return int(self.address.rsplit(":", 1)[1])

    @property
    def alive(self) -> bool:
        return self.state in ("running", "restarting", "paused", "removing")


@dataclass(frozen=True)
class Detail:
    """What only a closer look tells."""

    state: str
    pid: int | None
    started_at: str | None
    restarts: int
    exit_code: int | None
    reason: str | None
    ready: bool
    """No health check of its own says anything else."""
    image: str | None
    """Digest by which the engine was told to run it."""


def container_of(found: Mapping[str, object]) -> Container:
    """A container in the engine's list."""
    labels = part(found, "Labels")

    def label(name: str) -> str:
        return str(labels.get(f"{PREFIX}{name}", ""))

    return Container(
        id=str(found["Id"]),
        key=label("key"),
        number=int(label("replica")),
        state=str(found["State"]),
        address=label("address"),
        write=int(label("write")),
        write_key=label("write-key"),
        revision=label("revision"),
    )


def detail_of(found: Json) -> Detail:
    """A container as it was inspected."""
    state = part(found, "State")
    word = str(state.get("Status"))
    code = state.get("ExitCode")
    ended = word in ("exited", "restarting", "dead")
    pid, restarts = state.get("Pid"), found.get("RestartCount")
    started = str(state.get("StartedAt", ""))
    return Detail(
        state=word,
        pid=pid if isinstance(pid, int) and pid > 0 else None,
        started_at=None if started.startswith("0001") else started,
        restarts=restarts if isinstance(restarts, int) else 0,
        exit_code=code if ended and isinstance(code, int) else None,
        reason=_reason(word, state, found),
        ready=_health(state) not in NOT_READY,
        image=_digest(str(part(found, "Config").get("Image", ""))),
    )


def _digest(image: str) -> str | None:
    digest = image.rpartition("@")[2]
    return digest if digest.startswith("sha256:") else None


def _reason(word: str, state: Json, found: Json) -> str | None:
    if word == "paused":
        return "it is paused; docker unpause lets it go on"
    if word in ("exited", "restarting", "dead"):
        if state.get("OOMKilled"):
            limit = part(found, "HostConfig").get("Memory")
            most = f" of {limit >> 20} MiB" if isinstance(limit, int) and limit else ""
            return f"killed: it needed more than its memory{most}"
        said = state.get("Error")
        return f"exited with code {state.get('ExitCode')}" + (f": {said}" if said else "")
    if word == "created":
        return str(state.get("Error")) if state.get("Error") else "made, not started yet"
    if (health := _health(state)) in NOT_READY:
        runs = items(part(state, "Health").get("Log"))
        last = " ".join(clean(str(runs[-1].get("Output", ""))).split()) if runs else ""
        return f"its own health check says {health}" + (f": {last}" if last else "")
    return None


def _health(state: Json) -> object:
    """The engine's word: starting, healthy, unhealthy; none without a health check."""
    return part(state, "Health").get("Status")
