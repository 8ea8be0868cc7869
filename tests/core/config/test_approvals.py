"""`approvals` in orchestrate.yaml: read, defaulted, and refused with what would be right."""

from __future__ import annotations

import pytest

from orchestrate.core.approval import Approvals, Factor
from orchestrate.core.config import parse
from orchestrate.core.environment import Environment
from orchestrate.core.errors import ConfigInvalid
from orchestrate.core.identity import Role

pytestmark = pytest.mark.unit


def read(rule: str, kind: str = "production") -> Environment:
    text = f"environments: {{x: {{type: {kind}, provider: local, {rule}}}}}"
    config = parse(text, file="f.yaml", root="/srv", default_app="shop", variables={})
    return config.environments[0]


def problems(rule: str, kind: str = "production") -> str:
    with pytest.raises(ConfigInvalid) as caught:
        read(rule, kind)
    return "\n".join(caught.value.why)


def test_a_rule_is_read_and_stands_for_requires_approval() -> None:
    found = read(
        "approvals: {count: 2, roles: [approver, admin], expires: 2h, from: [ssh],"
        " same_person: never}"
    )
    assert found.requires_approval
    assert found.approvals == Approvals(
        count=2, roles=(Role.APPROVER, Role.ADMIN), expires_s=7200, factors=(Factor.SSH,)
    )


def test_what_is_left_out_is_as_documented() -> None:
    assert read("approvals: {count: 2}").approvals == Approvals(count=2)
    assert read("requires_approval: true").approvals is None


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("approvals: {count: 0}", "count is 0"),
        ("approvals: {roles: [deployer]}", "roles holds"),
        ("approvals: {roles: []}", "roles is empty"),
        ("approvals: {from: telepathy}", "from is the text"),
        ("approvals: {from: [sssh]}", "did you mean ssh?"),
        ("approvals: {expires: 8d}", "expires is"),
        ("approvals: {expires: 10ms}", "write at least 1s"),
        ("approvals: {same_person: always}", "write never"),
        ("approvals: {on_timeout: approve}", "unknown key"),
        ("approvals: {}, requires_approval: false", "is false beside approvals"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(rule: str, said: str) -> None:
    assert said in problems(rule)


@pytest.mark.parametrize("kind", ["staging", "production"])
@pytest.mark.parametrize("ways", ["elicitation", "ssh, elicitation"])
def test_a_way_to_approve_that_nothing_counts_is_refused(kind: str, ways: str) -> None:
    said = problems(f"approvals: {{from: [{ways}]}}", kind)
    assert "takes elicitation, which is not counted" in said
    assert "write some of ssh, token, passphrase" in said
