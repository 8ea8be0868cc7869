"""Roles, scopes and tokens through the doors of a real service, and what the trail says of it."""

import os
import re
from pathlib import Path
from typing import Any

import pytest

from orchestrate.core.identity import Principal, Role
from orchestrate.tools import TOOLS
from tests.support.api import Json, Problem
from tests.support.approvers import person
from tests.support.office import Office
from tests.support.ports import free_port
from tests.support.remote import Answer, Remote
from tests.support.service import world as a_world
from tests.support.waiting import eventually

pytestmark = pytest.mark.system


ROLES = tuple(Role)
every_tool = pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)


def call(tool: Any, remote: Remote, arguments: dict[str, object]) -> Answer:
    """Call an operation by its route."""
    method, path = tool.rest
    rest = dict(arguments)
    for name in list(rest):
        if f"{{{name}}}" in path:
            path = path.replace(f"{{{name}}}", str(rest.pop(name)))
    path = (
        path.replace("{environment}", "x").replace("{deployment}", "d0").replace("{plan}", "0" * 8)
    )
    for left in ("{action}", "{person}", "{token}", "{approval}", "{request}", "{name}"):
        path = path.replace(left, "cancel" if left == "{action}" else "x")
    if method == "POST":
        return remote.call(method, path, rest)
    query = "&".join(f"{name}={value}" for name, value in rest.items())
    return remote.call(method, f"{path}?{query}" if query else path)


@pytest.mark.attack(
    "ID01", "every operation with a token of every role", "what is above it is refused"
)
@pytest.mark.parametrize("role", ROLES)
@every_tool
def test_an_operation_is_done_for_its_role_and_refused_below(
    office: Office, tool: Any, role: Role
) -> None:
    # An argument that nothing knows: whoever is let in is told so, and nothing is done.
    answer = call(tool, office.remotes[role], {"no_such_argument": "1"})
    allowed = Principal("x", "x", roles=frozenset({role})).may(tool.role)
    assert answer.status < 500
    assert (answer.code != "forbidden") == allowed, (tool.name, role, answer)
    if not allowed:
        assert answer.status == 403


def test_what_was_refused_is_in_the_trail_with_who_asked(office: Office) -> None:
    answer = office.remotes[Role.VIEWER].call("POST", "/api/people", {"person": "mallory"})
    found = answer.document["error"]
    assert isinstance(found, dict)
    assert found["fix"] == ["an admin grants it: orchestrate auth grant PERSON --role admin"]
    newest = office.trail(action="call.set_person", outcome="refused")[0]
    assert (newest["actor"], newest["request_id"]) == ("vic", found["request_id"])
    assert newest["details"] == {
        "credential": f"token:{str(office.remotes[Role.VIEWER].token)[5:14]}",
        "door": "http",
        "error": "forbidden",
    }


def test_a_decision_that_was_refused_is_told_by_its_request(office: Office) -> None:
    given = {"plan": "0" * 64}
    answer = office.remotes[Role.VIEWER].call("POST", "/api/approvals/a424242/approve", given)
    assert answer.status == 404
    assert office.trail(action="call.approve", outcome="refused")[0]["subject"] == "a424242"


def test_the_trail_since_a_second_has_all_of_that_second(office: Office) -> None:
    newest = office.trail(limit="1")[0]
    second = str(newest["at"])[:19]
    assert newest["seq"] in [each["seq"] for each in office.trail(since=f"{second}Z")]


SCOPED = [t for t in TOOLS if {"environment", "deployment", "plan"} & set(t.arguments.model_fields)]


