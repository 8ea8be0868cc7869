"""A client of a real service's socket, with the standard library alone: what tests call it by."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlencode

from pydantic import JsonValue

from tests.support.waiting import eventually

Json = dict[str, JsonValue]


class Problem(Exception):
    """A call that was refused: orchestrate.error.v1."""

    def __init__(self, status: int, error: Json) -> None:
        super().__init__(f"{status} {error['code']}: {error['message']} {error['why']}")
        self.status = status
        self.code = str(error["code"])
        self.message = str(error["message"])
        self.why = [str(line) for line in _list(error["why"])]
        self.fix = [str(line) for line in _list(error["fix"])]


class Deployment:
    """A deployment's document, with what tests ask of it."""

    def __init__(self, document: Json) -> None:
        self.document = document
        self.id = str(document["id"])
        self.phase = str(document["phase"])
        self.result = document["result"]
        self.terminal = bool(document["terminal"])
        self.paused = bool(document["paused"])

    @property
    def serving(self) -> JsonValue:
        """Version that had all the traffic when it ended."""
        found = self.document["serving"]
        return found["version"] if isinstance(found, dict) else None

    @property
    def steps(self) -> dict[str, str]:
        """State by step key."""
        return {str(s["key"]): str(s["state"]) for s in _objects(self.document["steps"])}

    @property
    def error(self) -> Json:
        found = self.document["error"]
        assert isinstance(found, dict), f"no error: {self}"
        return found

    @property
    def verdict(self) -> JsonValue:
        """What the analysis said last."""
        found = self.document["verdict"]
        return found["outcome"] if isinstance(found, dict) else None

    def text(self, key: str) -> str:
        """How the step `key` stands, or what came of it."""
        found = {str(s["key"]): str(s["text"] or "") for s in _objects(self.document["steps"])}
        return found.get(key, "")

    def __repr__(self) -> str:
        return json.dumps(self.document, indent=1)


class Api:
    """The service's REST door."""

    def __init__(self, home: Path) -> None:
        self._socket = str(home / "run" / "api.sock")

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        timeout_s: float = 70.0,
    ) -> Json:
        """One call. Raises Problem for an error of ours, OSError when nobody answers."""
        with _Connection(self._socket, timeout_s) as connection:
            text = json.dumps(body) if body is not None else None
            try:
                connection.request(method, path, text, {"content-type": "application/json"})
                answer = connection.getresponse()
                found = json.loads(answer.read())
            except http.client.HTTPException as error:
                raise ConnectionError("the service ended in the middle of its answer") from error
        if answer.status >= 400:
            raise Problem(answer.status, found["error"])
        assert isinstance(found, dict)
        return found

    def alive(self) -> bool:
        try:
            self.call("GET", "/healthz", timeout_s=2)
        except OSError:
            return False
        return True

    def set(self, environment: Mapping[str, object]) -> Json:
        return self.call("POST", "/api/environments", {"environments": [environment]})

    def environment(self, name: str) -> Json:
        return self.call("GET", f"/api/environments/{name}")

    def plan(self, environment: str, version: str | None = None, **more: object) -> Json:
        body = {"environment": environment, "version": version, **more}
        return self.call("POST", "/api/plans", body)

    def start(self, plan: str, **more: object) -> Deployment:
        return Deployment(self.call("POST", "/api/deployments", {"plan": plan, **more}))

    def begin(self, environment: str, version: str, **more: object) -> Deployment:
        """Plan and start; does not wait."""
        named = {k: v for k, v in more.items() if k in ("strategy", "force")}
        rest = {k: v for k, v in more.items() if k != "strategy"}
        return self.start(str(self.plan(environment, version, **named)["digest"]), **rest)

    def deploy(self, environment: str, version: str, **more: object) -> Deployment:
        """Plan, start and wait for the end."""
        return self.wait(self.begin(environment, version, **more).id)

    def rollback(self, environment: str, **more: object) -> Deployment:
        """Begin a rollback; does not wait."""
        path = f"/api/environments/{quote(environment)}/rollback"
        return Deployment(self.call("POST", path, more))

    def get(self, deployment: str) -> Deployment:
        return Deployment(self.call("GET", f"/api/deployments/{deployment}"))

    def wait(self, deployment: str, *, within_s: float = 60.0) -> Deployment:
        """The deployment once it has ended."""

        seen: list[Deployment] = []

        def ended() -> bool:
            seen.append(self._wait_once(deployment))
            return seen[-1].terminal

        eventually(ended, within_s=within_s)
        return seen[-1]

    def control(self, deployment: str, action: str, **more: object) -> Deployment:
        return Deployment(self.call("POST", f"/api/deployments/{deployment}/{action}", more))

    def history(self, environment: str, **more: object) -> list[Json]:
        query = urlencode({"environment": environment, "limit": 50, **more})
        return _objects(self.call("GET", f"/api/deployments?{query}")["items"])

    def _wait_once(self, deployment: str) -> Deployment:
        path = f"/api/deployments/{deployment}/wait?timeout_s=2"
        return Deployment(self.call("GET", path))


class _Connection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(self._path)
        except OSError:
            self.sock.close()
            raise

    def __enter__(self) -> _Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _list(value: JsonValue) -> list[JsonValue]:
    assert isinstance(value, list)
    return value


def _objects(value: JsonValue) -> list[Json]:
    return [item for item in _list(value) if isinstance(item, dict)]
