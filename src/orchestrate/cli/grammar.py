"""What a command and its options are made of; the commands themselves are in `spec`."""

from typing import NamedTuple


class Option(NamedTuple):
    """An option: `kind` is flag, text, whole (a number), choice or many (may be repeated)."""

    name: str
    help: str
    kind: str = "flag"
    short: str = ""
    metavar: str = ""
    choices: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Its name in what a command is given."""
        return self.name.lstrip("-").replace("-", "_")


class Command(NamedTuple):
    """A command: `run` is `module:function(session, given) -> exit code`."""

    path: tuple[str, ...]
    help: str
    run: str
    options: tuple[Option, ...] = ()
    argument: str = ""
    """Name of the one argument, `ID?` when it may be left out; empty for none."""
    more: str = ""
    """Further help, after the one line."""
    foreign: bool = False
    """`run` names a click command of its own."""

    @property
    def takes(self) -> tuple[Option, ...]:
        """Its options with those that every command has."""
        return (*self.options, *COMMON)


COMMON = (
    Option("--json", "One JSON document on standard output, on failure too"),
    Option("--output", "Form of the answer", "choice", choices=("text", "json", "jsonl")),
    Option("--quiet", "The id or the version alone", short="-q"),
    Option("--no-input", "Ask nothing"),
    Option("--no-color", "No colour"),
    Option("--utc", "Times in UTC"),
)
