"""The environments of the file, one by one."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

from orchestrate.core.config.approvals import approvals_of
from orchestrate.core.config.checks import Reader, checks_of
from orchestrate.core.config.gates import health_of, strategy_of
from orchestrate.core.config.interpolate import fill
from orchestrate.core.config.limits import limits_of
from orchestrate.core.config.migrations import migrations_of
from orchestrate.core.config.nodes import Scalar
from orchestrate.core.config.notifications import notifications_of
from orchestrate.core.config.problems import shown
from orchestrate.core.config.providers import canonical_provider
from orchestrate.core.config.scalars import Unclear, Value, kind_of, value_of
from orchestrate.core.config.secrets import backends_of, secrets_of
from orchestrate.core.config.section import YEAR_S, Section
from orchestrate.core.config.urls import wrong_with
from orchestrate.core.config.verification import verification_of
from orchestrate.core.config.windows import calendar_of
from orchestrate.core.environment import Environment, EnvironmentType
from orchestrate.core.errors import InvalidInput, UnknownProvider
from orchestrate.core.names import check_name
from orchestrate.core.secret import Secret

KEYS = (
    "type",
    "provider",
    "url",
    "config",
    "strategy",
    "health",
    "verify",
    "migrations",
    "variables",
    "secrets",
    "secret_backends",
    "requires_approval",
    "approvals",
    "timeout",
    "when_busy",
    "limits",
    "checks",
    "windows",
    "freezes",
    "openings",
    "on_close",
    "notifications",
)
_TYPES = {**{each.value: each for each in EnvironmentType}, "prod": EnvironmentType.PRODUCTION}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OURS = "ORCHESTRATE_"


def no_files(name: str) -> str:
    raise InvalidInput(f"{name} cannot be read here")


@dataclass(frozen=True)
class Given:
    """What the caller knows and the file does not say."""

    file: str
    root: str
    """Directory of the file."""
    app: str
    variables: Mapping[str, str]
    providers: Collection[str]
    """Names of providers that other distributions brought."""
    read_file: Reader = field(default=no_files)


def environment_of(
    name: str, section: Section, line: int, given: Given
) -> tuple[Environment, dict[str, Secret]]:
    """The environment that `section` describes, with the secrets that are imported.
    What is wrong is noted, and something harmless stands in its place."""
    section.require("type", "provider")
    _check_name(name, section)
    secrets = secrets_of(section, given.variables)
    variables = _variables(section, given)
    _refuse_both(section, secrets.names, variables)
    kind = _type(section)
    approvals = approvals_of(section)
    environment = Environment(
        app=given.app,
        name=name,
        type=kind,
        provider=_provider(section, given),
        url=_url(section),
        config=_config(section, given),
        strategy=strategy_of(section),
        health=health_of(section),
        verify=verification_of(section, given.read_file),
        migrations=migrations_of(section),
        variables=variables,
        secrets=secrets.names,
        secret_sources=secrets.sources,
        secret_backends=backends_of(section),
        requires_approval=approvals is not None or section.flag("requires_approval", False),
        approvals=approvals,
        timeout_s=section.duration("timeout", 1800.0, YEAR_S),
        when_busy=_when_busy(section),
        limits=limits_of(section),
        checks=checks_of(section, given.read_file),
        calendar=calendar_of(section),
        notifications=notifications_of(section, secrets.names),
        source=f"{given.file}:{line}",
    )
    return environment, secrets.values


def _check_name(name: str, section: Section) -> None:
    try:
        check_name(name)
    except InvalidInput as error:
        section.problems.add(section.place, error.message, error.why[0])


def _type(section: Section) -> EnvironmentType:
    word = section.choice("type", tuple(_TYPES))
    return _TYPES[word] if word else EnvironmentType.DEV


def _provider(section: Section, given: Given) -> str:
    name = section.text("provider", None, "write the name of a provider, such as local")
    if name is None:
        return "local"
    config = section.section("config", None)
    try:
        return canonical_provider(name, config.entries if config else (), given.providers)
    except UnknownProvider as error:
        section.wrong("provider", f"is not clear: {error.message}", error.fix[0])
        return "local"


def _url(section: Section) -> str | None:
    url = section.text("url", None, right := "write one such as https://staging.example.com")
    if url is None:
        return None
    wrong = wrong_with(url)
    if wrong:
        section.wrong("url", wrong, right)
    return url


def _config(section: Section, given: Given) -> dict[str, Value]:
    config = section.section("config", None)
    found: dict[str, Value] = {key: config.json(key) for key in config.entries} if config else {}
    if config and "root" in found:
        config.wrong("root", "is the directory of the file and set for you", "remove it")
    return {**found, "root": given.root}


def _variables(section: Section, given: Given) -> dict[str, str]:
    variables = section.section("variables", None)
    if variables is None:
        return {}
    return {
        name: fill(scalar, given.variables, variables.path(name), section.problems) or ""
        for name, scalar in _texts(variables).items()
    }


def _texts(section: Section) -> dict[str, Scalar]:
    """The entries that are a name and a text. No message here shows a value."""
    found: dict[str, Scalar] = {}
    for name, (key, node) in section.entries.items():
        if not _VARIABLE.fullmatch(name) or name.startswith(_OURS):
            section.problems.add(
                key.place,
                f"{shown(name)} cannot be the name of a variable",
                f"use letters, digits and _, not a digit first, and not {_OURS}...",
            )
        elif not isinstance(node, Scalar):
            section.wrong(name, f"is {kind_of(node)}", "write one text")
        elif _is_text(node):
            found[name] = node
        else:
            section.wrong(name, "is not a text", "quote it")
    return found


def _is_text(scalar: Scalar) -> bool:
    try:
        return isinstance(value_of(scalar), str)
    except Unclear:
        return False


def _refuse_both(section: Section, secrets: Collection[str], variables: Collection[str]) -> None:
    for name in secrets:
        if name in variables:
            section.wrong("variables", f"and secrets both have {name}", "keep one of them")


def _when_busy(section: Section) -> Literal["refuse", "queue"]:
    return "queue" if section.choice("when_busy", ("refuse", "queue")) == "queue" else "refuse"
