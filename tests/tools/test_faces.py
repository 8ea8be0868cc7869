"""One operation, many faces: every one that an operation should have is there."""

import re
from typing import Any

import pytest

from orchestrate.cli.spec import COMMANDS
from orchestrate.tools import TOOLS, by_name

pytestmark = pytest.mark.unit

# The command through which a person has the operation; for the others, why there is none.
COMMAND: dict[str, tuple[str, ...]] = {
    "get_overview": ("env", "list"),
    "get_environment": ("env", "show"),
    "validate": ("deploy", "validate"),
    "set_secret": ("secrets", "set"),
    "list_secrets": ("secrets", "list"),
    "remove_secret": ("secrets", "rm"),
    "rotate_master_key": ("secrets", "rotate"),
    "plan_deployment": ("deploy", "diff"),
    "start_deployment": ("deploy",),
    "get_deployment": ("deploy", "status"),
    "follow_deployment": ("deploy", "status"),
    "list_deployments": ("deploy", "history"),
    "get_analysis": ("deploy", "analysis"),
    "get_evidence": ("deploy", "validate"),
    "get_logs": ("deploy", "logs"),
    "control_deployment": ("deploy", "cancel"),
    "rollback": ("deploy", "rollback"),
    "list_approvals": ("approvals", "list"),
    "show_approval": ("approvals", "show"),
    "set_passphrase": ("auth", "passphrase"),
    "approve": ("approvals", "approve"),
    "reject": ("approvals", "reject"),
    "get_migrations": ("deploy", "migrate"),
    "contract_database": ("deploy", "migrate"),
    "set_environments": ("env", "create"),
    "delete_environment": ("env", "delete"),
    "get_access": ("auth", "status"),
    "list_people": ("auth", "people"),
    "make_first_administrator": ("init",),
    "set_person": ("auth", "add"),
    "change_roles": ("auth", "grant"),
    "remove_person": ("auth", "remove"),
    "create_token": ("auth", "token"),
    "list_tokens": ("auth", "tokens"),
    "revoke_token": ("auth", "end"),
    "list_audit": ("audit", "list"),
    "verify_audit": ("audit", "verify"),
    "accept_restore": ("audit", "accept-restore"),
    "list_notifications": ("notifications", "list"),
    "try_notification": ("notifications", "try"),
    "stop_service": ("stop",),
    "doctor": ("doctor",),
}
WITHOUT = {
    "show_plan": "deploy --plan DIGEST reads it on the way",
    "request_approval": "a deployment asks by itself; the picture says where",
    "wait_deployment": "people follow by events: deploy --wait, status --follow",
    "get_service": "doctor shows it",
    "retire_service": "asked by the client itself after an upgrade",
}


def test_every_operation_has_a_command_or_a_reason_why_not() -> None:
    assert COMMAND.keys().isdisjoint(WITHOUT)
    assert COMMAND.keys() | WITHOUT.keys() == {tool.name for tool in TOOLS}


def test_the_commands_exist() -> None:
    assert set(COMMAND.values()) <= {command.path for command in COMMANDS}


def test_each_action_on_a_deployment_is_a_command_of_its_own() -> None:
    actions = by_name("control_deployment").arguments.model_fields["action"].annotation
    assert actions is not None
    paths = {command.path for command in COMMANDS}
    assert {("deploy", action.value) for action in actions} <= paths  # type: ignore[attr-defined]


def test_names_and_routes_are_used_once() -> None:
    assert len({tool.name for tool in TOOLS}) == len(TOOLS)
    assert len({tool.rest for tool in TOOLS}) == len(TOOLS)


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_a_route_takes_its_parts_from_arguments_and_reads_only_with_get(tool: Any) -> None:
    method, path = tool.rest
    assert path.startswith("/api/")
    assert set(re.findall(r"\{(\w+)\}", path)) <= set(tool.arguments.model_fields)
    if method == "GET":
        assert tool.hints.read_only
    if method == "DELETE":
        assert tool.hints.destructive


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_what_people_can_say_more_is_all_that_differs(tool: Any) -> None:
    if tool.people is None:
        return
    more = tool.people.model_fields.keys() - tool.arguments.model_fields.keys()
    assert more <= {"confirmed", "break_glass"}
    assert issubclass(tool.people, tool.arguments)


def test_agents_have_nothing_that_sets_up_or_ends_the_service() -> None:
    assert {tool.toolset for tool in TOOLS if tool.mcp} == {"read", "deploy"}
