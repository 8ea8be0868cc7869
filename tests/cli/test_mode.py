"""Live, colour, glyphs and prompts: decided once, by a table."""

from __future__ import annotations

import pytest

from orchestrate.cli.mode import Mode, Streams, Wish, decide

pytestmark = pytest.mark.unit

TERMINAL = Streams(stdin_tty=True, stdout_tty=True, encoding="utf-8", columns=120, rows=24)
PIPE = TERMINAL._replace(stdout_tty=False)


def mode(
    variables: dict[str, str] | None = None, streams: Streams = TERMINAL, wish: Wish | None = None
) -> Mode:
    return decide(variables or {}, streams, wish or Wish())


@pytest.mark.parametrize(
    ("variables", "streams", "wish", "live"),
    [
        ({}, TERMINAL, Wish(), True),
        ({}, PIPE, Wish(), False),
        ({"CI": "1"}, TERMINAL, Wish(), False),
        ({"CI": "false"}, TERMINAL, Wish(), True),
        ({"BUILDKITE": "true"}, TERMINAL, Wish(), False),
        ({"GITHUB_ACTIONS": "true"}, TERMINAL, Wish(), False),
        ({"TF_BUILD": "True"}, TERMINAL, Wish(), False),
        ({"JENKINS_URL": "http://ci"}, TERMINAL, Wish(), False),
        ({"TERM": "dumb"}, TERMINAL, Wish(), False),
        ({"ACCESSIBLE": "1"}, TERMINAL, Wish(), False),
        ({"ORCHESTRATE_PLAIN": "1"}, TERMINAL, Wish(), False),
        ({}, TERMINAL, Wish(output="json"), False),
        ({}, TERMINAL, Wish(output="jsonl"), False),
        ({}, TERMINAL, Wish(quiet=True), False),
        ({"FORCE_COLOR": "1"}, PIPE, Wish(), False),
    ],
)
def test_lines_are_drawn_anew_only_where_somebody_sees_it(
    variables: dict[str, str], streams: Streams, wish: Wish, live: bool
) -> None:
    assert mode(variables, streams, wish).live is live


@pytest.mark.parametrize(
    ("variables", "streams", "wish", "colour"),
    [
        ({}, TERMINAL, Wish(), True),
        ({}, PIPE, Wish(), False),
        ({"NO_COLOR": "1"}, TERMINAL, Wish(), False),
        ({"NO_COLOR": ""}, TERMINAL, Wish(), True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, TERMINAL, Wish(), False),
        ({}, TERMINAL, Wish(no_color=True), False),
        ({"FORCE_COLOR": "1"}, PIPE, Wish(), True),
        ({"CLICOLOR_FORCE": "1"}, PIPE, Wish(), True),
        ({"FORCE_COLOR": "0"}, PIPE, Wish(), False),
        ({"CLICOLOR": "0"}, TERMINAL, Wish(), False),
        ({"TERM": "dumb"}, TERMINAL, Wish(), False),
        ({"FORCE_COLOR": "1"}, TERMINAL, Wish(output="json"), False),
    ],
)
def test_colour_follows_what_the_person_set(
    variables: dict[str, str], streams: Streams, wish: Wish, colour: bool
) -> None:
    assert mode(variables, streams, wish).colour is colour


@pytest.mark.parametrize(
    ("variables", "encoding", "plain"),
    [
        ({}, "utf-8", False),
        ({}, "UTF8", False),
        ({}, "ascii", True),
        ({}, "latin-1", True),
        ({"TERM": "linux"}, "utf-8", True),
        ({"ACCESSIBLE": "1"}, "utf-8", True),
    ],
)
def test_glyphs_are_letters_where_others_cannot_be_shown_or_read(
    variables: dict[str, str], encoding: str, plain: bool
) -> None:
    assert mode(variables, TERMINAL._replace(encoding=encoding)).ascii is plain


def test_a_person_is_asked_only_at_a_terminal_at_both_ends() -> None:
    assert mode().prompts
    assert mode({"CI": "1"}).prompts
    assert not mode(streams=PIPE).prompts
    assert not mode(streams=TERMINAL._replace(stdin_tty=False)).prompts
    assert not mode(wish=Wish(no_input=True)).prompts
    assert not mode(wish=Wish(output="json")).prompts


def test_lines_are_never_wider_than_a_hundred_cells() -> None:
    assert mode(streams=TERMINAL._replace(columns=250)).width == 100
    assert mode(streams=TERMINAL._replace(columns=80)).width == 80
    assert mode(streams=TERMINAL._replace(columns=10)).width == 40


def test_what_is_piped_has_exact_times() -> None:
    assert mode(streams=PIPE).utc
    assert not mode(streams=PIPE).tables
    assert not mode().utc
    assert mode(wish=Wish(utc=True)).utc
