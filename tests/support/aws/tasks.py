"""A task of ECS: the program of an image as a process, on a loopback address of its own."""

from __future__ import annotations

import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.support.aws.shapes import now

PORT = 8080
GRACE_S = 2.0
ARN = "arn:aws:ecs:eu-west-1:123456789012"


@dataclass
class Task:
    """`container` is its definition; `deployment` the id of what started it."""

    cluster: str
    service: str
    definition: str
    deployment: str
    container: Mapping[str, Any]
    program: str | None
    wrote: Callable[[Task, str], None]
    group: str | None = None
    """Target group it is registered with, once it runs."""
    id: str = field(default_factory=lambda: secrets.token_hex(16))
    status: str = "PROVISIONING"
    desired: str = "RUNNING"
    created: datetime = field(default_factory=now)
    since: float = field(default_factory=time.monotonic)
    started: datetime | None = None
    stopped: datetime | None = None
    stop_code: str | None = None
    reason: str | None = None
    exit_code: int | None = None
    address: str = field(default_factory=lambda: free_address())
    process: subprocess.Popen[str] | None = None
    directory: Path | None = None

    @property
    def arn(self) -> str:
        return f"{ARN}:task/{self.cluster}/{self.id}"

    @property
    def alive(self) -> bool:
        return self.status != "STOPPED"

    @property
    def crashed(self) -> bool:
        return self.stop_code in ("EssentialContainerExited", "TaskFailedToStart")

    def launch(self) -> None:
        """Start the process; an image that cannot be pulled stops the task."""
        if self.program is None:
            self._end("TaskFailedToStart", "CannotPullContainerError: pull image manifest failed")
            return
        self.directory = Path(tempfile.mkdtemp(prefix="task-"))
        path = self.directory / "app.py"
        path.write_text(self.program, encoding="utf-8")
        given = {e["name"]: e["value"] for e in self.container.get("environment", ())}
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", "app.py"],
            cwd=self.directory,
            env={**given, "HOST": self.address, "PORT": str(PORT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self.reader.start()
        self.status, self.started, self.since = "RUNNING", now(), time.monotonic()

    def watch(self) -> None:
        """See whether the process has ended by itself."""
        if self.process is None or self.process.poll() is None or self.desired == "STOPPED":
            return
        self.exit_code = self.process.returncode
        self._end("EssentialContainerExited", "Essential container in task exited")

    def stop(self, reason: str) -> None:
        """Ask for its end: first its target lets the requests end."""
        if self.desired == "STOPPED":
            return
        self.desired, self.reason = "STOPPED", reason
        self.stop_code = "ServiceSchedulerInitiated"
        self.status, self.since = "DEACTIVATING", time.monotonic()

    def terminate(self) -> None:
        """SIGTERM, after the target was deregistered."""
        self.status, self.since = "STOPPING", time.monotonic()
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)

    def ended(self) -> bool:
        """Whether the process is gone; after its grace it is killed."""
        if self.process is None:
            return True
        if self.process.poll() is None and time.monotonic() - self.since > GRACE_S:
            self.process.kill()
        return self.process.poll() is not None

    def settle(self) -> None:
        """It has stopped as it was asked to."""
        self.exit_code = self.process.returncode if self.process else None
        self._end(str(self.stop_code), str(self.reason))

    def kill(self) -> None:
        """At the end of a test."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
        self._clean()

    def _end(self, code: str, reason: str) -> None:
        self.status, self.desired, self.stopped = "STOPPED", "STOPPED", now()
        self.stop_code, self.reason = code, reason
        self._clean()

    def _clean(self) -> None:
        if self.process is not None:
            self.process.wait(timeout=10)
            self.reader.join(timeout=10)
            if self.process.stdout:
                self.process.stdout.close()
        if self.directory is not None:
            shutil.rmtree(self.directory, ignore_errors=True)

    def _read(self, process: subprocess.Popen[str]) -> None:
        for line in process.stdout or ():
            self.wrote(self, line.rstrip("\n"))

    def described(self) -> dict[str, Any]:
        """As DescribeTasks shows it."""
        container: dict[str, Any] = {
            "name": self.container["name"],
            "image": self.container["image"],
            "taskArn": self.arn,
            "lastStatus": "STOPPED" if self.status == "STOPPED" else "RUNNING",
        }
        if self.exit_code is not None:
            container["exitCode"] = self.exit_code
        elif self.crashed:
            container["reason"] = str(self.reason)
        found: dict[str, Any] = {
            "taskArn": self.arn,
            "clusterArn": f"{ARN}:cluster/{self.cluster}",
            "taskDefinitionArn": self.definition,
            "group": f"service:{self.service}",
            "startedBy": self.deployment,
            "lastStatus": self.status,
            "desiredStatus": self.desired,
            "launchType": "FARGATE",
            "createdAt": self.created,
            "healthStatus": "UNKNOWN",
            "containers": [container],
            "attachments": [
                {
                    "id": self.id[:8],
                    "type": "ElasticNetworkInterface",
                    "status": "ATTACHED" if self.alive else "DELETED",
                    "details": [{"name": "privateIPv4Address", "value": self.address}],
                }
            ],
        }
        more = {
            "startedAt": self.started,
            "stoppedAt": self.stopped,
            "stoppedReason": self.reason,
            "stopCode": self.stop_code,
        }
        return {**found, **{k: v for k, v in more.items() if v is not None}}


def free_address() -> str:
    """A loopback address whose port nobody has: each task has a network of its own."""
    while True:
        address = "127." + ".".join(str(secrets.randbelow(250) + 3) for _ in range(3))
        with socket.socket() as trying:
            try:
                trying.bind((address, PORT))
            except OSError:
                continue
            return address
