"""Commands that change nothing. The standard library is all they need."""

from typing import TYPE_CHECKING, cast

from orchestrate.cli.client import Answer, segment
from orchestrate.cli.commands.which import deployment_meant, environment_to_read
from orchestrate.cli.render import analysis as analyses
from orchestrate.cli.render import checks, deployment, environment, overview
from orchestrate.cli.render import plan as plans
from orchestrate.cli.session import Given, Session
from orchestrate.core.errors import InvalidInput

if TYPE_CHECKING:
    from orchestrate.cli import documents

LIMIT = 10


def status(session: Session, given: Given) -> int:
    """An environment as it is, or a deployment as it stands; `--follow` goes on to its end."""
    if given.text("argument") is not None or given.flag("follow"):
        return _status_of_deployment(session, given)
    name = environment_to_read(session, given)
    answer = session.client.get(f"/api/environments/{segment(name)}")
    document = cast("documents.Environment", answer.document)
    if session.wish.quiet:
        session.answer(answer, [document["live"]["version"] if document["live"] else "none"])
    elif not session.mode.tables:
        session.answer(answer, environment.pairs(document))
    else:
        session.answer(answer, _with_picture(session, document))
    return 0


def env_list(session: Session, given: Given) -> int:
    answer = session.client.get("/api/overview")
    document = cast("documents.Overview", answer.document)
    lines = overview.environments(document, session.paint, session.now())
    if session.wish.quiet:
        lines = [row["name"] for row in document["items"]]
    session.answer(answer, lines)
    return 0


def env_show(session: Session, given: Given) -> int:
    name = given.text("argument") or ""
    answer = session.client.get(f"/api/environments/{segment(name)}", {"include": "settings"})
    document = cast("documents.Environment", answer.document)
    session.answer(
        answer,
        environment.settings(
            document, session.paint, session.now(), values=given.flag("variables")
        ),
    )
    return 0


def history(session: Session, given: Given) -> int:
    limit = given.whole("limit", LIMIT)
    result = given.text("result")
    query = {
        "environment": given.text("env"),
        "limit": limit,
        "cursor": given.text("before"),
        "phase": result.replace(" ", "_").replace("-", "_") if result else None,
        "version": given.text("version"),
        "by": given.text("by"),
    }
    answer = session.client.get("/api/deployments", query)
    document = cast("documents.DeploymentList", answer.document)
    lines = overview.history(
        document, session.paint, session.now(), environment=given.text("env"), limit=limit
    )
    if session.wish.quiet:
        lines = [item["id"] for item in document["items"]]
    session.answer(answer, lines)
    return 0


def diff(session: Session, given: Given) -> int:
    """The plan. With `--exit-code` 1 when there is something to change."""
    answer = plan(session, given, environment_to_read(session, given))
    document = cast("documents.Plan", answer.document)
    quiet = [plan_digest(document)] if session.wish.quiet else None
    session.answer(answer, quiet or plans.full(document, session.paint, session.now()))
    return 1 if given.flag("exit_code") and not document["nothing_to_do"] else 0


def validate(session: Session, given: Given) -> int:
    """Every check; 1 when it is not ready."""
    body = {
        "environment": environment_to_read(session, given),
        "version": given.text("version"),
    }
    answer = session.client.post("/api/validate", body)
    while answer.document["pending"]:
        # Tests and scans take their time: the same question waits for the same answer.
        answer = session.client.post("/api/validate", body)
    document = cast("documents.Validation", answer.document)
    session.answer(answer, checks.validation(document, session.paint))
    return 0 if document["ready"] else 1


def analysis(session: Session, given: Given) -> int:
    """The newest analysis of an environment, or that of a deployment; `--svg` writes a picture."""
    name, file = given.text("argument"), given.text("svg")
    query = {
        "deployment": name,
        "environment": None if name else environment_to_read(session, given),
        "svg": "true" if file else None,
    }
    answer = session.client.get("/api/analysis", query)
    document = cast("documents.Analysis", answer.document)
    if file:
        with open(file, "w", encoding="utf-8") as out:
            out.write(document["svg"] or "")
    quiet = [document["verdict"]["outcome"]] if session.wish.quiet else None
    session.answer(answer, quiet or analyses.analysis(document, session.paint))
    return 0


def logs(session: Session, given: Given) -> int:
    """Lines of the application, as they are, on standard output."""
    name = given.text("argument")
    query = {
        "deployment": name,
        "environment": None if name else environment_to_read(session, given),
        "version": given.text("version"),
        "tail": given.whole("tail", 80),
        "grep": given.text("grep"),
    }
    answer = session.client.get("/api/logs", query)
    document = cast("documents.Logs", answer.document)
    session.answer(answer, document["untrusted_lines"])
    if not document["untrusted_lines"]:
        session.note([f"{document['version']} has logged nothing" + _with(given)])
    if document["truncated"]:
        session.note(["older lines were left out; --grep finds what you look for"])
    return 0


def plan(session: Session, given: Given, name: str) -> Answer:
    """The plan for --version in an environment. Raises InvalidInput without a version."""
    version = given.text("version")
    if version is None:
        raise InvalidInput(
            "which version?",
            fix=[f"orchestrate deploy --env {name} --version VERSION"],
        )
    body = {
        "environment": name,
        "version": version,
        "strategy": given.text("strategy"),
        "kind": "deploy",
        "force": given.flag("force"),
    }
    return session.client.post("/api/plans", body)


def plan_digest(document: "documents.Plan") -> str:
    return deployment.digest(document["digest"])


def _status_of_deployment(session: Session, given: Given) -> int:
    name = deployment_meant(session, given)
    if given.flag("follow"):
        from orchestrate.cli.follow import follow

        return follow(session, name, given.seconds("wait_timeout"))
    answer = session.client.get(f"/api/deployments/{segment(name)}")
    document = cast("documents.Deployment", answer.document)
    now = session.now()
    if document["terminal"]:
        lines = deployment.final(document, session.paint, now)
    else:
        lines = [
            *deployment.header(document, session.paint, now),
            *deployment.picture(document, session.paint, now),
            "",
            f"to follow it: orchestrate deploy status {name} --follow",
        ]
    session.answer(answer, lines)
    return 0


def _with_picture(session: Session, document: "documents.Environment") -> list[str]:
    """The environment, and the steps of what runs there."""
    lines = environment.status(document, session.paint, session.now())
    running = document["running"]
    if running is None or session.json:
        return lines
    answer = session.client.get(f"/api/deployments/{segment(running['id'])}")
    steps = cast("documents.Deployment", answer.document)
    picture = deployment.picture(steps, session.paint, session.now())
    return [*lines, "", *picture, "", f"to follow it: orchestrate deploy status {running['id']} -f"]


def _with(given: Given) -> str:
    text = given.text("grep")
    return f" with {text!r}" if text else ""
