"""The service itself: be it, stop it, ask how it does; and the agent's door."""

import json
import os
import platform
from typing import TYPE_CHECKING, cast

from orchestrate import __version__
from orchestrate.cli import home as places
from orchestrate.cli import shim, start
from orchestrate.cli.client import over_socket
from orchestrate.cli.render import checks
from orchestrate.cli.session import Given, Session
from orchestrate.core.errors import InvalidInput, OrchestrateError, ServiceUnreachable

if TYPE_CHECKING:
    from orchestrate.cli.documents import Check, Doctor, Service


def serve(session: Session, given: Given) -> int:
    """Be the service until it is stopped, or has been idle for --idle-exit."""
    from orchestrate.server.serve import Options
    from orchestrate.server.serve import serve as be_the_service

    options = Options(
        idle_exit_s=given.seconds("idle_exit"),
        read_only=given.flag("read_only"),
        http=given.text("http"),
        tls_cert=given.text("tls_cert"),
        tls_key=given.text("tls_key"),
        names=given.many("name"),
    )
    be_the_service(places.home(), options, given.flag("replace"))
    return 0


def stop(session: Session, given: Given) -> int:
    """Stop the local service. None that runs is as good."""
    path = places.socket_path(places.home(), places.API)
    link = start.connect(path)
    if link is None:
        if session.json:
            session.document(json.dumps({"schema": "orchestrate.service.v1", "pid": None}).encode())
        else:
            session.say(["no service runs"])
        return 0
    answer = over_socket(lambda: link).post("/api/service/stop")
    document = cast("Service", answer.document)
    lines = [
        f"the service {document['version']} (pid {document['pid']}) ends; what is deployed goes on"
    ]
    if document["running"]:
        lines.append("the deployments that run go on when the next one starts")
    session.answer(answer, lines)
    return 0


def doctor(session: Session, given: Given) -> int:
    """What is there and what is missing. 1 when something is missing."""
    try:
        service = cast("Service", session.client.get("/api/service").document)
        answer = session.client.get("/api/doctor")
    except ServiceUnreachable as problem:
        return _doctor_alone(session, problem)
    document = cast("Doctor", answer.document)
    text = f"{service['version']}, pid {service['pid']}, {service['home']}"
    here = _check("service", "pass", text, None)
    whole: Doctor = {"ok": document["ok"], "checks": [here, *document["checks"]]}
    session.answer(answer, checks.doctor(whole, session.paint))
    return 0 if document["ok"] else 1


def mcp(session: Session, given: Given) -> int:
    """Options that the shim did not take as plain: say what is wrong with them."""
    toolsets = [name.strip() for name in (given.text("toolsets") or "").split(",") if name.strip()]
    wrong = [t for t in toolsets if not t.replace("_", "").replace("-", "").isalnum()]
    if wrong:
        raise InvalidInput(
            f"{wrong[0]!r} is not a toolset",
            fix=["name some such as read,deploy, with commas between"],
        )
    return shim.mcp(shim.narrowing(given.flag("read_only"), toolsets))


def _doctor_alone(session: Session, problem: OrchestrateError) -> int:
    """Without the service: what can be said from here."""
    found = [
        _check("python", "pass", platform.python_version(), None),
        _check("orchestrate", "pass", __version__, None),
        _check("home", *_home()),
        _check("service", "fail", "; ".join([problem.message, *problem.why]), _fix(problem)),
    ]
    document: Doctor = {"ok": False, "checks": found}
    if session.json:
        session.document(json.dumps({"schema": "orchestrate.doctor.v1", **document}).encode())
    else:
        session.say(checks.doctor(document, session.paint))
    return 1


def _home() -> tuple[str, str, str | None]:
    home = places.home()
    if os.path.isdir(home) and not os.access(home, os.W_OK | os.X_OK):
        return "fail", f"{home} cannot be written", "set ORCHESTRATE_HOME to a directory of yours"
    return "pass", home, None


def _fix(problem: OrchestrateError) -> str | None:
    return next((fix for fix in problem.fix if fix != "orchestrate doctor"), None)


def _check(name: str, result: str, text: str, fix: str | None) -> "Check":
    return {"name": name, "result": result, "text": text, "fix": fix, "duration_s": 0.0}
