"""How to show things, decided once, from what is known: a pure truth table."""

from collections.abc import Mapping
from typing import NamedTuple

NOT_LIVE = (
    "CI",
    "BUILDKITE",
    "GITHUB_ACTIONS",
    "TF_BUILD",
    "JENKINS_URL",
    "ACCESSIBLE",
    "ORCHESTRATE_PLAIN",
)
"""Any of them set: a terminal there may be, but nobody who sees lines drawn anew."""
WIDEST = 100
NARROWEST = 40


class Wish(NamedTuple):
    """What the command line asked for."""

    output: str = "text"
    """`text`, `json` or `jsonl`."""
    quiet: bool = False
    no_color: bool = False
    no_input: bool = False
    utc: bool = False


class Streams(NamedTuple):
    """What standard input and output are."""

    stdin_tty: bool
    stdout_tty: bool
    encoding: str
    columns: int
    rows: int


class Mode(NamedTuple):
    """How to show things."""

    live: bool
    """Lines may be drawn anew in place."""
    colour: bool
    ascii: bool
    prompts: bool
    """A person can be asked."""
    tables: bool
    """For a reader at a terminal: glyphs, ages, local times. Else for `grep`, `cut` and `awk`."""
    width: int
    rows: int
    utc: bool


def decide(environment: Mapping[str, str], streams: Streams, wish: Wish) -> Mode:
    """The mode for these streams, wishes and variables. Colour never implies live."""
    dumb = environment.get("TERM") == "dumb"
    plain = dumb or any(_set(environment, name) for name in NOT_LIVE)
    text = wish.output == "text"
    return Mode(
        live=streams.stdout_tty and not plain and text and not wish.quiet,
        colour=text and _colour(environment, streams, wish, dumb),
        ascii=_ascii(environment, streams),
        prompts=streams.stdin_tty and streams.stdout_tty and text and not wish.no_input,
        tables=streams.stdout_tty and text,
        width=max(min(streams.columns, WIDEST), NARROWEST) if streams.stdout_tty else WIDEST,
        rows=streams.rows,
        utc=wish.utc or not streams.stdout_tty,
    )


def _colour(environment: Mapping[str, str], streams: Streams, wish: Wish, dumb: bool) -> bool:
    if wish.no_color or environment.get("NO_COLOR"):
        return False
    for name in ("CLICOLOR_FORCE", "FORCE_COLOR"):
        if _set(environment, name):
            return True
    return streams.stdout_tty and not dumb and environment.get("CLICOLOR") != "0"


def _ascii(environment: Mapping[str, str], streams: Streams) -> bool:
    encoding = streams.encoding.lower().replace("-", "").replace("_", "")
    linux = environment.get("TERM") == "linux"
    return encoding != "utf8" or linux or _set(environment, "ACCESSIBLE")


def _set(environment: Mapping[str, str], name: str) -> bool:
    return environment.get(name, "").lower() not in ("", "0", "false")
