"""The Markdown an agent reads, and the function that loads it.

Text only: no decision is taken here. A page is `NAME.md`: front matter (title, description,
arguments), then the text, in which `{{argument}}` is filled in.
"""

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources

import yaml

from orchestrate.core.errors import InvalidInput
from orchestrate.core.names import did_you_mean

INSTRUCTIONS = "instructions"
"""What the server tells every client about itself; a page like the others, and no prompt."""

_FILE = re.compile(r"---\n(?P<front>.*?)\n---\n+(?P<text>.*)", re.DOTALL)
_HOLE = re.compile(r"\{\{(\w+)\}\}")


@dataclass(frozen=True)
class Argument:
    """One argument of a page. It must be given when it has no default."""

    name: str
    description: str
    default: str | None = None

    @property
    def required(self) -> bool:
        return self.default is None


@dataclass(frozen=True)
class Page:
    """A page as it stands in its file."""

    name: str
    title: str
    description: str
    arguments: tuple[Argument, ...]
    text: str


def names() -> tuple[str, ...]:
    """The prompts a person can choose, in alphabetical order."""
    return tuple(name for name in _files() if name != INSTRUCTIONS)


def load(name: str, /, **arguments: str) -> str:
    """The text of a page with its arguments filled in.

    Raises InvalidInput for a page that is not there and for an argument that is missing, empty or
    not known. What is filled in is not looked at again.
    """
    found = page(name)
    given = {key: value.strip() for key, value in arguments.items()}
    known = {each.name: each for each in found.arguments}
    extra = [key for key in given if key not in known]
    missing = [key for key, each in known.items() if each.required and not given.get(key)]
    if extra or missing:
        raise InvalidInput(
            f"the prompt {name} was called with other arguments than it has",
            why=[f"missing: {key}" for key in missing] + [f"not known: {key}" for key in extra],
            fix=[f"{each.name}: {each.description}" for each in found.arguments],
        )
    values = {key: given.get(key) or each.default or "" for key, each in known.items()}
    return _HOLE.sub(lambda hole: values[hole[1]], found.text)


@cache
def page(name: str) -> Page:
    """A page by its name. Raises InvalidInput."""
    if name not in _files():
        raise InvalidInput(
            f"there is no prompt {name[:60]!r}",
            why=[f"known are {', '.join(names())}"],
            fix=[f"did you mean {each}?" for each in did_you_mean(name, names())[:1]],
        )
    text = (resources.files(__name__) / f"{name}.md").read_text(encoding="utf-8")
    return _read(name, text)


@cache
def _files() -> tuple[str, ...]:
    files = (entry.name for entry in resources.files(__name__).iterdir())
    return tuple(sorted(name.removesuffix(".md") for name in files if name.endswith(".md")))


def _read(name: str, text: str) -> Page:
    parts = _FILE.fullmatch(text)
    if parts is None:
        raise ValueError(f"{name}.md has no front matter")
    front = yaml.safe_load(parts["front"])
    arguments = tuple(Argument(**each) for each in front["arguments"])
    found = Page(name, front["title"], front["description"], arguments, parts["text"])
    unknown = set(_HOLE.findall(found.text)) - {each.name for each in arguments}
    if unknown:
        raise ValueError(f"{name}.md fills in {', '.join(sorted(unknown))}, which it does not name")
    return found
