"""orchestrate.yaml: its text to environments, or every problem it has at once.

Pure: the text, the file's name and the variables arrive as arguments. docs/configuration.md is
the reference.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from orchestrate.core.config.checks import Reader
from orchestrate.core.config.environments import KEYS, Given, environment_of, no_files
from orchestrate.core.config.interpolate import refuse_misplaced
from orchestrate.core.config.nodes import Node, Table, read
from orchestrate.core.config.problems import Place, Problems
from orchestrate.core.config.providers import PROVIDERS, canonical_provider
from orchestrate.core.config.scalars import is_empty
from orchestrate.core.config.section import Section
from orchestrate.core.environment import Environment
from orchestrate.core.errors import InvalidInput
from orchestrate.core.names import check_name
from orchestrate.core.secret import Secret

__all__ = ["PROVIDERS", "Config", "canonical_provider", "parse"]


@dataclass(frozen=True)
class Config:
    """What one orchestrate.yaml describes."""

    app: str
    environments: tuple[Environment, ...]
    """In the order of the file."""
    secrets: dict[str, dict[str, Secret]]
    """By environment's name, then by the secret's."""


def parse(
    text: str,
    *,
    file: str,
    root: str,
    default_app: str,
    variables: Mapping[str, str],
    providers: Collection[str] = (),
    read_file: Reader = no_files,
) -> Config:
    """The configuration in `text`, which was read from `file` in the directory `root`.

    `variables` fill `${NAME}` below `variables` and `secrets`; `default_app` is the app's name
    where the file gives none; `providers` are the names other distributions brought; `read_file`
    gives the text of another file that it names. Raises ConfigInvalid with every problem, each
    `file:line:column: what is wrong; what would be right`.
    """
    problems = Problems(file, text)
    tree = read(text, problems)
    if tree is None:
        raise problems.error()
    config = _config(
        tree, Given(file, root, default_app, variables, providers, read_file), problems
    )
    if problems:
        raise problems.error()
    return config


def _config(tree: Node, given: Given, problems: Problems) -> Config:
    refuse_misplaced(tree, problems)
    top = Section("", tree, problems, ("app", "environments"))
    top.require("environments")
    given = replace(given, app=_app(top, given.app))
    environments: list[Environment] = []
    secrets: dict[str, dict[str, Secret]] = {}
    for name, place, section in _each(top):
        environment, secrets[name] = environment_of(name, section, place.line, given)
        environments.append(environment)
    return Config(given.app, tuple(environments), secrets)


def _app(top: Section, default: str) -> str:
    app = top.text("app", default, "write a name such as shop")
    place = top.entries["app"][1].place if "app" in top.entries else Place(1, 1)
    try:
        return check_name(app, "app")
    except InvalidInput as error:
        name = re.sub(r"[^a-z0-9]+", "-", app.lower()).strip("-")[:63] or "shop"
        top.problems.add(place, f"{error.message}: {error.why[0]}", f"write `app: {name}`")
        return "app"


def _each(top: Section) -> Iterator[tuple[str, Place, Section]]:
    environments = top.section("environments", None)
    if environments is None:
        return
    node = top.entries["environments"][1]
    if not environments.entries and (isinstance(node, Table) or is_empty(node)):
        top.wrong("environments", "is empty", "add an environment, such as `staging:`")
    for name, (key, node) in environments.entries.items():
        yield name, key.place, Section(environments.path(name), node, top.problems, KEYS, key.place)
