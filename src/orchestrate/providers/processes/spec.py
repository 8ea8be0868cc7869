"""What a supervisor is asked to run (spec.json) and what it found (state.json)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestrate.providers.processes.files import Json
from orchestrate.providers.processes.identity import Identity


@dataclass(frozen=True)
class Stamp:
    """The write that asked for it."""

    number: int = 0
    key: str = ""
    lease: str = ""


@dataclass(frozen=True)
class Spec:
    """`wanted` copies of one program, numbered from 0."""

    wanted: int
    command: tuple[str, ...]
    """The first is an absolute path. `{port}` and `{replica}` are filled in."""
    cwd: str
    environment: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[int, int] = field(default_factory=dict)
    """TCP port of each replica; a replica without one gets no port."""
    port_variable: str | None = None
    replica_variable: str | None = None
    write: Stamp = Stamp()
    grace_s: float = 10.0
    """From SIGTERM to SIGKILL."""
    log_bytes: int = 10 << 20
    log_files: int = 3
    """Rotated log files kept per replica, beside the one being written."""
    restart_first_s: float = 0.5
    """Pause before the second restart; the first is at once, then each doubles it."""
    restart_most_s: float = 30.0
    labels: Mapping[str, str] = field(default_factory=dict)
    """For whoever reads it back; the supervisor does not."""

    def as_json(self) -> Json:
        return {
            "write": vars(self.write),
            "wanted": self.wanted,
            "command": list(self.command),
            "cwd": self.cwd,
            "environment": dict(self.environment),
            "port_variable": self.port_variable,
            "replica_variable": self.replica_variable,
            "ports": {str(number): port for number, port in self.ports.items()},
            "grace_s": self.grace_s,
            "log_bytes": self.log_bytes,
            "log_files": self.log_files,
            "restart": {"first_s": self.restart_first_s, "most_s": self.restart_most_s},
            "labels": dict(self.labels),
        }


def spec_of(data: Json) -> Spec:
    """The spec `as_json` wrote. Raises ValueError for anything else."""
    restart, command = _mapping(data, "restart"), data.get("command")
    write = _mapping(data, "write")
    if not isinstance(command, list) or not command:
        raise ValueError("command is not a list")
    return Spec(
        wanted=int(_number(data, "wanted")),
        command=tuple(str(part) for part in command),
        cwd=str(data["cwd"]),
        environment={k: str(v) for k, v in _mapping(data, "environment").items()},
        ports={int(k): int(str(v)) for k, v in _mapping(data, "ports").items()},
        port_variable=_text(data, "port_variable"),
        replica_variable=_text(data, "replica_variable"),
        write=Stamp(
            int(_number(write, "number")), str(write.get("key", "")), str(write.get("lease", ""))
        ),
        grace_s=_number(data, "grace_s"),
        log_bytes=int(_number(data, "log_bytes")),
        log_files=int(_number(data, "log_files")),
        restart_first_s=_number(restart, "first_s"),
        restart_most_s=_number(restart, "most_s"),
        labels={k: str(v) for k, v in _mapping(data, "labels").items()},
    )


@dataclass(frozen=True)
class Seen:
    """One replica as the supervisor last saw it."""

    number: int
    state: str
    """`running`, `stopping` or `exited`."""
    identity: Identity | None = None
    executable: str | None = None
    port: int | None = None
    restarts: int = 0
    exit_code: int | None = None
    """Of its last exit; negative is a signal; None when it never ended or nobody could see."""
    reason: str | None = None
    """Why it last ended, in one line."""
    started_at: str | None = None

    def as_json(self) -> Json:
        return {
            "number": self.number,
            "state": self.state,
            "pid": self.identity.pid if self.identity else None,
            "start": self.identity.start if self.identity else None,
            "boot": self.identity.boot if self.identity else None,
            "executable": self.executable,
            "port": self.port,
            "restarts": self.restarts,
            "exit_code": self.exit_code,
            "reason": self.reason,
            "started_at": self.started_at,
        }


def seen_of(data: Json) -> Seen:
    """The replica `as_json` wrote. Raises ValueError or KeyError for anything else."""
    return Seen(
        number=int(_number(data, "number")),
        state=str(data["state"]),
        identity=identity_of(data),
        executable=_text(data, "executable"),
        port=_whole(data, "port"),
        restarts=int(_number(data, "restarts")),
        exit_code=_whole(data, "exit_code"),
        reason=_text(data, "reason"),
        started_at=_text(data, "started_at"),
    )


def identity_of(data: Json) -> Identity | None:
    """The process named by `pid`, `start` and `boot`; None when there is none."""
    pid, start = data.get("pid"), data.get("start")
    if not isinstance(pid, int) or not start:
        return None
    return Identity(pid, str(start), str(data.get("boot") or ""))


def _mapping(data: Json, name: str) -> Json:
    found = data.get(name) or {}
    if not isinstance(found, dict):
        raise ValueError(f"{name} is not an object")
    return found


def _number(data: Json, name: str) -> float:
    found = data.get(name)
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise ValueError(f"{name} is not a number")
    return found


def _whole(data: Json, name: str) -> int | None:
    found = data.get(name)
    return found if isinstance(found, int) else None


def _text(data: Json, name: str) -> str | None:
    found = data.get(name)
    return None if found is None else str(found)