@pytest.mark.attack(
    "ID02", "a token for one environment with the ids of another", "404, as if unknown"
)
@pytest.mark.parametrize("tool", SCOPED, ids=lambda tool: tool.name)
def test_what_lies_outside_a_scope_answers_like_what_is_unknown(
    office: Office, places: dict[str, str], tool: Any
) -> None:
    unknown = {"environment": "nairobi", "deployment": "d424242", "plan": "0123456789ab"}
    fields = set(tool.arguments.model_fields)
    more: dict[str, object] = {"action": "cancel"} if "action" in fields else {}
    if {"name", "value"} <= fields:
        more["value"] = "a value that is long enough"
    if "name" in fields:
        more["name"] = "API_KEY"
    if "confirm" in fields:
        more["confirm"] = "tokyo"
    for name in fields & places.keys():
        remote = office.remote("lee", tool.role.value if tool.role != Role.APPROVER else "viewer",
                               environments=["shop/berlin"])  # fmt: skip
        real = call(tool, remote, {name: places[name], **more})
        none = call(tool, remote, {name: unknown[name], **more})
        assert real.status == none.status == 404, (tool.name, real)
        assert shape(real, places[name]) == shape(none, unknown[name])


def shape(answer: Answer, name: str) -> Json:
    """What is told, with the name that was asked for blotted out."""
    told = answer.told
    return {key: re.sub(rf"\b{name}\b", "*", str(value)) for key, value in told.items()}


def test_lists_show_what_lies_within_a_scope_alone(office: Office, places: dict[str, str]) -> None:
    here = office.remote("lee", "admin", environments=["berlin"])
    overview = here.call("GET", "/api/overview").document["items"]
    assert isinstance(overview, list)
    assert [row["name"] for row in overview if isinstance(row, dict)] == ["berlin"]
    assert here.call("GET", "/api/deployments").document["items"] == []
    assert "tokyo" not in str(here.call("GET", "/api/doctor").document)


@pytest.mark.attack(
    "ID02", "an administrator of one environment lists and ends tokens of others", "as if unknown"
)
def test_tokens_outside_a_scope_are_nobodys_affair_there(office: Office) -> None:
    here = office.remote("lee", "admin", environments=["berlin"])
    inside = office.remote("dana", "deployer", environments=["shop/berlin"])
    outside = office.remotes[Role.APPROVER]
    ids = {name: str(each.token)[5:14] for name, each in (("in", inside), ("out", outside))}
    listed = str(here.call("GET", "/api/tokens?everybody=true").document["items"])
    assert ids["in"] in listed and ids["out"] not in listed
    answer = here.call("DELETE", f"/api/tokens/{ids['out']}")
    assert (answer.status, answer.code) == (404, "unknown_token")
    assert outside.call("GET", "/api/access").status == 200
    assert here.call("DELETE", f"/api/tokens/{ids['in']}").status == 200
    assert inside.call("GET", "/api/access").status == 401


@pytest.mark.attack(
    "ID02", "an environment outside the scope is set", "404, and nothing is changed"
)
def test_nothing_is_set_outside_a_scope(office: Office, places: dict[str, str]) -> None:
    here = office.remote("lee", "admin", environments=["berlin"])
    settings = {**office.world.sites["tokyo"].settings, "variables": {"OWNED": "yes"}}
    answer = here.call("POST", "/api/environments", {"environments": [settings]})
    assert (answer.status, answer.code) == (404, "unknown_environment")
    assert "OWNED" not in str(office.api.call("GET", "/api/environments/tokyo?include=settings"))


@pytest.mark.attack(
    "ID02", "what a change outside the scope would do is asked", "404, as if unknown"
)
def test_a_change_outside_a_scope_is_not_even_described(
    office: Office, places: dict[str, str]
) -> None:
    here = office.remote("lee", "admin", environments=["berlin"])
    settings = {**office.world.sites["tokyo"].settings, "variables": {"OWNED": "yes"}}
    for dry_run in (True, False):
        answer = here.call(
            "POST", "/api/environments", {"environments": [settings], "dry_run": dry_run}
        )
        assert (answer.status, answer.code) == (404, "unknown_environment"), answer
    fresh = {**settings, "name": "nairobi"}
    answer = here.call("POST", "/api/environments", {"environments": [fresh], "dry_run": True})
    assert (answer.status, answer.code) == (404, "unknown_environment"), answer


@pytest.mark.attack("ID01", "a viewer from elsewhere retires the service", "refused")
def test_a_service_is_retired_on_its_own_machine_alone(office: Office) -> None:
    said = office.remotes[Role.VIEWER].call("POST", "/api/service/retire", {"version": "9"})
    assert (said.status, said.code) == (403, "forbidden"), said
    own = str(office.api.call("GET", "/api/service")["version"])
    with pytest.raises(Problem) as caught:
        office.api.call("POST", "/api/service/retire", {"version": own})
    assert caught.value.code == "invalid_input"
    assert office.api.alive()


