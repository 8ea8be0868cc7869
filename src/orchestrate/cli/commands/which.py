"""Which environment or deployment is meant."""

import os
from typing import TYPE_CHECKING, cast

from orchestrate.cli.client import segment
from orchestrate.cli.session import Given, Session
from orchestrate.core.errors import InvalidInput, NotNow, UnknownEnvironment

if TYPE_CHECKING:
    from orchestrate.cli.documents import Environment, Overview


def environment_to_read(session: Session, given: Given) -> str:
    """--env, ORCHESTRATE_ENV, or the only one there is. Raises InvalidInput, UnknownEnvironment."""
    named = _named(given)
    if named is not None:
        return named
    overview = cast("Overview", session.client.get("/api/overview").document)
    names = [f"{row['app']}/{row['name']}" for row in overview["items"]]
    if len(names) == 1:
        return names[0]
    if not names:
        raise UnknownEnvironment(
            "there is no environment yet",
            fix=["orchestrate init", "orchestrate env create --file orchestrate.yaml"],
        )
    short = [row["name"] for row in overview["items"]]
    raise InvalidInput(
        "which environment?",
        why=[f"there are {', '.join(short if len(set(short)) == len(short) else names)}"],
        fix=["name it with --env, or set ORCHESTRATE_ENV"],
    )


def environment_to_change(given: Given) -> str:
    """--env or ORCHESTRATE_ENV: what is changed must be named. Raises InvalidInput."""
    named = _named(given)
    if named is not None:
        return named
    raise InvalidInput(
        "which environment?",
        why=["what is to be changed must be named"],
        fix=["name it with --env; orchestrate env list shows them"],
    )


def deployment_meant(session: Session, given: Given) -> str:
    """The id, or the deployment that runs in --env. Raises InvalidInput, NotNow."""
    name = given.text("argument")
    if name is not None:
        return name
    environment = environment_to_read(session, given)
    path = f"/api/environments/{segment(environment)}"
    document = cast("Environment", session.client.get(path).document)
    running = document["running"] or next(iter(document["queued"]), None)
    if running is None:
        raise NotNow(
            f"nothing is running in {document['name']}",
            fix=[f"orchestrate deploy history --env {document['name']}"],
        )
    return running["id"]


def _named(given: Given) -> str | None:
    return given.text("env") or os.environ.get("ORCHESTRATE_ENV") or None
