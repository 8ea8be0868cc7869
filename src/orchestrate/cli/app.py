"""The click application, made from `spec`: help, and words for everything that is not plain."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import click
from click.core import ParameterSource

from orchestrate import __version__
from orchestrate.cli.main import carry_out, find_object
from orchestrate.cli.session import Given, Session, wish_of
from orchestrate.cli.spec import COMMANDS, GROUPS, Command, Option
from orchestrate.core.errors import OrchestrateError, UsageProblem
from orchestrate.core.names import did_you_mean

ABOUT = """Plan, validate, deploy, verify and roll back software.

Start with: orchestrate init, orchestrate env create --file orchestrate.yaml,
orchestrate deploy --env NAME --version VERSION. See it work: orchestrate demo.
"""
LINE = 100


class Group(click.Group):
    """Commands from the table; each is made when it is asked for."""

    path: tuple[str, ...] = ()

    def list_commands(self, ctx: click.Context) -> list[str]:
        depth = len(self.path)
        names = [c.path[depth] for c in COMMANDS if c.path[:depth] == self.path and c.path[depth:]]
        return list(dict.fromkeys(names))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        path = (*self.path, cmd_name)
        if cmd_name in GROUPS and not self.path:
            return group(cmd_name)
        found = next((c for c in COMMANDS if c.path == path), None)
        return _command(found) if found else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """One line each, from the table: help imports no command."""
        rows = [(name, self._line(name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            raise unknown_command(self.path, args[0], self.list_commands(ctx))
        return super().resolve_command(ctx, args)

    def _line(self, name: str) -> str:
        path = (*self.path, name)
        return GROUPS.get(name) or next(c.help for c in COMMANDS if c.path == path)


def dispatch(arguments: Sequence[str]) -> int:
    """Exit code of a command that `hot` left to click."""
    given = _wished(arguments)
    try:
        status = application().main(list(arguments), prog_name="orchestrate", standalone_mode=False)
        return status if isinstance(status, int) else 0
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.Abort:
        raise KeyboardInterrupt from None
    except click.ClickException as problem:
        return Session(wish_of(given)).fail(_in_our_words(problem))
    except OrchestrateError as problem:
        return Session(wish_of(given)).fail(problem)


def application() -> click.Group:
    """All commands."""
    top = Group(
        "orchestrate",
        help=ABOUT,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": LINE},
        no_args_is_help=True,
    )
    shown = click.version_option(
        __version__, prog_name="orchestrate", message="%(prog)s %(version)s"
    )
    return shown(top)


def group(name: str) -> click.Group:
    """A noun. `deploy` is a command itself, whose options do not reach its subcommands."""
    own = next((c for c in COMMANDS if c.path == (name,)), None)
    found = Group(
        name,
        help=f"{GROUPS[name]}.\n\n{own.more if own else ''}",
        params=_parameters(own) if own else [],
        invoke_without_command=own is not None,
        no_args_is_help=own is None,
        callback=click.pass_context(_own(own)) if own else None,
    )
    found.path = (name,)
    return found


def unknown_command(path: Sequence[str], name: str, known: Sequence[str]) -> UsageProblem:
    prefix = " ".join(("orchestrate", *path))
    meant = did_you_mean(name, known)
    first = [f"did you mean: {prefix} {meant[0]}"] if meant else []
    return UsageProblem(f'there is no command "{name}"', fix=[*first, f"{prefix} --help"])


def _own(command: Command) -> Callable[..., int | None]:
    def run(ctx: click.Context, /, **values: object) -> int | None:
        if ctx.invoked_subcommand is None:
            return carry_out(command.run, Given(values))
        lost = [
            parameter.opts[0]
            for parameter in ctx.command.params
            if parameter.name
            and ctx.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE
        ]
        if lost:
            word = ctx.invoked_subcommand
            raise UsageProblem(
                f"{', '.join(lost)} stands before {word}, where it means another command",
                fix=[f"put options after it: orchestrate deploy {word} {lost[0]} ..."],
            )
        return None

    return run


def _command(command: Command) -> click.Command:
    if command.foreign:
        found = find_object(command.run)
        assert isinstance(found, click.Command)
        return found
    return click.Command(
        command.path[-1],
        help=f"{command.help}.\n\n{command.more}",
        short_help=command.help,
        params=_parameters(command),
        callback=lambda **values: carry_out(command.run, Given(values)),
    )


def _parameters(command: Command) -> list[click.Parameter]:
    parameters: list[click.Parameter] = [_option(o) for o in command.takes]
    if command.argument:
        optional = command.argument.endswith("?")
        name = command.argument.rstrip("?")
        parameters.append(click.Argument(["argument"], required=not optional, metavar=name))
    return parameters


def _option(option: Option) -> click.Option:
    names = [option.key, option.name, *([option.short] if option.short else [])]
    if option.kind == "flag":
        return click.Option(names, is_flag=True, help=option.help)
    kind: click.IntRange | click.Choice[str] | None = None
    if option.kind == "whole":
        kind = click.IntRange(min=0)
    elif option.choices:
        kind = click.Choice(option.choices)
    return click.Option(
        names,
        type=kind,
        multiple=option.kind == "many",
        metavar=option.metavar or None,
        help=option.help,
    )


def _wished(arguments: Sequence[str]) -> Given:
    """Whether JSON was asked for, in a command line that cannot be parsed."""
    words = list(arguments)
    forms = [after for word, after in pairwise(words) if word == "--output"]
    forms += [word.partition("=")[2] for word in words if word.startswith("--output=")]
    wanted = "--json" in words or any(form in ("json", "jsonl") for form in forms)
    return Given({"json": wanted, "no_color": "--no-color" in words})


def _in_our_words(problem: click.ClickException) -> UsageProblem:
    """click's complaint in the form of every other error."""
    message = problem.format_message().rstrip(".")
    command = "orchestrate"
    if isinstance(problem, click.UsageError) and problem.ctx is not None:
        command = problem.ctx.command_path
    why: list[str] = []
    fix = [f"{command} --help"]
    if isinstance(problem, click.NoSuchOption):
        message = f"{command} has no option {problem.option_name}"
        if command == "orchestrate":
            why.append("options stand after the command they belong to")
        elif problem.possibilities:
            fix.insert(0, f"did you mean {sorted(problem.possibilities)[0]}?")
    elif isinstance(problem, click.MissingParameter):
        message = problem.format_message().rstrip(".")
    elif isinstance(problem, click.BadParameter) and problem.param is not None:
        name = problem.param.opts[0] if isinstance(problem.param, click.Option) else ""
        said = problem.message.rstrip(".")
        if isinstance(problem.param.type, click.IntRange):
            said = "it takes a whole number"
        message = f"{name}: {said}".removeprefix(": ")
    return UsageProblem(f"{message[:1].lower()}{message[1:]}", why=why, fix=fix)