def test_a_secret_that_the_application_now_gets_is_told_as_a_change(
    office: Office, places: dict[str, str]
) -> None:
    office.api.call(
        "POST",
        "/api/secrets",
        {"environment": "berlin", "name": "NEWLY_NAMED", "value": "a value that is long enough"},
    )
    told = office.trail(action="environment.name_secret")[0]
    assert "NEWLY_NAMED" in str(told)


@pytest.mark.attack("ID07", "a service that was just started is asked with no, empty and usual "
                    "credentials", "nobody is let in")  # fmt: skip
def test_there_is_no_account_before_somebody_made_one() -> None:
    port = free_port()
    with a_world("--http", f"127.0.0.1:{port}") as world:
        for token in (None, "", "admin", "orchestrate", "orca_" + "0" * 58):
            answer = Remote(port, token).call("GET", "/api/access")
            assert (answer.status, answer.code) == (401, "unauthenticated")
        for path in ("/api/overview", "/api/first-administrator", "/", "/docs"):
            assert Remote(port).call("GET", path).status == 401
        assert world.api.call("GET", "/api/people")["items"] == []
        tokens = world.api.call("GET", "/api/tokens?everybody=true&ended=true")
        assert tokens["items"] == []


@pytest.mark.attack("ID07", "a second first administrator", "refused")
def test_the_first_administrator_is_made_once(office: Office) -> None:
    with pytest.raises(Problem) as caught:
        office.api.call("POST", "/api/first-administrator", {"person": "mallory"})
    assert caught.value.code == "not_now"
    answer = office.remotes[Role.ADMIN].call("POST", "/api/first-administrator", {"person": "m"})
    assert answer.code == "not_now"


@pytest.mark.parametrize("name", ["people/lee", "people/lee/roles"])
def test_the_last_administrator_stays(office: Office, name: str) -> None:
    with pytest.raises(Problem) as caught:
        if name.endswith("roles"):
            office.api.call("POST", f"/api/{name}", {"revoke": ["admin"]})
        else:
            office.api.call("DELETE", f"/api/{name}")
    assert caught.value.code == "last_administrator"
    assert office.api.call("GET", "/api/access")["roles"] == ["admin"]


def test_the_last_administrator_is_not_locked_out_by_what_was_left_out() -> None:
    with a_world() as world:
        world.api.call("POST", "/api/first-administrator", {"person": "lee"})
        again: Json = {"person": "lee", "roles": ["admin", "approver"]}
        with pytest.raises(Problem) as caught:
            world.api.call("POST", "/api/people", again)
        assert caught.value.code == "last_administrator"
        assert "--uid" in caught.value.fix[0]
        assert world.api.call("GET", "/api/access")["roles"] == ["admin"]
        world.api.call("POST", "/api/people", {**again, "uids": [os.geteuid()]})
        world.api.call("POST", "/api/tokens", {"role": "admin"})
        world.api.call("POST", "/api/people", again)


def test_who_is_removed_has_nothing_left(office: Office) -> None:
    office.api.call("POST", "/api/people", {"person": "temp", "roles": ["deployer"]})
    remote = office.remote("temp", "deployer")
    assert remote.call("GET", "/api/access").status == 200
    office.api.call("DELETE", "/api/people/temp")
    assert remote.call("GET", "/api/access").status == 401
    assert [each["action"] for each in office.trail(subject="person:temp")] == [
        "person.remove",
        "person.set",
    ]


@pytest.mark.attack("ID09", "one user or key is linked to a second person", "refused")
def test_a_user_and_a_key_are_one_persons(office: Office) -> None:
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl x"
    office.api.call("POST", "/api/people", {"person": "kay", "roles": ["approver"], "keys": [key]})
    for body in ({"uids": [os.geteuid()]}, {"keys": [key]}):
        with pytest.raises(Problem) as caught:
            office.api.call("POST", "/api/people", {"person": "twin", **body})
        assert "already" in caught.value.message


