"""Tokens through the doors of a real service: never wider than who made them, and ended at once."""

import os
import threading
import time

import pytest

from orchestrate.core.identity import Role
from tests.support.api import Problem
from tests.support.office import Office
from tests.support.remote import Answer, Remote
from tests.support.service import world as a_world
from tests.support.waiting import eventually

pytestmark = pytest.mark.system


@pytest.mark.attack("ID03", "a deployer's token makes one that is wider or lives longer", "refused")
@pytest.mark.parametrize(
    "more",
    [
        {"role": "admin"},
        {"role": "approver"},
        {"role": "deployer", "environments": ["tokyo"]},
        {"role": "deployer", "environments": ["depot/berlin"]},
        {"role": "deployer", "expires_s": 86400 * 60},
        {"role": "viewer", "person": "lee"},
        {"role": "approver", "agent": "claude"},
    ],
    ids=str,
)
def test_a_token_is_never_wider_than_what_it_is_made_with(
    office: Office, more: dict[str, object]
) -> None:
    mine = office.remote("dana", "deployer", environments=["shop/berlin"], expires_s=86400)
    answer = mine.call("POST", "/api/tokens", more)
    assert (answer.status, answer.code) == (403, "forbidden"), answer


def test_a_token_made_with_another_has_its_scope_and_its_end(office: Office) -> None:
    mine = office.remote("dana", "deployer", environments=["berlin"], expires_s=3600)
    made = mine.call("POST", "/api/tokens", {"role": "viewer"}).document["about"]
    assert isinstance(made, dict)
    assert (made["environments"], made["parent"]) == (["berlin"], str(mine.token)[5:14])
    tokens = mine.call("GET", "/api/tokens").document["items"]
    assert isinstance(tokens, list)
    ends = {t["id"]: t["expires_at"] for t in tokens if isinstance(t, dict)}
    assert ends[made["id"]] == ends[made["parent"]]


@pytest.mark.attack("ID03", "an agent makes a token", "refused")
def test_an_agent_makes_no_tokens(office: Office) -> None:
    agent = office.remote("dana", "deployer", agent="claude")
    assert agent.call("GET", "/api/access").document["kind"] == "agent"
    assert agent.call("POST", "/api/tokens", {"role": "viewer"}).status == 403


@pytest.mark.attack(
    "ID09", "an agent uses its token at the door for programs", "it is an agent there too"
)
def test_an_agent_is_one_at_every_door(office: Office, places: dict[str, str]) -> None:
    agent = office.remote("dana", "deployer", agent="claude")
    body = {"plan": places["plan"], "confirmed": True}
    said = agent.call("POST", "/api/deployments", body)
    assert (said.status, said.code) == (400, "invalid_input"), said
    assert "confirmed" in str(said.document)
    said = agent.call("POST", "/api/environments/tokyo/contract", {})
    assert (said.status, said.code) == (403, "forbidden"), said
    assert "contract_database is for people" in str(said.document)


@pytest.mark.attack(
    "ID03", "an administrator of one environment makes a token on the socket", "no wider"
)
def test_whoever_is_limited_makes_nothing_wider_without_a_token() -> None:
    with a_world() as world:
        api = world.api
        api.call("POST", "/api/first-administrator", {"person": "lee"})
        for body in (
            {"person": "ann", "roles": ["admin"], "uids": [os.geteuid() + 1]},
            {"person": "eve", "roles": ["deployer"]},
            {
                "person": "lee",
                "roles": ["admin"],
                "environments": ["berlin"],
                "uids": [os.geteuid()],
            },
        ):
            api.call("POST", "/api/people", body)
        mine = {"role": "deployer", "person": "eve"}
        made = api.call("POST", "/api/tokens", mine)["about"]
        assert isinstance(made, dict)
        assert made["environments"] == ["berlin"]
        with pytest.raises(Problem) as caught:
            api.call("POST", "/api/tokens", {**mine, "environments": ["tokyo"]})
        assert caught.value.code == "forbidden"


@pytest.mark.attack("ID08", "a viewer lists tokens and people", "nothing in them can be used")
def test_lists_of_tokens_and_people_hold_nothing_to_use(office: Office) -> None:
    viewer = office.remotes[Role.VIEWER]
    mine = viewer.call("GET", "/api/tokens?everybody=true").document["items"]
    assert isinstance(mine, list)
    assert {t["person"] for t in mine if isinstance(t, dict)} == {"vic"}
    said = str(viewer.call("GET", "/api/people").document) + str(mine)
    secrets = [str(remote.token)[14:] for remote in office.remotes.values()]
    assert not any(secret in said for secret in secrets)
    stranger = viewer.call("DELETE", f"/api/tokens/{str(office.remotes[Role.ADMIN].token)[5:14]}")
    nobodys = viewer.call("DELETE", "/api/tokens/abcdefghi")
    assert (stranger.status, nobodys.status) == (404, 404)


@pytest.mark.attack(
    "ID04", "a token is revoked while its request is held open", "401 within seconds"
)
def test_an_open_request_ends_when_its_token_is_revoked(office: Office) -> None:
    slow = office.world.small("slow", strategy={"type": "blue-green", "bake_s": 90})
    slow.deploy("1.0.0", strategy="recreate")
    baking = office.api.begin("slow", "1.1.0").id
    eventually(lambda: office.api.get(baking).phase == "verifying" or _bakes(office, baking))
    remote = office.remote("dana", "viewer")
    answers: list[tuple[float, Answer]] = []

    def wait() -> None:
        found = remote.call("GET", f"/api/deployments/{baking}/wait?timeout_s=50")
        answers.append((time.monotonic(), found))

    waiting = threading.Thread(target=wait)
    waiting.start()
    eventually(lambda: _used(office, remote))
    revoked = time.monotonic()
    office.api.call("DELETE", f"/api/tokens/{str(remote.token)[5:14]}")
    waiting.join(timeout=60)
    (at, answer) = answers[0]
    assert answer.status == 401
    assert at - revoked < 20, "seconds, and not when its time was up"
    assert remote.call("GET", "/api/access").status == 401
    office.api.control(baking, "cancel")
    office.api.wait(baking)


def _bakes(office: Office, seq: str) -> bool:
    return any(state == "running" for state in office.api.get(seq).steps.values())


def _used(office: Office, remote: Remote) -> bool:
    items = office.api.call("GET", "/api/tokens?everybody=true")["items"]
    assert isinstance(items, list)
    found = [t for t in items if isinstance(t, dict) and t["id"] == str(remote.token)[5:14]]
    return found[0]["used_on"] is not None
