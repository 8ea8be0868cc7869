"""Whether an environment can be deployed to on this machine: what is there, what is missing."""

import os

from orchestrate.core.errors import OrchestrateError
from orchestrate.core.protocols import Finding
from orchestrate.providers.edge import Edge, traefik
from orchestrate.providers.local import artifact as artifacts
from orchestrate.providers.local.running import resolved
from orchestrate.providers.local.settings import Settings


def findings(settings: Settings, edge: Edge, slug: str, directory: str) -> list[Finding]:
    """One finding for each thing looked at. Changes nothing."""
    return [_traefik(edge), _port(edge, slug), _command(settings), _artifact(settings)]


def _traefik(edge: Edge) -> Finding:
    try:
        found = traefik.find(edge.engine.cache_directory)
    except OrchestrateError as problem:
        return _bad("edge", problem)
    return Finding("edge", True, f"Traefik 3 at {found}")


def _port(edge: Edge, slug: str) -> Finding:
    url = edge.place.url
    try:
        edge.engine.refuse_taken()
        other = edge.claimed_by(slug, edge.place.rule)
    except OrchestrateError as problem:
        return _bad("port", problem)
    if other is not None:
        text = f"{url} is taken by environment {other}"
        fix = "give one of them another port or host in its url"
        return Finding("port", False, text, fix, "provider_config_invalid")
    return Finding("port", True, f"{url} is free or served by our own edge")


def _command(settings: Settings) -> Finding:
    program = settings.command[0]
    if "/" in program and not os.path.isabs(program):
        return Finding("command", True, f"{program} is looked for in each version")
    try:
        found = resolved(settings.command, settings.root)
    except OrchestrateError as problem:
        return _bad("command", problem)
    return Finding("command", True, f"{program} is {found[0]}")


def _artifact(settings: Settings) -> Finding:
    try:
        there = artifacts.versions(settings)
    except OrchestrateError as problem:
        return _bad("artifact", problem)
    if there:
        return Finding("artifact", True, f"{len(there)} versions, the last: {there[-1]}")
    return Finding(
        "artifact",
        False,
        f"no version was found for {settings.artifact}",
        "build one first",
        "artifact_missing",
    )


def _bad(name: str, problem: OrchestrateError) -> Finding:
    text = "; ".join([problem.message, *problem.why])
    return Finding(name, False, text, "; ".join(problem.fix) or None, problem.code)