@pytest.mark.parametrize(
    ("kind", "bits"), [("ed25519", None), ("ecdsa", 384), ("ecdsa", 521), ("rsa", 2048)]
)
def test_any_key_that_can_approve_is_taken(
    office: Office, tmp_path: Path, kind: str, bits: int | None
) -> None:
    kay = person(tmp_path, f"kay-{kind}-{bits or 0}", kind, bits)
    added = office.api.call("POST", "/api/people", {"person": kay.name, "keys": [kay.public_key]})
    assert added["person"]["keys"] == [kay.fingerprint]  # type: ignore[index,call-overload]


@pytest.mark.parametrize(
    ("line", "said"),
    [("ssh-ed25519 AAAA", "cut short"), ("ssh-dss AAAA", "cut short"), ("x", "in base64")],
)
def test_a_key_that_could_never_approve_is_refused_when_it_is_given(
    office: Office, line: str, said: str
) -> None:
    with pytest.raises(Problem) as caught:
        office.api.call("POST", "/api/people", {"person": "kay", "keys": [line]})
    assert caught.value.code == "invalid_input" and said in caught.value.why[0]


def test_a_key_that_is_too_small_is_refused_when_it_is_given(
    office: Office, tmp_path: Path
) -> None:
    weak = person(tmp_path, "kay", "rsa", 1024).public_key
    with pytest.raises(Problem) as caught:
        office.api.call("POST", "/api/people", {"person": "kay", "keys": [weak]})
    assert "2048 bits" in caught.value.why[0]


@pytest.mark.attack(
    "DO05", "a storm of deployments, a person's and their agent's", "refused; a rollback goes"
)
def test_a_storm_of_deployments_is_refused_and_a_rollback_is_not(office: Office) -> None:
    site = office.world.small(
        "calm", strategy={"type": "recreate"}, limits={"deployments_per_hour": 2}
    )
    for version in ("1.0.0", "1.1.0"):
        site.live(version)
    plan = str(office.api.plan("calm", "1.0.0")["digest"])
    with pytest.raises(Problem) as caught:
        office.api.start(plan)
    assert (caught.value.status, caught.value.code) == (429, "rate_limited")
    agent = office.remote("lee", "deployer", agent="claude")
    assert agent.call("POST", "/api/deployments", {"plan": plan}).status == 429
    newest = office.trail(action="call.start_deployment", outcome="refused")
    assert [each["actor"] for each in newest[:2]] == ["claude", "lee"]
    assert (
        office.remotes[Role.DEPLOYER].call("POST", "/api/deployments", {"plan": plan}).status == 200
    )
    eventually(lambda: office.api.history("calm")[0]["phase"] == "succeeded", within_s=60)
    back = office.api.rollback("calm")
    assert office.api.wait(back.id).phase == "succeeded"


def test_each_deployment_is_in_the_trail_from_its_start_to_its_end(
    office: Office, places: dict[str, str]
) -> None:
    found = office.trail(subject=places["deployment"], action="deployment")
    assert found[0]["action"] == "deployment.end" and found[-1]["action"] == "deployment.start"
    start = found[-1]
    assert isinstance(start["details"], dict)
    assert (start["actor"], start["person"]) == ("lee", "lee")
    assert start["details"]["environment"] == "shop/tokyo" and start["request_id"]
    assert {"deployment.phase"} == {each["action"] for each in found[1:-1]}


def test_a_changed_environment_is_told_with_what_changed_and_no_variables_value(
    office: Office,
) -> None:
    site = office.world.small("told", strategy={"type": "recreate"})
    site.change(variables={"PLANTED": "aValueNotForTheTrail"}, timeout_s=77)
    newest = office.trail(subject="shop/told")[0]
    assert newest["action"] == "environment.change"
    assert newest["details"] == {
        "changes": [
            {"field": "variables", "names": ["PLANTED"]},
            {"field": "timeout_s", "before": "1800.0", "after": "77.0"},
        ],
        "credential": "socket",
        "door": "rest",
    }
    assert "aValueNotForTheTrail" not in str(office.trail())
