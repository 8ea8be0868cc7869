"""A load balancer: a real port whose requests go to healthy targets by the rule's weights."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CHECK_S = 0.05
HEALTHY_AFTER = 2
UNHEALTHY_AFTER = 2


@dataclass
class Target:
    """One address in a target group."""

    address: str
    port: int
    state: str = "initial"
    reason: str | None = "Elb.RegistrationInProgress"
    streak: int = 0
    in_flight: int = 0


@dataclass(frozen=True)
class Request:
    """One answered request, as CloudWatch counts it."""

    at: float
    group: str
    status: int | None
    """None when the target could not be reached."""
    took_s: float


@dataclass
class Balancer:
    """`rule` gives the weights by target group; none when it answers 404 itself."""

    rule: Callable[[], Mapping[str, int]]
    path: str = "/healthz"
    groups: dict[str, dict[str, Target]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lock = threading.Lock()
        self._current: dict[str, float] = {}
        self._turn: dict[str, int] = {}
        self._ended = threading.Event()
        handler = type("Handler", (_Handler,), {"balancer": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._threads = [
            threading.Thread(target=self._server.serve_forever, args=(0.02,)),
            threading.Thread(target=self._check),
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._ended.set()
        self._server.shutdown()
        for thread in self._threads:
            thread.join()
        self._server.server_close()

    def register(self, group: str, address: str, port: int) -> None:
        with self.lock:
            self.groups.setdefault(group, {}).setdefault(address, Target(address, port))

    def deregister(self, group: str, address: str) -> None:
        """Give it no more requests."""
        with self.lock:
            target = self.groups.get(group, {}).get(address)
            if target is not None:
                target.state, target.reason = "draining", "Target.DeregistrationInProgress"

    def drained(self, group: str, address: str) -> bool:
        """Whether its last request is answered; then it is gone."""
        with self.lock:
            target = self.groups.get(group, {}).get(address)
            if target is not None and target.in_flight:
                return False
            self.groups.get(group, {}).pop(address, None)
            return True

    def remove(self, group: str, address: str) -> None:
        with self.lock:
            self.groups.get(group, {}).pop(address, None)

    def healthy(self, group: str, address: str) -> bool:
        with self.lock:
            target = self.groups.get(group, {}).get(address)
            return target is not None and target.state == "healthy"

    def choose(self) -> tuple[str, Target] | None:
        """By smooth weighted turns between groups, and turns between a group's targets."""
        weights = self.rule()
        total = sum(weights.values())
        if not total:
            return None
        with self.lock:
            for group, weight in weights.items():
                self._current[group] = self._current.get(group, 0) + weight
            chosen = max(weights, key=lambda group: self._current[group])
            self._current[chosen] -= total
            healthy = [t for t in self.groups.get(chosen, {}).values() if t.state == "healthy"]
            if not healthy:
                return chosen, Target("", 0)
            turn = self._turn[chosen] = self._turn.get(chosen, 0) + 1
            target = healthy[turn % len(healthy)]
            target.in_flight += 1
            return chosen, target

    def answered(self, group: str, target: Target, status: int | None, took_s: float) -> None:
        with self.lock:
            target.in_flight -= 1
            self.requests.append(Request(time.time(), group, status, took_s))

    def _check(self) -> None:
        """Ask every target for its health, again and again."""
        while not self._ended.wait(CHECK_S):
            with self.lock:
                targets = [t for group in self.groups.values() for t in group.values()]
            for target in targets:
                good = _well(target, self.path)
                with self.lock:
                    if target.state != "draining":
                        _judge(target, good)


def _judge(target: Target, good: bool) -> None:
    target.streak = max(target.streak, 0) + 1 if good else min(target.streak, 0) - 1
    if target.streak >= HEALTHY_AFTER:
        target.state, target.reason = "healthy", None
    elif target.streak <= -UNHEALTHY_AFTER:
        target.state, target.reason = "unhealthy", "Target.FailedHealthChecks"


def _well(target: Target, path: str) -> bool:
    connection = http.client.HTTPConnection(target.address, target.port, timeout=1)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    balancer: Balancer

    def do_GET(self) -> None:
        chosen = self.balancer.choose()
        if chosen is None:
            self._say(404, b"nothing is deployed here", None)
            return
        group, target = chosen
        if not target.address:
            self._say(503, b"", None)
            return
        began = time.monotonic()
        connection = http.client.HTTPConnection(target.address, target.port, timeout=30)
        status: int | None = None
        try:
            connection.request("GET", self.path, headers={"Host": self.headers["Host"]})
            answer = connection.getresponse()
            body, version = answer.read(), answer.headers.get("X-Version")
            status = answer.status
        except OSError:
            body, version = b"", None
        finally:
            connection.close()
            self.balancer.answered(group, target, status, time.monotonic() - began)
        self._say(status or 502, body, version)

    def _say(self, status: int, body: bytes, version: str | None) -> None:
        self.send_response(status)
        if version is not None:
            self.send_header("X-Version", version)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass
