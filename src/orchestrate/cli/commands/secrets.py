"""Secrets of an environment: their values go in and never come out."""

import os
import sys
from typing import TYPE_CHECKING, cast

from orchestrate.cli.client import Answer
from orchestrate.cli.commands.environments import forget
from orchestrate.cli.commands.which import environment_to_read
from orchestrate.cli.render import secrets as render
from orchestrate.cli.session import Given, Session
from orchestrate.core.errors import ConfirmationNeeded, InvalidInput

if TYPE_CHECKING:
    from orchestrate.cli import documents

GENERATED = 32
"""Random bytes of a generated value: 43 characters."""


def put(session: Session, given: Given) -> int:
    """Set a secret, from a prompt, standard input or a variable."""
    return _put(session, given, existing=False)


def rotate(session: Session, given: Given) -> int:
    """A new value for a secret that has one, or with --master-key a new master key."""
    if not given.flag("master_key"):
        return _put(session, given, existing=True)
    if given.text("argument") is not None or given.text("env") is not None:
        raise InvalidInput(
            "--master-key is about everything that is sealed, in every environment",
            fix=["orchestrate secrets rotate --master-key"],
        )
    answer = session.client.post("/api/master-key/rotate", {})
    document = cast("documents.MasterKeyRotated", answer.document)
    session.answer(answer, [document["key"] if session.wish.quiet else document["summary"]])
    return 0


def listed(session: Session, given: Given) -> int:
    """Names, versions, and who set them when."""
    environment = environment_to_read(session, given)
    answer = session.client.get("/api/secrets", {"environment": environment})
    document = cast("documents.SecretList", answer.document)
    lines = render.listed(document, session.paint, session.now())
    if session.wish.quiet:
        lines = [item["name"] for item in document["items"]]
    if document["problem"]:
        session.warn(document["problem"])
    session.answer(answer, lines)
    return 0


def remove(session: Session, given: Given) -> int:
    """Erase a secret after its name was typed again. 1 when it was not."""
    environment, name = environment_to_read(session, given), given.text("argument") or ""
    query: dict[str, str | int | float | None] = {
        "environment": environment,
        "name": name,
        "version": given.whole("only", 0) or None,
    }
    confirm = given.text("confirm")
    try:
        answer = session.client.delete("/api/secrets", {**query, "confirm": confirm})
    except ConfirmationNeeded as problem:
        if not session.mode.prompts or confirm is not None:
            raise
        session.note([problem.message, *problem.why])
        typed = session.ask("type its name to go on: ").strip()
        if typed != name:
            session.note(["nothing was changed"])
            return 1
        answer = session.client.delete("/api/secrets", {**query, "confirm": typed})
    document = cast("documents.SecretRemoved", answer.document)
    session.answer(answer, [document["summary"]])
    return 0


def _put(session: Session, given: Given, existing: bool) -> int:
    name = given.text("argument")
    if name is None:
        raise InvalidInput(
            "which secret?", fix=["orchestrate secrets rotate NAME --env ENVIRONMENT"]
        )
    environment = environment_to_read(session, given)
    body = {
        "environment": environment,
        "name": name,
        "value": _value(session, given, name, environment),
        "short": given.flag("short"),
        "existing": existing,
    }
    return _answered(session, session.client.post("/api/secrets", body))


def _answered(session: Session, answer: Answer) -> int:
    document = cast("documents.SecretSet", answer.document)
    for text in document["warnings"]:
        session.warn(text)
    lines = [document["summary"], *(f"next: {each}" for each in document["next"])]
    session.answer(answer, [document["version"]] if session.wish.quiet else lines)
    return 0


def _value(session: Session, given: Given, name: str, environment: str) -> str:
    """The value, from the one place that was named; a prompt or standard input when none was."""
    ways = [w for w in ("from_env", "from_file", "value") if given.text(w) is not None]
    ways += ["generate"] if given.flag("generate") else []
    if len(ways) > 1:
        named = " and ".join("--" + way.replace("_", "-") for way in ways)
        raise InvalidInput(f"{named} name two values", fix=["keep one of them"])
    match ways:
        case ["from_env"]:
            return _from_variable(given.text("from_env") or "")
        case ["from_file"]:
            return _from_file(given.text("from_file") or "")
        case ["value"]:
            session.warn(
                "the value stands in this command line: other users of this machine can see it "
                "while it runs, and the shell keeps it in its history"
            )
            return given.text("value") or ""
        case ["generate"]:
            import secrets

            return secrets.token_urlsafe(GENERATED)
    if not sys.stdin.isatty():
        return _one_end(sys.stdin.read())
    return _asked(session, name, environment)


def _asked(session: Session, name: str, environment: str) -> str:
    if not session.mode.prompts:
        raise ConfirmationNeeded(
            f"the value of {name} must come from somewhere, and nobody can be asked here",
            fix=[
                f"orchestrate secrets set {name} --env {environment} < FILE",
                f"orchestrate secrets set {name} --env {environment} --from-env VARIABLE",
            ],
        )
    import getpass

    first = getpass.getpass(f"value of {name} in {environment} (not shown): ", sys.stderr)
    if getpass.getpass("again: ", sys.stderr) != first:
        raise InvalidInput("the two values differ", why=["nothing was changed"], fix=["try again"])
    return first


def _from_variable(variable: str) -> str:
    value = os.environ.get(variable)
    if value is None:
        raise InvalidInput(
            f"the variable {variable} is not set", fix=[f"export {variable}, then do it again"]
        )
    forget({value})
    return value


def _from_file(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return _one_end(file.read())
    except (OSError, UnicodeDecodeError) as problem:
        why = problem.strerror if isinstance(problem, OSError) else "it is not UTF-8 text"
        raise InvalidInput(
            f"cannot read {path}", why=[why or ""], fix=["name a text file"]
        ) from None


def _one_end(text: str) -> str:
    """Without the one line end that editors and `echo` put after a value of one line."""
    stripped = text.removesuffix("\n").removesuffix("\r")
    return text if "\n" in stripped else stripped
