"""A deployment that waits for people, in a real service: who may say yes, and what else ends it."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from orchestrate.core.identity import Role
from orchestrate.store.database import Store
from tests.support.api import Problem
from tests.support.approvers import (
    Person,
    asked,
    person,
    register,
    set_passphrase,
    set_roles,
    text_of,
)
from tests.support.service import World
from tests.support.waiting import eventually
from tests.system.gates import AT_ONCE, Gate, dana, erin, gate, store

pytestmark = pytest.mark.system

__all__ = ["dana", "erin", "store"]

WORDS = "correct horse battery staple"


def me(gate: Gate) -> str:
    return str(gate.shown()["person"])


class TestAYes:
    def test_of_another_person_begins_the_deployment(self, world: World, dana: Person) -> None:
        waits = gate(world, "yes")
        assert dana.decide(world.api, waits.approval)["state"] == "approved"
        done = waits.wait()
        assert (done.phase, waits.site.serves()) == ("succeeded", "1.0.0")
        approval = done.document["approval"]
        assert isinstance(approval, dict) and approval["by"] == ["dana"]

    def test_is_needed_from_as_many_people_as_the_rule_says(
        self, world: World, dana: Person, erin: Person
    ) -> None:
        waits = gate(world, "two", count=2)
        first = dana.decide(world.api, waits.approval)
        assert (first["state"], first["needs"]["has"]) == ("waiting", 1)  # type: ignore[index,call-overload]
        erin.decide(world.api, waits.approval)
        assert waits.wait().phase == "succeeded"

    def test_that_nobody_there_can_give_is_told_where_it_is_asked_and_by_the_doctor(
        self, world: World, dana: Person
    ) -> None:
        waits = gate(world, "unmet", count=9)
        said = "of 9 others hold the role approver here; an admin gives it: orchestrate auth grant"
        asked = waits.api.call("POST", f"/api/deployments/{waits.id}/request-approval", {})
        assert said in str(asked["summary"])
        needs = waits.shown()["needs"]
        assert isinstance(needs, dict) and 1 <= int(str(needs["approvers"])) < 9
        doctor = str(waits.api.call("GET", "/api/doctor")["checks"])
        assert "approvers (unmet)" in doctor and "of 9 others hold" in doctor
        waits.api.control(waits.id, "cancel")

    def test_by_a_passphrase_counts_and_a_wrong_one_does_not(
        self, world: World, dana: Person, store: Store
    ) -> None:
        set_passphrase(store, "dana", WORDS)
        waits = gate(world, "passphrase")
        waits.refused("not_approver", lambda: waits.send(person="dana", passphrase="wrong" * 4))
        waits.refused("not_approver", lambda: waits.send(person="nobody", passphrase=WORDS))
        waits.send(person="dana", passphrase=WORDS)
        assert waits.wait().phase == "succeeded"

    def test_without_the_whole_digest_of_what_was_seen_is_none(
        self, world: World, dana: Person
    ) -> None:
        waits = gate(world, "unseen")
        whole = str(waits.shown()["plan_digest"])
        for plan, code in ((None, "invalid_input"), (whole[:19], "invalid_input"),
                           ("sha256:" + "0" * 64, "plan_changed")):  # fmt: skip
            signature = dana.sign(text_of(waits.shown()))
            waits.refused(code, lambda p=plan, s=signature: waits.send(plan=p, signature=s))
        waits.api.control(waits.id, "cancel")


@pytest.mark.trap(24)
@pytest.mark.attack(
    "AP01", "a variable is changed after the plan was approved", "refused, nothing changed"
)
def test_a_plan_that_moved_after_it_was_approved_is_not_begun(
    world: World, dana: Person, erin: Person
) -> None:
    waits = gate(world, "moved", count=2)
    dana.decide(world.api, waits.approval)
    waits.site.change(variables={"COLOUR": "red"})
    erin.decide(world.api, waits.approval)
    done = waits.wait()
    assert (done.phase, done.result) == ("failed", "plan_changed")
    assert waits.site.live_version() is None
    again = Gate(waits.site)
    assert again.approval != waits.approval, "what was approved is good for that digest alone"
    assert waits.site.running() == {}
    again.api.control(again.id, "cancel")


@pytest.mark.attack(
    "AP02", "who asks approves by the socket of the same user", "refused and recorded"
)
@pytest.mark.attack("AG03", "an agent's shell calls the approving route as its user", "refused")
def test_the_user_id_of_the_socket_approves_nothing(world: World) -> None:
    waits = gate(world, "socket")
    waits.refused("not_approver", waits.send)
    waits.refused("not_approver", lambda: waits.send(person=me(waits)))
    waits.api.control(waits.id, "cancel")


@pytest.mark.trap(23)
@pytest.mark.attack(
    "AP03", "who asks approves by a key or passphrase of their own", "refused and recorded"
)
def test_who_asked_does_not_approve_by_a_key_of_theirs_either(
    world: World, store: Store, tmp_path_factory: pytest.TempPathFactory
) -> None:
    waits = gate(world, "self")
    mine = person(tmp_path_factory.mktemp("mine"), me(waits))
    both = (Role.DEPLOYER, Role.ADMIN, Role.APPROVER)
    register(store, mine, both)
    waits.refused("self_approval", lambda: mine.decide(world.api, waits.approval))
    set_passphrase(store, mine.name, WORDS)
    waits.refused("self_approval", lambda: waits.send(person=mine.name, passphrase=WORDS))
    set_roles(store, mine, (Role.DEPLOYER, Role.ADMIN))
    waits.api.control(waits.id, "cancel")


@pytest.mark.trap(26)
@pytest.mark.attack("AP05", "nobody answers until the time is over", "expired, nothing changed")
def test_a_deployment_nobody_answers_expires(world: World, dana: Person) -> None:
    waits = gate(world, "late", expires_s=1)
    signature = dana.sign(text_of(waits.shown()))
    done = waits.wait()
    assert (done.phase, done.result) == ("expired", "approval_expired")
    assert waits.site.live_version() is None
    with pytest.raises(Problem) as late:
        waits.send(signature=signature)
    assert late.value.code == "approval_expired"
    assert waits.now().phase == "expired"


@pytest.mark.trap(27)
@pytest.mark.attack(
    "AP08", "the approver's role is taken away before the change begins", "waits again"
)
def test_a_yes_of_somebody_who_lost_the_role_counts_no_more(
    world: World, dana: Person, erin: Person, store: Store, tmp_path_factory: pytest.TempPathFactory
) -> None:
    frank = person(tmp_path_factory.mktemp("frank"), "frank")
    register(store, frank)
    waits = gate(world, "revoked", count=2)
    frank.decide(world.api, waits.approval)
    set_roles(store, frank, ())
    assert dana.decide(world.api, waits.approval)["state"] == "waiting"
    assert waits.now().phase == "awaiting_approval"
    erin.decide(world.api, waits.approval)
    assert waits.wait().phase == "succeeded"


@pytest.mark.attack(
    "AP09", "a yes is written into the database", "not counted, refused at the beginning"
)
def test_a_yes_written_past_the_service_does_not_count(world: World, dana: Person) -> None:
    waits = gate(world, "forged")
    number = int(waits.approval[1:])
    columns = "approval, decision, person, person_key, factor, credential, decided_at, mac"
    with closing(sqlite3.connect(world.home / "orchestrate.db", timeout=30)) as base, base:
        base.execute(
            f"INSERT INTO approval_decisions ({columns}) VALUES (?,'approve','dana','dana',"
            "'passphrase','passphrase','2026-01-01 00:00:00.000000',?)",
            (number, "0" * 64),
        )
        base.execute("UPDATE approvals SET state = 'approved' WHERE id = ?", (number,))
    eventually(lambda: _state(world, number) == "waiting")
    assert waits.now().phase == "awaiting_approval"
    said = world.api.call("GET", f"/api/deployments/{waits.id}/follow")
    assert "was not written by this service" in str(said)
    waits.api.control(waits.id, "cancel")


@pytest.mark.attack("AP09", "a yes is put into another mouth in the database", "counts for nobody")
def test_a_yes_that_was_put_into_another_mouth_is_nobodys(world: World, dana: Person) -> None:
    waits = gate(world, "flipped", count=2)
    dana.decide(world.api, waits.approval)
    number = int(waits.approval[1:])
    with closing(sqlite3.connect(world.home / "orchestrate.db", timeout=30)) as base, base:
        base.execute("UPDATE approval_decisions SET person = 'erin' WHERE approval = ?", (number,))
        base.execute("UPDATE approvals SET state = 'approved' WHERE id = ?", (number,))
    eventually(lambda: _state(world, number) == "waiting")
    assert waits.now().phase == "awaiting_approval"
    waits.api.control(waits.id, "cancel")


@pytest.mark.attack(
    "AP09", "the request is made to ask for nobody, in the database", "refused, failed"
)
def test_a_request_changed_past_the_service_is_not_begun(world: World, dana: Person) -> None:
    waits = gate(world, "lowered", count=2)
    number = int(waits.approval[1:])
    with closing(sqlite3.connect(world.home / "orchestrate.db", timeout=30)) as base, base:
        base.execute(
            "UPDATE approvals SET rule = replace(rule, '\"count\": 2', '\"count\": 1'),"
            " state = 'approved' WHERE id = ?",
            (number,),
        )
    done = waits.wait()
    assert (done.phase, done.result) == ("failed", "approval_invalid")
    assert waits.site.live_version() is None


@pytest.mark.trap(24)
@pytest.mark.attack("AP10", "a signature is used for another request of the same plan", "refused")
def test_a_signature_is_good_for_one_request(world: World, dana: Person) -> None:
    first = gate(world, "replayed")
    signature = dana.sign(text_of(first.shown()))
    first.api.control(first.id, "cancel")
    first.wait()
    second = Gate(first.site)
    assert second.shown()["plan_digest"] == first.shown()["plan_digest"]
    second.refused("approval_invalid", lambda: second.send(signature=signature))
    second.api.control(second.id, "cancel")


@pytest.mark.trap(25)
@pytest.mark.attack(
    "AP11", "one person says yes a hundred times at once where two must", "counted once"
)
def test_a_hundred_yeses_of_one_person_are_one(world: World, dana: Person, erin: Person) -> None:
    waits = gate(world, "hundred", count=2)
    signature = dana.sign(text_of(waits.shown()))
    plan = waits.shown()["plan_digest"]
    path = f"/api/approvals/{waits.approval}/approve"

    def send(_: int) -> object:
        return world.api.call("POST", path, {"plan": plan, "signature": signature})["state"]

    with ThreadPoolExecutor(100) as pool:
        states = set(pool.map(send, range(100)))
    assert states == {"waiting"}
    assert len(waits.shown()["decisions"]) == 1  # type: ignore[arg-type]
    assert waits.now().phase == "awaiting_approval"
    erin.decide(world.api, waits.approval)
    assert waits.wait().phase == "succeeded"
    assert _phases(world, waits.id).count("approve done") == 1


@pytest.mark.attack("AP12", "somebody approves what was rejected", "rejected")
def test_a_no_stays_a_no(world: World, dana: Person, erin: Person) -> None:
    waits = gate(world, "no", count=2)
    dana.decide(world.api, waits.approval)
    rejected = erin.decide(world.api, waits.approval, "reject", reason="not on a Friday")
    assert rejected["state"] == "rejected"
    done = waits.wait()
    assert (done.phase, done.result) == ("rejected", "approval_rejected")
    assert "not on a Friday" in str(done.error["message"])
    with pytest.raises(Problem) as late:
        erin.decide(world.api, waits.approval)
    assert late.value.code == "not_now"
    assert waits.now().phase == "rejected"


@pytest.mark.attack(
    "AP13", "a deployment that failed is started again with its approval", "asked anew"
)
def test_each_attempt_is_asked_for_anew(world: World, dana: Person) -> None:
    world.release("6.6.6", "import sys; sys.exit(3)\n")
    site = world.small("again", strategy=AT_ONCE, approvals={})
    begun = site.begin("6.6.6")
    first = asked(world.api, begun.id)
    dana.decide(world.api, first)
    assert world.api.wait(begun.id).phase in ("failed", "rolled_back")
    second = site.begin("6.6.6", force=True, reason="once more")
    assert asked(world.api, second.id) != first
    assert world.api.get(second.id).phase == "awaiting_approval"
    world.api.control(second.id, "cancel")


@pytest.mark.attack(
    "AP14", "an admin passes by the approvals alone", "waits for a second admin, marked for ever"
)
def test_breaking_the_glass_needs_a_second_admin_and_is_marked(
    world: World, dana: Person, erin: Person
) -> None:
    site = world.small("glass", strategy=AT_ONCE, approvals={"count": 5})
    with pytest.raises(Problem) as unsaid:
        site.begin("1.0.0", break_glass=" ")
    assert unsaid.value.code == "invalid_input"
    waits = Gate(site, break_glass="checkout is down")
    waits.refused("not_approver", lambda: dana.decide(world.api, waits.approval))
    erin.decide(world.api, waits.approval)
    assert waits.wait().phase == "succeeded"
    (row,) = [r for r in world.api.history("glass") if r["id"] == waits.id]
    assert row["break_glass"] == "checkout is down"
    assert "broke the glass: checkout is down" in str(row["why"])


@pytest.mark.attack("AP14", "a freeze is passed by with a reason alone", "a second admin, or not")
def test_breaking_the_glass_passes_a_freeze_once_a_second_admin_agrees(
    world: World, erin: Person
) -> None:
    always = {"zone": "UTC", "name": "sale", "start": "2000-01-01T00:00", "end": "2999-01-01T00:00"}
    site = world.small("frozen", strategy=AT_ONCE, calendar={"freezes": [always]})
    with pytest.raises(Problem) as closed:
        site.begin("1.0.0")
    assert closed.value.code == "window_closed"
    waits = Gate(site, break_glass="checkout is down")
    assert site.live_version() is None
    erin.decide(world.api, waits.approval)
    assert waits.wait().phase == "succeeded"


def test_what_was_refused_is_in_the_trail(world: World) -> None:
    waits = gate(world, "trail")
    waits.refused("not_approver", waits.send)
    waits.api.control(waits.id, "cancel")
    found = world.api.call("GET", "/api/audit?limit=50")["items"]
    assert isinstance(found, list)
    told = [(e["action"], e["subject"], e["outcome"]) for e in found if isinstance(e, dict)]
    assert ("approval.approve", waits.approval, "refused") in told
    assert ("approval.request", waits.approval, "ok") in told
    assert ("approval.withdraw", waits.approval, "ok") in told


class TestWhileItWaits:
    def test_a_cancel_ends_it_at_once(self, world: World, dana: Person) -> None:
        waits = gate(world, "cancelled")
        signature = dana.sign(text_of(waits.shown()))
        assert waits.api.control(waits.id, "cancel", reason="not today").phase == "cancelled"
        with pytest.raises(Problem) as late:
            waits.send(signature=signature)
        assert late.value.code == "not_now", "a late click is nothing"
        assert waits.shown()["state"] == "withdrawn"

    def test_nothing_else_can_be_asked_of_it(self, world: World) -> None:
        waits = gate(world, "steered")
        for action in ("pause", "promote"):
            waits.refused("not_now", lambda a=action: waits.api.control(waits.id, a))
        waits.api.control(waits.id, "cancel")

    def test_the_same_plan_again_is_the_same_deployment(self, world: World) -> None:
        waits = gate(world, "pressed")
        assert waits.site.begin("1.0.0").id == waits.id
        with pytest.raises(Problem) as busy:
            waits.site.begin("1.1.0")
        assert busy.value.code == "environment_busy"
        assert "waits for an approval" in str(busy.value.why)
        waits.api.control(waits.id, "cancel")

    def test_a_rollback_is_not_kept_out(self, world: World, dana: Person) -> None:
        site = world.small("back", strategy=AT_ONCE)
        site.live("1.0.0")
        site.live("1.1.0")
        site.change(approvals={})
        site.change(variables={"COLOUR": "red"}, approvals={})
        begun = site.begin("1.1.0")
        approval = asked(world.api, begun.id)
        back = world.api.wait(site.api.rollback("back").id)
        assert (back.phase, site.serves()) == ("succeeded", "1.0.0")
        left = world.api.wait(begun.id)
        assert (left.phase, left.result) == ("cancelled", "cancelled")
        assert "gave way to a rollback" in str(left.error["message"])
        assert world.api.call("GET", f"/api/approvals/{approval}")["state"] == "withdrawn"

    def test_its_own_time_stands_still(self, world: World, dana: Person) -> None:
        site = world.small("patient", strategy=AT_ONCE, approvals={}, timeout_s=20)
        waits = Gate(site)
        before = waits.now().document
        eventually(lambda: _passed(world, waits.id) > 2)
        dana.decide(world.api, waits.approval)
        after = waits.wait()
        assert after.phase == "succeeded"
        assert str(after.document["deadline_at"]) > str(before["deadline_at"])


def _state(world: World, number: int) -> str:
    return str(world.api.call("GET", f"/api/approvals/a{number}")["state"])


def _phases(world: World, deployment: str) -> list[str]:
    found = world.api.call("GET", f"/api/deployments/{deployment}/follow")["events"]
    assert isinstance(found, list)
    return [f"{e['step']} {e['state']}" for e in found if isinstance(e, dict)]


def _passed(world: World, deployment: str) -> float:
    found = world.api.get(deployment).document["duration_s"]
    assert isinstance(found, float | int)
    return float(found)
