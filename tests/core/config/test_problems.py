"""orchestrate.yaml as it should not be: every problem at once, with its place and a way out."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orchestrate.core.config import Config, parse
from orchestrate.core.errors import ConfigInvalid

pytestmark = pytest.mark.unit

SET = {"SET": "value-of-set", "EMPTY": ""}


def read(text: str) -> Config:
    return parse(text, file="o.yaml", root="/srv", default_app="shop", variables=SET)


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigInvalid) as caught:
        read(text)
    return list(caught.value.why)


def problem(keys: str, *, provider: str = "local") -> str:
    """The one problem of an environment that has `keys` from line 4 on."""
    lines = "".join(f"\n    {line}" for line in keys.splitlines())
    (found,) = problems(f"environments:\n  x:\n    type: dev\n    provider: {provider}{lines}\n")
    return found.removeprefix("o.yaml:")


def test_every_problem_is_told_at_once_in_the_order_of_the_file() -> None:
    found = problems(
        "app: My Shop\n"
        "enviroments: {}\n"
        "environments:\n"
        "  Staging:\n"
        "    type: stagging\n"
        "    provider: locl\n"
        "    requires_approval: yes\n"
        "  x:\n"
    )
    assert found == [
        "o.yaml:1:6: 'My Shop' is not a name for an app: a name is 1 to 63 of lower case letters, "
        "digits and -, a letter or digit first; write `app: my-shop`",
        'o.yaml:2:1: unknown key "enviroments" at the top; did you mean environments? '
        "known are app, environments",
        "o.yaml:4:3: 'Staging' is not a name for an environment; a name is 1 to 63 of lower case "
        "letters, digits and -, a letter or digit first",
        'o.yaml:5:11: environments.Staging.type is "stagging"; did you mean staging? '
        "write dev or staging or production or prod",
        'o.yaml:6:15: environments.Staging.provider is not clear: there is no provider "locl"; '
        "did you mean local? known are local, docker, kubernetes, aws_ecs, aws_lambda, aws_s3, "
        "gcp_run, gcp_functions, vercel, netlify, railway, command",
        'o.yaml:7:24: environments.Staging.requires_approval is the text "yes"; '
        "write true or false",
        "o.yaml:8:3: environments.x has no provider; add `provider:`",
        "o.yaml:8:3: environments.x has no type; add `type:`",
    ]


def test_the_error_counts_and_points_to_the_reference() -> None:
    with pytest.raises(ConfigInvalid) as caught:
        read("")
    assert caught.value.message == "o.yaml has 1 problem"
    assert caught.value.details == {"problems": 1}
    assert "docs/configuration.md" in caught.value.fix[0]
    json.dumps(caught.value.as_dict())


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("typ: dev", '5:5: unknown key "typ" in environments.x; did you mean type?'),
        ("type: staging", '5:5: "type" is here twice, first on line 3; keep one of them'),
        ("url: staging.example.com", 'is "staging.example.com", not an http or https url'),
        ("url: ftp://example.com", "not an http or https url"),
        ("url: https://", "which names no host"),
        ("url: http://h:99999", "is not a url"),
        ("url: https://bob:pw@example.com", "holds a user name or password"),
        ("url: 5", "environments.x.url is the number 5"),
        ("config: [a]", "environments.x.config is a list; write a mapping"),
        ("config: {root: /elsewhere}", "config.root is the directory of the file and set for you"),
        ("config: {tag: 1.10}", "1.10 can be read as a number or as a text; quote it"),
        ("config: {mode: 0755}", "0755 can be read as a number or as a text"),
        ("config: {commit: 12e4567}", "12e4567 can be read as a number or as a text"),
        ("config: {big: 99999999999999999999}", "can be read as a number or as a text"),
        ("config: {a: 'x ${SET}'}", "`${` is filled in only below `variables` and `secrets`"),
        ("url: https://${SET}", "`${` is filled in only below `variables` and `secrets`"),
        ("strategy: blue_green", "did you mean blue-green?"),
        ("strategy: bluegreen", "did you mean blue-green?"),
        ("strategy: {steps: [100]}", "environments.x.strategy has no type"),
        ("strategy: {type: canary, steps: [50, 25, 100]}", "does not rise from each to the next"),
        ("strategy: {type: canary, steps: [50, 50, 100]}", "does not rise from each to the next"),
        ("strategy: {type: canary, steps: [10, 90]}", "does not end with 100"),
        ("strategy: {type: canary, steps: []}", "does not end with 100"),
        ("strategy: {type: canary, steps: [0, 100]}", "5:38: environments.x.strategy.steps holds"),
        ("strategy: {type: canary, steps: [101, 100]}", "steps holds the number 101"),
        ("strategy: {type: canary, steps: [10%, 100]}", 'steps holds the text "10%"'),
        ("strategy: {type: canary, steps: 10}", "steps is the number 10"),
        ("strategy: {type: canary, batch: 0}", "batch is 0; write a whole number from 1"),
        ("strategy: {type: canary, batch: '2'}", 'batch is the text "2"'),
        ("strategy: {type: canary, bake: soon}", "write a duration such as 500ms, 30s or 10m"),
        ("strategy: {type: canary, bake: -1}", "bake is the number -1; write a duration"),
        ("strategy: {type: canary, drain: 2h}", 'drain is "2h"; write a duration'),
        ("strategy: {type: canary, analyse: {max_error_ratio: 5}}", "write a share above 0"),
        ("strategy: {type: canary, analyse: {window: 2d}}", 'analyse.window is "2d"'),
        ("health: {path: healthz}", "health.path is not a path of a url"),
        ("health: {expect_status: 600}", "write a whole number from 100 to 599"),
        ("health: {expect_status: 200.5}", "expect_status is 200.5"),
        ("health: {interval: 0}", 'health.interval is "0"'),
        ("health: {version_header: 'a b'}", "is not the name of a header"),
        ("health: {paths: /x}", "did you mean path?"),
        ("timeout: 0", 'environments.x.timeout is "0"'),
        ("timeout: 5 minutes", 'timeout is the text "5 minutes"'),
        ("when_busy: wait", "write refuse or queue"),
        ("limits: {deployments_per_hour: 0}", "write a whole number from 1 to 10000"),
        ("limits: {deployments_per_day: 3}", "known are deployments_per_hour"),
        ("requires_approval: 'true'", 'requires_approval is the text "true"; write true or false'),
        ("variables: {COUNT: 3}", "variables.COUNT is not a text; quote it"),
        ("variables: {DEBUG: true}", "variables.DEBUG is not a text; quote it"),
        ("variables: {TAG: 1.10}", "variables.TAG is not a text; quote it"),
        ("variables: {NONE: }", "variables.NONE is not a text; quote it"),
        ("variables: {LIST: [a]}", "variables.LIST is a list; write one text"),
        ("variables: {9A: b}", '"9A" cannot be the name of a variable'),
        ("variables: {ORCHESTRATE_HOME: b}", "cannot be the name of a variable"),
        ("variables: {A: '${UNSET}'}", "5:20: environments.x.variables.A needs the variable UNSET"),
        ("variables: {A: '${UNSET'}", "has a `${` without a name"),
        ("variables: {A: '${}'}", "has a `${` without a name"),
        ("secrets: {KEY: '${UNSET}'}", "needs the variable UNSET, which is not set"),
        ("secrets: {KEY: '${EMPTY}'}", "is filled in with nothing"),
        ("secrets: {KEY: in-the-file}", "is written in the file, where everybody can read it"),
        ("secrets: {KEY: '$${SET}'}", "is written in the file, where everybody can read it"),
        (
            "variables: {KEY: a}\nsecrets: {KEY: '${SET}'}",
            "5:16: environments.x.variables and secrets both have KEY",
        ),
    ],
)
def test_what_is_wrong_is_said_with_what_would_be_right(keys: str, said: str) -> None:
    found = problem(keys)
    assert said in found
    assert re.match(r"\d+:\d+: [^;]+; .", found)


@pytest.mark.parametrize(
    ("provider", "said"),
    [
        ("awsecs2", "did you mean aws_ecs?"),
        ("ecs", "did you mean aws_ecs?"),
        ("heroku", "known are local"),
        ("aws", "the config has no key that tells which"),
        ("3", "provider is the number 3"),
    ],
)
def test_an_unknown_provider_is_named_with_what_is_known(provider: str, said: str) -> None:
    assert said in problem("", provider=provider)


def test_a_cloud_whose_config_fits_two_services_is_not_guessed() -> None:
    found = problem("config: {function: a, bucket: b}", provider="aws")
    assert "the config fits aws_lambda and aws_s3" in found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "1:1: the file is empty"),
        ("# nothing\n", "1:1: the file is empty"),
        ("environments:", "1:14: environments is empty"),
        ("environments: {}", "environments is empty"),
        ("environments: [a]", "environments is a list; write a mapping"),
        ("- a", "the file is a list; write a mapping"),
        ("a: [1", "1:4: broken YAML: the list that begins here is not closed; add ]"),
        ("a: {b: c", "1:4: broken YAML: the mapping that begins here is not closed; add }"),
        ('a: "x', "1:4: broken YAML: the quote that begins here is not closed"),
        ("a: b: c", "1:5: broken YAML: a `:` where no value can begin"),
        ("a:\n\t- x", "2:1: broken YAML: indented with a tab; indent with spaces"),
        ("a: @x", '1:4: broken YAML: no text begins with "@"; put the text in quotes'),
        ("- a\nb: c", "2:1: broken YAML: a line that does not belong to the list above it"),
        ("a: *x", "1:4: *x has no anchor before it"),
        ("a: &x [*x]", "1:8: *x refers to itself"),
        ("a: !odd b", '1:4: the tag "!odd" is not known'),
        ("? [a]\n: b", "1:3: a key that is not a text"),
        ("x: &x {a: b}\ny: {<<: *x}", "2:5: merge keys are not taken"),
        ("--- a\n--- b\n", "2:1: a second document begins"),
        ("a: \x07", "1:4: character U+0007, which cannot be seen; remove it"),
        ("a: \ud800", "1:4: character U+D800, which cannot be seen"),
        ("a: b\nc: \u202e", "2:4: character U+202E, which cannot be seen"),
        ('a: "\\0"', "1:4: an escape that is no text"),
        ("a: " + "[" * 100_000, "1:67: nested deeper than 64 levels"),
        ("a: " + "x" * 1024 * 1024, "1:1: the file is larger than 1 MiB"),
    ],
)
def test_a_file_that_cannot_be_read_says_where_and_in_plain_words(text: str, said: str) -> None:
    assert any(said in each for each in problems(text))


@pytest.mark.parametrize(
    "text",
    [
        "environments: {secrets: {type: dev, provider: local, config: {a: '${SET}'}}}",
        "environments: {x: {type: dev, provider: local, config: {variables: {A: '${SET}'}}}}",
        "variables: {A: '${SET}'}",
        "environments: {'${SET}': {type: dev, provider: local}}",
    ],
)
def test_nothing_is_filled_in_below_a_key_that_only_sounds_right(text: str) -> None:
    assert any("`${` is filled in only below" in each for each in problems(text))


def test_aliases_that_would_make_the_file_large_are_refused() -> None:
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    for n in range(1, 9):
        lines.append(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]")
    assert any("aliases make the file too large" in each for each in problems("\n".join(lines)))


def test_values_of_variables_and_secrets_are_in_no_message() -> None:
    found = problems(
        "environments:\n"
        "  x:\n"
        "    type: dev\n"
        "    provider: local\n"
        "    url: https://bob:planted1@example.com\n"
        "    variables: {A: 987651, B: ['planted2'], C: '${UNSET} planted3'}\n"
        "    secrets: {K: planted4, L: 987652, M: '${SET} ${UNSET}'}\n"
    )
    said = "\n".join(found)
    assert len(found) == 7
    assert not re.search(r"planted\d|98765\d|value-of-set", said)


PIECES = st.sampled_from(
    [
        *"{}[]:,-&*!|>'\"%@`#?~$\\ \n\t\r\x00\x85\u2028\ud800é",
        "  ",
        "\n    ",
        ": ",
        "- ",
        "<<",
        "${SET}",
        "&a",
        "*a",
        "environments:\n  x:\n    ",
        "type: dev\n    ",
        "provider: ",
        "provider: aws\n    ",
        "steps: ",
        "strategy:",
        "health:",
        "variables: {A: ",
        "secrets: ",
        "1e5",
        "true",
        "10s",
        "---\n",
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES | st.text(max_size=4), max_size=30).map("".join))
@example("a: [1")
@example("\x0c\n    \x1f")
@example("environments: {x: {timeout: " + "9" * 400 + "}}")
def test_any_text_gives_a_config_or_problems_on_lines_that_exist(text: str) -> None:
    try:
        read(text)
    except ConfigInvalid as error:
        assert error.why
        for each in error.why:
            found = re.match(r"o\.yaml:(\d+):(\d+): [^\n]+; [^\n]+$", each)
            assert found, each
            lines = text.removesuffix("\n").split("\n")
            assert 1 <= int(found[1]) <= len(lines)
            assert 1 <= int(found[2]) <= len(lines[int(found[1]) - 1]) + 1


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_good_file_with_a_piece_cut_out_never_breaks_the_parser(data: st.DataObject) -> None:
    page = Path(__file__).parents[3] / "examples" / "shop" / "orchestrate.yaml"
    text = page.read_text(encoding="utf-8")
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(start + 40, len(text))))
    try:
        read(text[:start] + text[end:])
    except ConfigInvalid as error:
        assert error.why
