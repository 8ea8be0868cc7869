"""What people read: one sentence, one title, one form, wherever it is shown."""

from datetime import UTC, datetime

import pytest

from orchestrate.core import words

pytestmark = pytest.mark.unit

OLD = {"version": "1.4.1", "key": "aa"}
NEW = {"version": "1.4.2", "key": "bb"}


@pytest.mark.parametrize(
    ("step", "title"),
    [
        ({"kind": "start", "revision": NEW, "replicas": 3}, "start 1.4.2, 3 replicas"),
        ({"kind": "start", "revision": NEW, "replicas": 1}, "start 1.4.2, 1 replica"),
        ({"kind": "await_healthy", "revision": NEW}, "wait until 1.4.2 is healthy"),
        (
            {
                "kind": "route",
                "shares": [
                    {"revision": OLD, "percent": 90},
                    {"revision": NEW, "percent": 10},
                ],
                "fallback": OLD,
            },
            "route 10%",
        ),
        (
            {"kind": "route", "shares": [{"revision": NEW, "percent": 100}], "fallback": OLD},
            "route 100%",
        ),
        (
            {"kind": "route", "shares": [{"revision": NEW, "percent": 100}], "fallback": None},
            "route all to 1.4.2",
        ),
        ({"kind": "route", "shares": [], "fallback": None}, "route 0%"),
        ({"kind": "switch", "to": NEW}, "switch to 1.4.2"),
        ({"kind": "analyse", "percent": 25}, "analyse at 25%"),
        ({"kind": "bake", "for_s": 600.0}, "bake 10m"),
        ({"kind": "drain", "revision": OLD}, "drain 1.4.1"),
        ({"kind": "stop", "revision": OLD, "keep": 0, "after_s": 0.0}, "stop 1.4.1"),
        ({"kind": "stop", "revision": OLD, "keep": 2}, "stop 1.4.1 down to 2 replicas"),
        ({"kind": "stop", "revision": OLD, "after_s": 86400.0}, "keep 1.4.1 for 24h"),
        ({"kind": "roll", "revision": NEW, "replicas": 2}, "roll to 1.4.2, 2 replicas"),
        ({"kind": "verify", "percent": 100}, "verify"),
        ({"kind": "verify", "percent": 0}, "verify before traffic"),
        ({"kind": "of_the_future"}, "of the future"),
    ],
)
def test_a_step_says_what_it_does(step: dict[str, object], title: str) -> None:
    assert words.step_title(step) == title


@pytest.mark.parametrize(
    ("phase", "result", "serving", "sentence"),
    [
        ("pending", None, None, "1.4.2 waits for its turn in production"),
        ("deploying", None, "1.4.1", "deploying 1.4.2: analyse at 10%"),
        ("succeeded", None, "1.4.2", "production serves 1.4.2, was 1.4.1"),
        ("rolled_back", "analysis_abort", "1.4.1", "production serves 1.4.1, 1.4.2 was refused"),
        ("rolled_back", "cancelled", None, "production serves 1.4.1, 1.4.2 was cancelled"),
        ("rolled_back", "edge_failed", None, "production serves 1.4.1, 1.4.2 was taken back"),
        (
            "rollback_failed",
            "edge_failed",
            None,
            "what production serves is not known, 1.4.2 could not be taken back: "
            "a person must look",
        ),
        (
            "rollback_failed",
            "step_failed",
            "1.4.2",
            "production serves 1.4.2, 1.4.2 was not taken back: a person must look",
        ),
        (
            "failed",
            "artifact_missing",
            None,
            "production still serves 1.4.1, 1.4.2 has no artifact",
        ),
        ("cancelled", "cancelled", None, "production still serves 1.4.1, 1.4.2 was cancelled"),
        ("expired", None, None, "production still serves 1.4.1, nobody approved 1.4.2 in time"),
        ("of_the_future", None, None, "production 1.4.1 -> 1.4.2: of the future"),
    ],
)
def test_a_deployment_is_one_sentence(
    phase: str, result: str | None, serving: str | None, sentence: str
) -> None:
    said = words.deployment_summary(
        kind="deploy",
        phase=phase,
        environment="production",
        from_version="1.4.1",
        to_version="1.4.2",
        serving=serving,
        result=result,
        step="analyse at 10%" if phase == "deploying" else None,
    )
    assert said == sentence


