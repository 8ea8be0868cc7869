"""Write an orchestrate.yaml for what is found in a directory. Nothing is ever overwritten."""

import json
import os
import shlex
from collections.abc import Callable
from importlib.resources import files

from orchestrate.cli.commands.environments import default_app
from orchestrate.cli.session import Given, Session
from orchestrate.core.errors import ConfirmationNeeded, PermanentError

CONFIG = "orchestrate.yaml"
MCP = ".mcp.json"
AGENT = ".claude/agents/deployer.md"
SERVER = {
    "mcpServers": {"orchestrate": {"type": "stdio", "command": "orchestrate", "args": ["mcp"]}}
}
PYTHON_FILES = ("app.py", "main.py", "server.py", "manage.py")

TEMPLATE = """\
# What Orchestrate deploys from here. Every key: docs/configuration.md
# To apply it: orchestrate env create --file orchestrate.yaml
app: {app}

environments:
  dev:
    type: dev
    provider: local            # runs as processes on this machine
    url: http://127.0.0.1:8080
    strategy: {{type: recreate}}
    health:
      path: /healthz           # must answer 200 before a version gets traffic
    config:
      # {found}
      command: {command}
      artifact: {artifact}
      port_variable: PORT      # the variable the application takes its port from
      replicas: 1
    variables:
      LOG_LEVEL: debug

  production:
    type: production           # every deployment here needs a person's yes
    provider: local
    url: http://127.0.0.1:8081
    strategy:
      type: canary
      steps: [10, 25, 50, 100]
      analyse: {{window: 1m, max_error_ratio: 0.05}}
      bake: 5m
      keep_old: 1h             # a rollback within this time is a switch
    health:
      path: /healthz
    config:
      command: {command}
      artifact: {artifact}
      port_variable: PORT
      replicas: 2
    variables:
      LOG_LEVEL: info
"""


def init(session: Session, given: Given) -> int:
    """Show what would be written, ask, write. 1 when it was not wanted."""
    name = given.text("admin")
    if name is not None:
        return _first_administrator(session, name)
    root = os.getcwd()
    wanted = {
        CONFIG: configuration(root),
        MCP: json.dumps(SERVER, indent=2) + "\n",
        AGENT: _agent(),
    }
    missing = [name for name in wanted if not os.path.lexists(os.path.join(root, name))]
    for name in wanted:
        if name not in missing:
            session.note([f"{name} is here already and was left alone"])
    if missing and not _agreed(session, given, missing, wanted):
        session.note(["nothing was written"])
        return 1
    for name in missing:
        _write(root, name, wanted[name])
    if session.json:
        session.document(json.dumps({"schema": "orchestrate.init.v1", "written": missing}).encode())
    else:
        session.say(_closing(missing))
    return 0


def _first_administrator(session: Session, name: str) -> int:
    """Make the person at this terminal the service's first administrator.

    Only a person: a program that sits in a script, or behind an agent's pipe, is refused.
    """
    if not session.mode.prompts:
        raise ConfirmationNeeded(
            "the first administrator is made by a person at a terminal",
            why=["nobody can be asked here; nothing was changed"],
            fix=[f"at a terminal: orchestrate init --admin {name}"],
        )
    session.note(
        [
            "From then on roles count here, for programs of yours too: an agent deploys on your"
            " behalf, and never approves. Others are added by: orchestrate auth add",
        ]
    )
    if not session.confirm(f"make {name} the first administrator of the service here?"):
        session.note(["nothing was changed"])
        return 1
    answer = session.client.post("/api/first-administrator", {"person": name})
    session.answer(answer, [str(answer.document["summary"])])
    return 0


def configuration(root: str) -> str:
    """The text of an orchestrate.yaml for the directory `root`."""
    command, found = _start_command(root)
    return TEMPLATE.format(
        app=default_app(root), found=found, command=json.dumps(command), artifact=_artifact(root)
    )


def _agreed(session: Session, given: Given, missing: list[str], wanted: dict[str, str]) -> bool:
    if given.flag("yes"):
        return True
    if not session.mode.prompts:
        raise ConfirmationNeeded(
            f"this would write {', '.join(missing)}",
            why=["nobody can be asked here; nothing was written"],
            fix=["orchestrate init --yes"],
        )
    if CONFIG in missing:
        session.note([f"{CONFIG}:", *(f"  {line}" for line in wanted[CONFIG].splitlines()), ""])
    return session.confirm(f"write {', '.join(missing)}?")


def _write(root: str, name: str, text: str) -> None:
    path = os.path.join(root, name)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)
    except OSError as problem:
        raise PermanentError(
            f"cannot write {name}: {problem.strerror}",
            fix=["make the directory writable, or go to another one"],
        ) from problem


def _closing(missing: list[str]) -> list[str]:
    lines = [f"wrote {name}" for name in missing]
    if CONFIG in missing:
        lines.append(f"look through {CONFIG}, then: orchestrate env create --file {CONFIG}")
    return lines or ["nothing was missing"]


def _agent() -> str:
    return (files("orchestrate.cli") / "templates" / "deployer.md").read_text(encoding="utf-8")


def _start_command(root: str) -> tuple[list[str], str]:
    """How the application is started, and what says so."""
    looks: tuple[Callable[[str], tuple[list[str], str] | None], ...] = (
        _procfile,
        _package_json,
        _python,
    )
    for look in looks:
        found = look(root)
        if found is not None:
            return found
    return ["./serve"], "how it is started: nothing here says; correct this"


def _procfile(root: str) -> tuple[list[str], str] | None:
    for line in _lines(root, "Procfile"):
        name, _, command = line.partition(":")
        if name.strip() == "web":
            try:
                return shlex.split(command), "from Procfile"
            except ValueError:
                return None
    return None


def _package_json(root: str) -> tuple[list[str], str] | None:
    try:
        found = json.loads("\n".join(_lines(root, "package.json")) or "{}")
    except ValueError:
        return None
    scripts = found.get("scripts") if isinstance(found, dict) else None
    if isinstance(scripts, dict) and isinstance(scripts.get("start"), str):
        return ["npm", "start"], "from package.json"
    return None


def _python(root: str) -> tuple[list[str], str] | None:
    for name in PYTHON_FILES:
        if os.path.isfile(os.path.join(root, name)):
            return ["python3", name], f"from {name}"
    return None


def _artifact(root: str) -> str:
    if os.path.exists(os.path.join(root, ".git")):
        return '{git: ., ref: "v{version}"}   # the tag of a version'
    return "releases/{version}                    # a directory or an archive for each version"


def _lines(root: str, name: str) -> list[str]:
    try:
        with open(os.path.join(root, name), encoding="utf-8") as file:
            return file.read(1 << 20).splitlines()
    except (OSError, UnicodeDecodeError):
        return []
