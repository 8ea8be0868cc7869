"""The outbox: what is told, at least once, and what counts as told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrate.core.deployment import Kind, Phase
from orchestrate.core.notification import CHOICES, Happening, Notification, Webhook
from orchestrate.engine import journal
from orchestrate.engine.notifying import Notifier
from orchestrate.engine.site import Place
from orchestrate.store import deployments, environments, outbox
from orchestrate.store.database import Store
from orchestrate.store.outbox import OutboxRow
from orchestrate.store.tables import now
from tests.support.records import deploy, environment
from tests.support.sinks import Hook, hook

pytestmark = pytest.mark.system


@pytest.fixture
def sink(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    with hook() as found:
        monkeypatch.setenv("ORCHESTRATE_ALLOW_OUTBOUND", f"127.0.0.1:{found.port}")
        yield found


@pytest.fixture
def place(tmp_path: Path, sink: Hook) -> Iterator[Place]:
    """A store whose environment `staging` tells everything to `team`, and failures to `oncall`."""
    store = Store(f"sqlite:///{tmp_path / 'store.db'}")
    store.migrate()
    settings = environment().model_copy(
        update={
            "notifications": (
                Notification(name="team", events=CHOICES, sink=Webhook(url=sink.url)),
                Notification(
                    name="oncall",
                    events=(Happening.ROLLBACK_FAILED,),
                    sink=Webhook(url=sink.url + "/oncall"),
                ),
            )
        }
    )
    with store.session() as session:
        environments.put(session, settings)
    yield Place(tmp_path, store)
    store.close()


def staging(place: Place) -> int:
    with place.store.session() as session:
        return environments.find(session, "staging").id or 0


def run(
    place: Place, *phases: Phase, kind: Kind = Kind.DEPLOY, needs_approval: bool = False
) -> int:
    """A deployment that goes through these phases."""
    identity = staging(place)
    with place.store.session() as session:
        seq = deploy(session, identity, "1.1.0", kind=kind)
        row = deployments.get(session, seq)
        row.needs_approval = needs_approval
        for phase in phases:
            deployments.set_phase(session, row, phase)
    return seq


def rows(place: Place) -> list[OutboxRow]:
    with place.store.session() as session:
        return list(outbox.newest(session, staging(place), 100))[::-1]


def due_now(place: Place) -> None:
    """Let every back-off be over."""
    with place.store.session() as session:
        for row in outbox.newest(session, staging(place), 100):
            row.next_at = now()
            session.add(row)


def send_all(place: Place) -> None:
    notifier = Notifier(place)
    while notifier.send_one():
        pass


@pytest.mark.parametrize(
    ("phases", "events"),
    [
        (
            (Phase.VALIDATING, Phase.DEPLOYING, Phase.VERIFYING, Phase.SUCCEEDED),
            ["started", "succeeded"],
        ),
        (
            (Phase.VALIDATING, Phase.AWAITING_APPROVAL, Phase.EXPIRED),
            ["started", "waiting_for_approval", "failed"],
        ),
        ((Phase.VALIDATING, Phase.AWAITING_APPROVAL, Phase.REJECTED), None),
        ((Phase.VALIDATING, Phase.FAILED), ["started", "failed"]),
        ((Phase.CANCELLING, Phase.CANCELLED), ["cancelled"]),
        (
            (Phase.VALIDATING, Phase.DEPLOYING, Phase.ROLLING_BACK, Phase.ROLLED_BACK),
            ["started", "rolled_back"],
        ),
    ],
)
def test_each_phase_is_told_once(
    place: Place, sink: Hook, phases: tuple[Phase, ...], events: list[str] | None
) -> None:
    run(place, *phases)
    send_all(place)
    wanted = events or ["started", "waiting_for_approval", "failed"]
    assert [each.body["event"] for each in sink.got] == wanted
    assert all(row.sent for row in rows(place))


def test_what_a_closed_window_keeps_out_or_holds_is_told_as_frozen(
    place: Place, sink: Hook
) -> None:
    identity = staging(place)
    with place.store.session() as session:
        kept_out = deployments.get(session, deploy(session, identity, "1.1.0"))
        deployments.set_phase(session, kept_out, Phase.VALIDATING)
        kept_out.result = "window_closed"
        deployments.set_phase(session, kept_out, Phase.FAILED)
    held = run(place, Phase.VALIDATING, Phase.DEPLOYING)
    with place.store.session() as session:
        journal.hold(session, held, "the window is closed until Mon 09:00")
    send_all(place)
    told = [(each.body["event"], each.body["phase"]) for each in sink.got]
    assert told == [
        ("started", "validating"),
        ("frozen", "failed"),
        ("started", "validating"),
        ("frozen", "deploying"),
    ]


def test_a_rollback_by_hand_is_told_as_one(place: Place, sink: Hook) -> None:
    phases = (Phase.VALIDATING, Phase.DEPLOYING, Phase.VERIFYING, Phase.SUCCEEDED)
    run(place, *phases, kind=Kind.ROLLBACK)
    send_all(place)
    assert [each.body["event"] for each in sink.got] == ["started", "rolled_back"]


@pytest.mark.parametrize("asked", [True, False])
def test_a_clearing_up_is_told_only_where_people_are_asked_about_it(
    place: Place, sink: Hook, asked: bool
) -> None:
    phases = (Phase.VALIDATING, Phase.AWAITING_APPROVAL, Phase.REJECTED)
    run(place, *phases, kind=Kind.RETIRE, needs_approval=asked)
    send_all(place)
    wanted = ["started", "waiting_for_approval", "failed"] if asked else []
    assert [each.body["event"] for each in sink.got] == wanted


def test_what_nobody_chose_is_not_told(place: Place, sink: Hook) -> None:
    run(place, Phase.VALIDATING, Phase.DEPLOYING, Phase.ROLLING_BACK, Phase.ROLLBACK_FAILED)
    send_all(place)
    told = [each.body["event"] for each in sink.got if each.path.endswith("/oncall")]
    assert told == ["rollback_failed"]


def test_a_message_whose_deployment_was_not_recorded_is_none(place: Place) -> None:
    identity = staging(place)
    with pytest.raises(RuntimeError, match="the disk"), place.store.session() as session:
        row = deployments.get(session, deploy(session, identity, "1.1.0"))
        deployments.set_phase(session, row, Phase.VALIDATING)
        raise RuntimeError("the disk")
    assert rows(place) == []


@pytest.mark.trap(61)
def test_a_sink_that_fails_gets_it_later_and_the_same_one(place: Place, sink: Hook) -> None:
    sink.answers = [(503, {}), (500, {})]
    run(place, Phase.VALIDATING)
    for attempt in (1, 2):
        send_all(place)
        (row,) = rows(place)
        assert (row.sent, row.done_at, row.attempts) == (False, None, attempt)
        assert row.problem == "the webhook answered 5xx"
        assert row.next_at > now(), "it does not come again at once"
        due_now(place)
    send_all(place)
    (row,) = rows(place)
    assert (row.sent, row.attempts, row.problem) == (True, 3, None)
    assert len({each.headers["x-orchestrate-delivery"] for each in sink.got}) == 1


def test_the_pause_grows_and_is_never_shorter_than_the_sink_asked(place: Place, sink: Hook) -> None:
    sink.answers = [(503, {}), (503, {}), (429, {"retry-after": "900"})]
    run(place, Phase.VALIDATING)
    pauses: list[float] = []
    for _ in range(3):
        due_now(place)
        before = now()
        send_all(place)
        pauses.append((rows(place)[0].next_at - before).total_seconds())
    assert pauses[0] == pytest.approx(5, abs=4)
    assert pauses[1] == pytest.approx(10, abs=4)
    assert pauses[2] == pytest.approx(900, abs=4)


def test_after_a_day_it_is_given_up_and_says_why(place: Place, sink: Hook) -> None:
    sink.answers = [(503, {})]
    run(place, Phase.VALIDATING)
    with place.store.session() as session:
        (row,) = outbox.newest(session, staging(place), 1)
        row.created_at = now() - timedelta(hours=25)
        session.add(row)
    send_all(place)
    (row,) = rows(place)
    assert (row.sent, row.problem) == (False, "the webhook answered 5xx")
    assert row.done_at is not None


def test_one_message_that_fails_keeps_no_other_waiting(place: Place, sink: Hook) -> None:
    sink.answers = [(503, {})]
    run(place, Phase.VALIDATING, Phase.FAILED)
    send_all(place)
    assert [(row.event, row.sent) for row in rows(place)] == [("started", False), ("failed", True)]


def test_a_sender_that_died_is_replaced_after_its_lease(place: Place, sink: Hook) -> None:
    run(place, Phase.VALIDATING)
    with place.store.session() as session:
        assert outbox.claim(session) is not None  # and then kill -9
    send_all(place)
    assert sink.got == [], "the dead sender still holds it"
    due_now(place)
    send_all(place)
    assert [each.body["event"] for each in sink.got] == ["started"]


def test_of_two_senders_each_message_goes_to_one(place: Place, sink: Hook) -> None:
    for _ in range(5):
        run(place, Phase.CANCELLING, Phase.CANCELLED)
    senders = [threading.Thread(target=send_all, args=(place,)) for _ in range(2)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert len(sink.got) == 5
    assert len({each.headers["x-orchestrate-delivery"] for each in sink.got}) == 5


def test_a_notification_that_was_taken_out_is_given_up(place: Place, sink: Hook) -> None:
    run(place, Phase.VALIDATING)
    with place.store.session() as session:
        environments.put(session, environment())
    send_all(place)
    (row,) = rows(place)
    assert row.done_at is not None and not row.sent
    assert row.problem == "staging has no notification team any more"
