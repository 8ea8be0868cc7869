"""What agents read: pages that load, name only tools that exist, and fit where they are shown."""

import re

import pytest

from orchestrate import prompts
from orchestrate.core.errors import InvalidInput
from tests.prompts.offered import offered

pytestmark = pytest.mark.unit

NAMES = ("deploy", "investigate", "roll_back")
EVERY = (*NAMES, prompts.INSTRUCTIONS)
CUT_BYTES = 2048
"""Clients cut a server's instructions here."""


def words_like_tools(text: str) -> set[str]:
    """Words with an underscore that begin with a verb, and single words marked as code."""
    verbs = "get|list|plan|start|wait|control|request|roll|set|create|delete"
    marked = set(re.findall(r"`([a-z]+)`", text)) & {"validate", "rollback", "deploy", "promote"}
    return marked | set(re.findall(rf"\b(?:{verbs})_[a-z_]+\b", text))


def test_the_prompts_are_the_three_jobs() -> None:
    assert prompts.names() == NAMES


@pytest.mark.parametrize("name", EVERY)
def test_every_tool_a_page_names_exists(name: str) -> None:
    assert words_like_tools(prompts.page(name).text) <= offered()


@pytest.mark.parametrize("name", EVERY)
def test_a_page_says_what_it_is_for_and_what_it_takes(name: str) -> None:
    page = prompts.page(name)
    assert page.title
    assert page.description
    assert all(each.description for each in page.arguments)
    assert f"{{{{{page.arguments[0].name}}}}}" in page.text if page.arguments else True


def test_every_argument_is_used() -> None:
    for name in EVERY:
        page = prompts.page(name)
        assert set(re.findall(r"\{\{(\w+)\}\}", page.text)) == {a.name for a in page.arguments}


def test_the_instructions_fit_where_clients_cut_them() -> None:
    assert len(prompts.load(prompts.INSTRUCTIONS).encode()) < CUT_BYTES


def test_the_instructions_name_every_tool_and_the_main_road_in_order() -> None:
    text = prompts.load(prompts.INSTRUCTIONS)
    assert offered() <= set(re.findall(r"[a-z]+(?:_[a-z]+)*", text))
    road = ["get_overview", "get_environment", "validate", "plan_deployment", "start_deployment"]
    places = [text.index(name) for name in [*road, "wait_deployment"]]
    assert places == sorted(places)


def test_what_agents_read_says_that_outside_text_is_data() -> None:
    for name in EVERY:
        assert re.search(r"untrusted_|instructions:", prompts.page(name).text), name


def test_arguments_are_filled_in_and_defaults_stand_for_what_was_left_out() -> None:
    text = prompts.load("deploy", environment="staging", version="1.4.2")
    assert "Deploy version 1.4.2 to the environment staging." in text
    assert "Strategy: the environment's own." in text
    assert "{{" not in text
    other = prompts.load("deploy", environment="staging", version="1", strategy="canary")
    assert "Strategy: canary." in other


def test_what_is_filled_in_is_not_looked_at_again() -> None:
    text = prompts.load("deploy", environment="{{version}}", version="1")
    assert "to the environment {{version}}." in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"environment": "staging"}, "missing: version"),
        ({"environment": "staging", "version": "  "}, "missing: version"),
        ({"environment": "a", "version": "1", "force": "yes"}, "not known: force"),
    ],
)
def test_other_arguments_than_the_page_has_are_refused(
    arguments: dict[str, str], said: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        prompts.load("deploy", **arguments)
    assert said in caught.value.why
    assert "version: Version to deploy" in caught.value.fix


def test_an_unknown_page_is_refused_with_the_nearest() -> None:
    with pytest.raises(InvalidInput) as caught:
        prompts.load("deplo")
    assert caught.value.fix == ("did you mean deploy?",)


@pytest.mark.parametrize("name", ["../__init__", "", "deploy.md", "/etc/passwd"])
def test_a_name_leads_nowhere_else(name: str) -> None:
    with pytest.raises(InvalidInput):
        prompts.load(name)