@pytest.mark.parametrize(
    ("kind", "before", "sentence"),
    [
        ("deploy", None, "dev serves 1.0.0"),
        ("deploy", "1.0.0", "dev serves 1.0.0, with changed settings"),
        ("rollback", "1.1.0", "dev serves 1.0.0 again"),
        ("retire", "1.0.0", "dev serves 1.0.0, what was kept for a rollback is stopped"),
    ],
)
def test_success_says_what_serves(kind: str, before: str | None, sentence: str) -> None:
    said = words.deployment_summary(
        kind=kind,
        phase="succeeded",
        environment="dev",
        from_version=before,
        to_version="1.0.0",
        serving="1.0.0",
        result=None,
    )
    assert said == sentence


@pytest.mark.parametrize(
    ("duration_s", "text"),
    [
        (0, "0s"),
        (0.5, "0.5s"),
        (45, "45s"),
        (600, "10m"),
        (5400, "1h 30m"),
        (86400, "24h"),
        (7 * 86400, "7d"),
    ],
)
def test_a_chosen_duration_has_no_empty_part(duration_s: float, text: str) -> None:
    assert words.length(duration_s) == text


def test_ages_and_days_read_as_people_say_them() -> None:
    now = datetime(2026, 11, 23, 14, 52, tzinfo=UTC)
    assert words.age(datetime(2026, 11, 23, 14, 51, 48, tzinfo=UTC), now) == "12s"
    assert words.age(datetime(2026, 11, 23, 12, 38, tzinfo=UTC), now) == "2h 14m"
    assert words.age(datetime(2026, 11, 17, 9, 31, tzinfo=UTC), now) == "6d"
    assert words.age(datetime(2026, 11, 23, 15, 0, tzinfo=UTC), now) == "0s"
    assert words.day(datetime(2026, 11, 23, 14, 36, tzinfo=UTC), now) == "today 14:36"
    assert words.day(datetime(2026, 11, 20, 9, 12, tzinfo=UTC), now) == "Fri 20 Nov 09:12"
    assert words.day(datetime(2025, 11, 2, 9, 12, tzinfo=UTC), now) == "2 Nov 2025 09:12"


def test_no_data_is_shown_as_no_data() -> None:
    assert words.share(0, 0) == "no data"
    assert words.share(62, 16250) == "0.38% of 16,250"


def test_an_actor_is_named_with_whom_it_acts_for() -> None:
    assert words.actor({"actor": "claude", "on_behalf_of": "lee"}) == "claude for lee"
    assert words.actor({"actor": "ci", "on_behalf_of": None}) == "ci"
    assert words.actor(None) == "-"


def test_every_phase_step_and_check_has_a_glyph() -> None:
    from orchestrate.core.deployment import Phase, StepState

    assert set(words.PHASES) == {phase.value for phase in Phase}
    assert {phase.value for phase in Phase if phase.terminal} == words.ENDED
    assert set(words.STEPS) == {state.value for state in StepState}


@pytest.mark.parametrize(
    ("approvers", "needs", "said"),
    [(1, 1, None), (3, 2, None), (0, 1, "nobody else holds the role approver or admin here"),
     (1, 3, "only 1 of 3 others hold the role approver or admin here")],
)  # fmt: skip
def test_a_request_that_nobody_there_can_meet_says_so(
    approvers: int, needs: int, said: str | None
) -> None:
    found = words.too_few(approvers, needs, ["approver", "admin"])
    assert (found or "").partition(";")[0] == (said or "")
    assert found is None or found.endswith("orchestrate auth grant PERSON --role approver")
