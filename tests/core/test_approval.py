"""The text that is signed, who is one person, and what weakens a rule."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from orchestrate.core.approval import Approvals, BreakGlass, Decision, Statement, same_person
from orchestrate.core.environment import Environment, EnvironmentType
from orchestrate.core.identity import Role
from orchestrate.core.links import public_url
from orchestrate.core.protection import rule_of, weakened

pytestmark = pytest.mark.unit

STATEMENT = Statement(
    store="5d1c0f8e2b7a4c6d",
    request="a31",
    plan="sha256:" + "7c" * 32,
    environment="shop/production",
    before="r41",
    after="r42",
    steps=13,
    expires="2026-11-25T15:07:00Z",
    nonce="0123456789abcdef" * 2,
)
SIGNED = f"""orchestrate-approval/v1
store 5d1c0f8e2b7a4c6d
request a31
plan sha256:{"7c" * 32}
environment shop/production
from r41 to r42
steps 13
expires 2026-11-25T15:07:00Z
nonce 0123456789abcdef0123456789abcdef
decision approve
"""


def environment(**more: Any) -> Environment:
    given = {"app": "shop", "name": "production", "type": "production", "provider": "local"}
    return Environment.model_validate({**given, **more})


@pytest.mark.attack(
    "AG07", "the plan is too long to read to its end", "the signed text says its steps"
)
def test_the_text_that_is_signed_never_changes_its_form() -> None:
    assert STATEMENT.text(Decision.APPROVE) == SIGNED
    assert STATEMENT.text(Decision.REJECT).endswith("decision reject\n")


@pytest.mark.parametrize("name", ["store", "environment", "before", "after"])
@pytest.mark.parametrize("value", ["a\nb", "a b", "", "caf\u00e9", "\u202e", "x" * 301])
def test_no_field_breaks_a_line_or_hides_in_it(name: str, value: str) -> None:
    with pytest.raises(ValidationError):
        Statement.model_validate({**STATEMENT.model_dump(), name: value})


@pytest.mark.parametrize(
    ("one", "other"), [("lee", "Lee"), ("lee", " lee "), ("\uff4cee", "lee"), ("STRASSE", "straße")]
)
def test_a_person_is_one_person_however_it_is_written(one: str, other: str) -> None:
    assert same_person(one, other)


def test_two_people_are_two() -> None:
    assert not same_person("lee", "lea")


@pytest.mark.trap(26)
@pytest.mark.attack("AP05", "a setting turns silence into a yes", "there is no such setting")
def test_no_setting_makes_silence_a_yes_or_lets_one_approve_ones_own() -> None:
    fields = Approvals.model_json_schema()["properties"]
    assert set(fields) == {"count", "roles", "expires_s", "factors", "same_person"}
    assert fields["same_person"]["const"] == "never"
    for more in (
        {"same_person": "allowed"},
        {"on_timeout": "approve"},
        {"count": 0},
        {"roles": ["deployer"]},
        {"roles": []},
        {"factors": []},
        {"expires_s": 0},
    ):
        with pytest.raises(ValidationError):
            Approvals.model_validate(more)


@pytest.mark.attack(
    "AP06", "production takes an agent's client for an approver", "the schema refuses it"
)
def test_an_agents_client_never_approves_production() -> None:
    rule = {"factors": ["elicitation"]}
    with pytest.raises(ValidationError, match="elicitation cannot approve"):
        environment(approvals=rule)
    assert environment(type="staging", approvals=rule).approvals is not None


@pytest.mark.parametrize("reason", ["", "  ", "\n"])
def test_no_glass_breaks_without_a_reason(reason: str) -> None:
    with pytest.raises(ValidationError):
        BreakGlass(reason=reason, asked_by="lee")


def test_a_rule_is_the_longer_one_or_one_approver_or_none() -> None:
    assert rule_of(environment()) is None
    assert rule_of(environment(requires_approval=True)) == Approvals()
    assert rule_of(environment(approvals={"count": 2})) == Approvals(count=2)


BEFORE = environment(approvals={"count": 2, "factors": ["ssh"], "expires_s": 600})


@pytest.mark.parametrize(
    ("after", "said"),
    [
        ({"approvals": {"count": 1, "factors": ["ssh"], "expires_s": 600}}, "approvers 2 -> 1"),
        ({"requires_approval": False}, "no longer required"),
        ({"requires_approval": True}, "approvers 2 -> 1"),
        (
            {"approvals": {"count": 2, "factors": ["ssh"], "expires_s": 600,
                           "roles": ["approver", "admin"]}},
            "further roles",
        ),
        ({"approvals": {"count": 2, "factors": ["ssh", "token"], "expires_s": 600}},
         "further ways"),
        ({"approvals": {"count": 2, "factors": ["ssh"], "expires_s": 900}}, "good for"),
        ({"type": "dev", "approvals": BEFORE.approvals}, "type production"),
    ],
)  # fmt: skip
def test_less_is_weaker(after: dict[str, Any], said: str) -> None:
    assert any(said in line for line in weakened(BEFORE, environment(**after)))


FROZEN = {
    "windows": [{"zone": "UTC", "start_min": 540, "end_min": 1020}],
    "freezes": [
        {"zone": "UTC", "name": "sale", "start": "2026-11-27T00:00", "end": "2026-12-01T00:00"}
    ],
}


@pytest.mark.parametrize(
    ("calendar", "said"),
    [
        ({}, "other windows"),
        ({"windows": FROZEN["windows"]}, "a freeze is gone"),
        (
            {**FROZEN, "openings": [{**FROZEN["freezes"][0], "name": "party"}]},
            "further openings",
        ),
    ],
)
def test_times_that_keep_changes_out_are_not_taken_away_by_a_file(
    calendar: dict[str, Any], said: str
) -> None:
    before = environment(calendar=FROZEN, checks={"required": ["tests"]})
    assert any(said in line for line in weakened(before, environment(calendar=calendar)))
    assert any("tests" in line for line in weakened(before, environment(calendar=FROZEN)))
    assert weakened(environment(), before) == ()


ONCE = {"openings": [{**FROZEN["freezes"][0], "name": "move"}]}


@pytest.mark.parametrize(
    ("calendar", "said"),
    [
        ({}, "every time is open"),
        ({"windows": [{"zone": "UTC", "start_min": 0, "end_min": 1440}]}, "other windows"),
        ({**ONCE, "windows": FROZEN["windows"]}, "other windows"),
    ],
)
def test_openings_alone_are_not_taken_away_or_widened_by_a_file(
    calendar: dict[str, Any], said: str
) -> None:
    before = environment(calendar=ONCE)
    assert any(said in line for line in weakened(before, environment(calendar=calendar)))


def test_the_first_opening_closes_every_other_time() -> None:
    assert weakened(environment(), environment(calendar=ONCE)) == ()
    frozen = environment(calendar={"freezes": FROZEN["freezes"]})
    both = environment(calendar={"freezes": FROZEN["freezes"], **ONCE})
    assert weakened(frozen, both) == ()


ASKED: dict[str, Any] = {
    "tests": {"command": ["make", "test"], "github": "acme/shop"},
    "security": {
        "command": ["scan"],
        "threshold": "medium",
        "allow": [{"id": "CVE-1", "reason": "not reached", "until": "2027-01-01"}],
    },
    "signature": {"minisign": {"file": "ci.pub", "text": "key"}},
    "max_age_s": 3600,
    "floor": "1.4.0",
}
CVE_2 = {"id": "CVE-2", "reason": "because", "until": "2027-01-01"}


@pytest.mark.parametrize(
    ("checks", "said"),
    [
        ({"tests": {"command": ["true"], "github": "acme/shop"}}, "tests are run otherwise"),
        ({"tests": None}, "tests are run otherwise"),
        ({"security": None}, "other security findings"),
        ({"security": {**ASKED["security"], "threshold": "critical"}}, "other security findings"),
        ({"security": {**ASKED["security"], "command": ["true"]}}, "other security findings"),
        ({"security": {**ASKED["security"], "allow": [CVE_2]}}, "other security findings"),
        ({"signature": {"minisign": {"file": "ci.pub", "text": "other"}}}, "other signatures"),
        ({"signature": None}, "other signatures"),
        ({"source": {"repository": "elsewhere"}}, "the commit of a version"),
        ({"github": {"url": "https://github.example.com"}}, "another GitHub"),
        ({"max_age_s": 86400}, "evidence is good for 3600s -> 86400s"),
        ({"floor": "1.3.9"}, "the oldest version 1.4.0 -> 1.3.9"),
        ({"floor": None}, "the oldest version 1.4.0 -> any"),
    ],
)
def test_what_is_asked_of_a_version_is_not_changed_by_a_file(
    checks: dict[str, Any], said: str
) -> None:
    before = environment(checks=ASKED)
    assert weakened(before, before) == ()
    (line,) = weakened(before, environment(checks={**ASKED, **checks}))
    assert said in line


def test_to_ask_more_of_a_version_is_no_weakening() -> None:
    more: dict[str, Any] = {
        **ASKED,
        "security": {**ASKED["security"], "threshold": "low", "allow": []},
        "max_age_s": 60,
        "floor": "1.10.0",
        "required": ["tests", "window"],
    }
    assert weakened(environment(checks=ASKED), environment(checks=more)) == ()
    assert weakened(environment(), environment(checks=ASKED)) == ()


@pytest.mark.parametrize(
    ("limits", "said"), [(None, "5 -> no limit"), ({"deployments_per_hour": 6}, "5 -> 6")]
)
def test_a_limit_of_deployments_is_not_raised_by_a_file(limits: Any, said: str) -> None:
    before = environment(limits={"deployments_per_hour": 5})
    assert weakened(before, environment(limits=limits)) == (f"deployments an hour {said}",)
    assert weakened(before, environment(limits={"deployments_per_hour": 4})) == ()
    assert weakened(environment(), before) == ()


def test_as_much_or_more_is_not() -> None:
    for rule in ({"count": 3, "factors": ["ssh"], "expires_s": 60}, BEFORE.approvals):
        assert weakened(BEFORE, environment(approvals=rule)) == ()
    assert weakened(environment(), environment(requires_approval=True)) == ()
    assert Role.APPROVER in Approvals().roles
    assert EnvironmentType.PRODUCTION is BEFORE.type


@pytest.mark.attack("SP09", "a link that a person is to open runs something", "no link is shown")
@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "file:///etc/passwd",
        "http://deploy.example.com",
        "https://a@deploy.example.com",
        'https://deploy.example.com/"; calc',
        "https://deploy.example.com/a b",
        "https://deploy.example.com/$(id)",
        "https://d\u0435ploy.example.com",
        "https://",
        "https://deploy.example.com:port",
        "//deploy.example.com",
        "",
        None,
    ],
)
def test_only_https_or_this_very_machine_is_linked_to(url: str | None) -> None:
    assert public_url(url) is None


@pytest.mark.parametrize(
    "url", ["https://deploy.example.com", "http://127.0.0.1:8700", "http://[::1]:8700/x"]
)
def test_a_link_that_is_one_is_shown(url: str) -> None:
    assert public_url(f"{url}/") == url
