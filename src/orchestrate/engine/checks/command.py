"""Do the configured programs end well, with the environment's url and version in their hands?"""

from pydantic import JsonValue

from orchestrate.engine.checks.observed import (
    Found,
    Memory,
    Observed,
    failed,
    not_yet,
    passed,
    skipped,
)
from orchestrate.engine.commands import Ran, filled, run

NAME = "commands"


def check(subject: Observed, memory: Memory) -> Found:
    """One program a look, in order; the first that does not end with 0 fails.

    A program ends with the service; after that it runs again, from its beginning.
    """
    wanted = subject.revision.verify.commands
    if not wanted:
        return skipped(NAME, "none is configured")
    done = memory.get("done")
    position = done if isinstance(done, int) else 0
    each = wanted[position]
    entrance = subject.entrance()
    if entrance is None and subject.percent == 0:
        return not_yet(NAME)
    url = entrance[1] if entrance else ""
    if subject.percent > 0 and subject.url:
        url = subject.url
    app, _, environment = subject.revision.environment.partition("/")
    version = subject.revision.version
    within_s = min(each.timeout_s, max(subject.left_s, 0.1))
    ran = run(
        filled(each.command, url=url, version=version, environment=environment),
        variables={
            "ORCHESTRATE_URL": url,
            "ORCHESTRATE_VERSION": version,
            "ORCHESTRATE_APP": app,
            "ORCHESTRATE_ENVIRONMENT": environment,
            "ORCHESTRATE_TRAFFIC_PERCENT": str(subject.percent),
        },
        directory=subject.directory,
        within_s=within_s,
    )
    if ran.overdue and within_s < each.timeout_s:
        # The deadline cut it off, and ends the deployment: the release is not to blame.
        return Found(None, f"{each.name}: {ran.problem}", memory=dict(memory))
    if ran.problem is not None:
        return _failed(each.name, ran)
    took = {**_took(memory), each.name: ran.took_s}
    if position + 1 < len(wanted):
        text = f"{position + 1} of {len(wanted)} ended well"
        return Found(None, text, memory={"done": position + 1, "took": took}, again_s=0.05)
    said = ", ".join(each.name for each in wanted)
    return passed(NAME, f"{said}: exit code 0", took_s=took)


def _failed(name: str, ran: Ran) -> Found:
    found = failed(NAME, f"{name}: {ran.problem}", exit_code=ran.code, took_s=ran.took_s)
    lines = (f"untrusted | {name}: {line.removeprefix('untrusted | ')}" for line in ran.lines)
    return Found(found.result, evidence=found.evidence, lines=tuple(lines))


def _took(memory: Memory) -> dict[str, JsonValue]:
    took = memory.get("took")
    return took if isinstance(took, dict) else {}
