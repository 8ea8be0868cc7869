"""Create, change and delete environments. What they are is core's to say: this reads and asks."""

import json
import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from orchestrate.cli.client import segment
from orchestrate.cli.render import changes
from orchestrate.cli.session import Given, Session
from orchestrate.core.config import Config, parse
from orchestrate.core.errors import (
    ConfigInvalid,
    ConfirmationNeeded,
    InvalidInput,
    UnknownEnvironment,
)
from orchestrate.core.names import did_you_mean

if TYPE_CHECKING:
    from orchestrate.cli.documents import DeletedEnvironment, EnvironmentChanges
    from orchestrate.core.environment import Environment

_COMMAND_LINE = "the command line"
_PLACE = re.compile(rf"^{_COMMAND_LINE}:\d+:\d+: ")
_SETTINGS = ("type", "provider", "url", "config", "variable", "strategy")


def create(session: Session, given: Given) -> int:
    """Create what does not exist and change what differs, after showing it."""
    found = _from_file(given) if given.text("file") else _from_options(given)
    body = {"environments": [e.model_dump(mode="json") for e in found]}
    answer = session.client.post("/api/environments", {**body, "dry_run": True})
    planned = cast("EnvironmentChanges", answer.document)
    session.note(changes.changes(planned, session.paint))
    if not given.flag("dry_run"):
        answer = session.client.post("/api/environments", {**body, "dry_run": False})
    document = cast("EnvironmentChanges", answer.document)
    names = [item["name"] for item in document["items"]]
    session.answer(answer, names if session.wish.quiet else [changes.done(document)])
    return 0


def delete(session: Session, given: Given) -> int:
    """Delete after its name was typed again. 1 when it was not."""
    name = given.text("argument") or ""
    confirm = given.text("confirm") or _typed(session, name)
    if confirm is None:
        session.note(["nothing was changed"])
        return 1
    answer = session.client.delete(
        f"/api/environments/{segment(name)}",
        {"confirm": confirm, "reason": given.text("reason")},
    )
    document = cast("DeletedEnvironment", answer.document)
    kept = "; its history is kept" if document["archived"] else ""
    session.answer(answer, [f"{document['name']} is deleted{kept}"])
    return 0


def _typed(session: Session, name: str) -> str | None:
    """The name as it was typed again; None when it was another one."""
    if not session.mode.prompts:
        raise ConfirmationNeeded(
            f"deleting {name} must be confirmed with its name",
            why=["nobody can be asked here; nothing was changed"],
            fix=[
                f'orchestrate env delete {name} --confirm {name.rpartition("/")[2]} --reason "..."'
            ],
        )
    session.note([f"this stops what {name} serves. Its history is kept."])
    typed = session.ask("type its name to go on: ").strip()
    return typed if typed == name.rpartition("/")[2] else None


def _from_file(given: Given) -> "list[Environment]":
    clash = [f"--{name}" for name in _SETTINGS if given.text(name) or given.many(name)]
    if clash or given.text("argument"):
        raise InvalidInput(
            "--file says what the environments are, and the command line says more",
            why=[f"given beside it: {', '.join(clash) or given.text('argument')}"],
            fix=["put it into the file; --env NAME takes only that one from it"],
        )
    config = _read(given.text("file") or "", given.text("app"))
    wanted = given.many("env")
    known = [e.name for e in config.environments]
    for name in wanted:
        if name not in known:
            meant = did_you_mean(name, known)
            raise UnknownEnvironment(
                f'there is no environment "{name}" in {given.text("file")}',
                why=[f"there are {', '.join(known)}"],
                fix=[f"did you mean {meant[0]}?"] if meant else [],
            )
    return [e for e in config.environments if not wanted or e.name in wanted]


def _read(file: str, app: str | None) -> Config:
    try:
        with open(file, encoding="utf-8") as opened:
            text = opened.read()
    except OSError as problem:
        raise InvalidInput(
            f"cannot read {file}: {problem.strerror}",
            fix=["orchestrate init writes one for this directory"],
        ) from problem
    except UnicodeDecodeError as problem:
        raise InvalidInput(f"{file} is not UTF-8 text", fix=["save it as UTF-8"]) from problem
    root = os.path.dirname(os.path.abspath(file))
    return parse(
        text,
        file=os.path.basename(file),
        root=root,
        default_app=app or default_app(root),
        variables=os.environ,
        read_file=lambda name: _text_of(os.path.join(root, name), name),
    )


def _text_of(path: str, name: str) -> str:
    """A file that the configuration names. Raises InvalidInput."""
    try:
        with open(path, encoding="utf-8") as opened:
            return opened.read()
    except OSError as problem:
        raise InvalidInput(f"{name}: {problem.strerror}") from problem
    except UnicodeDecodeError as problem:
        raise InvalidInput(f"{name} is not UTF-8 text") from problem


def _from_options(given: Given) -> "list[Environment]":
    name = given.text("argument")
    missing = [f"--{o}" for o in ("type", "provider") if given.text(o) is None]
    if name is None or missing:
        raise InvalidInput(
            "which environment?" if name is None else f"{' and '.join(missing)} missing",
            fix=[
                "orchestrate env create NAME --type dev --provider local --config KEY=VALUE ...",
                "orchestrate env create --file orchestrate.yaml",
            ],
        )
    settings: dict[str, object] = {
        option: given.text(option)
        for option in ("type", "provider", "url", "strategy")
        if given.text(option) is not None
    }
    settings["config"] = {k: _value(v) for k, v in _pairs(given, "config").items()}
    # What a shell hands over is meant as it stands: nothing is left to be filled in.
    settings["variables"] = {k: v.replace("$", "$$") for k, v in _pairs(given, "variable").items()}
    return [_checked(name, settings, given.text("app"))]


def _checked(name: str, settings: Mapping[str, object], app: str | None) -> "Environment":
    """Options go the way of the file, so that they are checked, and named, alike."""
    root = os.getcwd()
    text = json.dumps({"environments": {name: settings}})
    try:
        config = parse(
            text,
            file=_COMMAND_LINE,
            root=root,
            default_app=app or default_app(root),
            variables={},
        )
    except ConfigInvalid as problem:
        raise InvalidInput(
            problem.message,
            why=[_PLACE.sub("", why) for why in problem.why],
            fix=["orchestrate env create --help"],
        ) from None
    return config.environments[0].model_copy(update={"source": None})


def _pairs(given: Given, option: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in given.many(option):
        name, equals, value = pair.partition("=")
        if not equals or not name or name in found:
            raise InvalidInput(
                f"--{option} {pair!r} is not NAME=VALUE"
                if not equals or not name
                else f"--{option} {name} is given twice",
                fix=[f"write --{option} NAME=VALUE, once for each name"],
            )
        found[name] = value
    return found


def _value(text: str) -> object:
    """JSON where it is JSON, else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def default_app(root: str) -> str:
    """Name of the repository that `root` is in, else of the directory, as an app can be named."""
    here = root
    while here != os.path.dirname(here) and not os.path.exists(os.path.join(here, ".git")):
        here = os.path.dirname(here)
    found = here if os.path.exists(os.path.join(here, ".git")) else root
    return re.sub(r"[^a-z0-9]+", "-", os.path.basename(found).lower()).strip("-")[:63] or "app"
