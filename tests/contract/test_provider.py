"""What every provider promises, whatever it runs on. `platform` is one environment of it."""

from __future__ import annotations

import threading
from collections import Counter

import pytest

from orchestrate.core.errors import (
    ArtifactMissing,
    FencedOut,
    OrchestrateError,
    VersionMalformed,
)
from orchestrate.core.protocols import Provider, Replica, Rolling, Write
from orchestrate.core.steps import Share
from tests.support.local import ask
from tests.support.platform import Platform, needs
from tests.support.waiting import eventually

pytestmark = [pytest.mark.contract, pytest.mark.system]


def states(provider: Provider, key: str) -> list[str]:
    return [replica.state for replica in provider.observe().replicas(key)]


def gone(platform: Platform, key: str) -> bool:
    return all(r.revision.key != key for r in platform.provider.observe().running)


class TestStart:
    def test_runs_the_replicas_and_leaves_the_traffic(self, platform: Platform) -> None:
        revision = platform.pinned("1.0.0")
        platform.up(revision, 2)
        seen = platform.provider.observe()
        assert [r.number for r in seen.replicas(revision.key)] == [0, 1]
        assert states(platform.provider, revision.key) == ["running", "running"]
        assert seen.running[0].revision == revision.ref
        assert seen.running[0].wanted == 2
        assert seen.shares == ()

    def test_of_the_same_write_again_starts_nothing_twice(self, platform: Platform) -> None:
        revision = platform.pinned("1.0.0")
        write = platform.write()
        platform.provider.start(revision, 2, write)
        eventually(lambda: len(platform.copies(revision)) == 2)
        before = platform.copies(revision)
        platform.another().start(revision, 2, write)
        assert platform.copies(revision) == before
        assert platform.effects(revision).count("started") == 2

    def test_of_more_replicas_keeps_those_that_run(self, platform: Platform) -> None:
        revision = platform.up(platform.pinned("1.0.0"), 1)
        before = platform.copies(revision)
        platform.up(revision, 3)
        assert set(before) < set(platform.copies(revision))
        assert len(platform.copies(revision)) == 3

    def test_of_a_second_revision_leaves_the_first(self, platform: Platform) -> None:
        first = platform.up(platform.pinned("1.0.0"), 1)
        second = platform.up(platform.pinned("1.1.0"), 1)
        assert states(platform.provider, first.key) == ["running"]
        assert states(platform.provider, second.key) == ["running"]

    @needs("shows_exits")
    def test_of_a_program_that_exits_is_told_with_its_code(self, platform: Platform) -> None:
        revision = platform.pinned("1.2.0")
        platform.provider.start(revision, 1, platform.write())

        def failed() -> Replica | None:
            found = platform.provider.observe().replicas(revision.key)
            return next((r for r in found if r.state == "exited" and r.restarts > 0), None)

        replica = eventually(failed)
        assert replica.exit_code == 7
        assert replica.reason is not None and "exited with code 7" in replica.reason
        assert "no settings" in [line.text for line in platform.provider.logs(revision.ref, 10)]


class TestRoute:
    @pytest.mark.trap(35)
    def test_is_followed_by_every_request_once_it_returns(self, platform: Platform) -> None:
        old = platform.up(platform.pinned("1.0.0"), 2)
        new = platform.up(platform.pinned("1.1.0"), 2)
        for revision in (old, new, old, new):
            platform.route((revision, 100))
            assert platform.served() == {revision.version}

    @pytest.mark.trap(39)
    @needs("answers_requests", "exact_percents")
    def test_divides_by_percent(self, platform: Platform) -> None:
        old = platform.up(platform.pinned("1.0.0"), 2)
        new = platform.up(platform.pinned("1.1.0"), 2)
        platform.route((old, 75), (new, 25))
        counted = Counter(platform.ask().version for _ in range(400))
        assert counted["1.1.0"] == pytest.approx(100, abs=12)
        assert counted["1.0.0"] + counted["1.1.0"] == 400

    def test_is_observed_by_another_process(self, platform: Platform) -> None:
        old = platform.up(platform.pinned("1.0.0"), 1)
        new = platform.up(platform.pinned("1.1.0"), 1)
        platform.route((old, 50), (new, 50), fallback=None)
        seen = platform.another().observe()
        assert seen.shares == (
            Share(revision=old.ref, percent=50),
            Share(revision=new.ref, percent=50),
        )
        assert seen.write == platform.number
        platform.route((new, 100))
        assert platform.another().observe().shares == (Share(revision=new.ref, percent=100),)

    @needs("exact_percents")
    def test_is_observed_as_it_was_asked_for_to_the_percent(self, platform: Platform) -> None:
        old = platform.up(platform.pinned("1.0.0"), 1)
        new = platform.up(platform.pinned("1.1.0"), 1)
        for percent in (1, 10, 99):
            platform.route((old, 100 - percent), (new, percent))
            seen = platform.another().observe()
            assert (seen.percent(old.key), seen.percent(new.key)) == (100 - percent, percent)

    @needs("serves_fallback")
    def test_shows_its_fallback(self, platform: Platform) -> None:
        old = platform.up(platform.pinned("1.0.0"), 1)
        new = platform.up(platform.pinned("1.1.0"), 1)
        platform.route((new, 100), fallback=old)
        assert platform.another().observe().fallback == old.ref

    @needs("answers_requests", "first_replicas")
    def test_to_the_first_replicas_only(self, platform: Platform) -> None:
        revision = platform.up(platform.pinned("1.0.0"), 3)
        shares = [Share(revision=revision.ref, percent=100, replicas=2)]
        platform.provider.route(shares, None, platform.write())
        answering = {str(platform.ask().body["pid"]) for _ in range(30)}
        assert answering == set(platform.copies(revision)[:2])
        assert platform.provider.observe().shares == tuple(shares)

    def test_to_nothing_answers_nothing(self, platform: Platform) -> None:
        platform.live("1.0.0", 1)
        platform.route()
        assert platform.served() == set()
        assert platform.provider.observe().shares == ()

    def test_to_a_revision_that_does_not_run_is_refused(self, platform: Platform) -> None:
        live = platform.live("1.0.0", 1)
        with pytest.raises(OrchestrateError, match=r"1\.1\.0"):
            platform.route((platform.pinned("1.1.0"), 100))
        assert platform.served() == {live.version}

    @needs("answers_requests", "serves_fallback")
    def test_falls_back_when_no_replica_of_the_shares_answers(self, platform: Platform) -> None:
        old = platform.up(platform.pinned("1.0.0"), 1)
        new = platform.pinned("1.2.0")
        platform.provider.start(new, 1, platform.write())
        platform.route((new, 100), fallback=old)
        eventually(lambda: platform.ask().version == old.version)


class TestScaleAndStop:
    def test_scale_ends_the_rest(self, platform: Platform) -> None:
        revision = platform.live("1.0.0", 3)
        before = platform.copies(revision)
        platform.provider.scale(revision.ref, 1, platform.write())
        eventually(lambda: len(platform.copies(revision)) == 1)
        assert set(platform.copies(revision)) < set(before)
        assert platform.provider.observe().running[0].wanted == 1
        assert platform.served() == {"1.0.0"}

    def test_scale_to_more_than_there_are_starts_nothing(self, platform: Platform) -> None:
        revision = platform.live("1.0.0", 1)
        platform.provider.scale(revision.ref, 3, platform.write())
        assert platform.provider.observe().running[0].wanted == 1
        assert len(platform.copies(revision)) == 1

    @needs("orders_replicas", "answers_requests")
    def test_scale_keeps_the_lowest_numbers(self, platform: Platform) -> None:
        revision = platform.live("1.0.0", 3)
        before = platform.copies(revision)
        platform.provider.scale(revision.ref, 1, platform.write())
        eventually(lambda: platform.copies(revision) == before[:1])
        assert {str(platform.ask().body["pid"]) for _ in range(10)} == set(before[:1])

    def test_stop_ends_all_and_only_these(self, platform: Platform) -> None:
        old = platform.live("1.0.0", 2)
        new = platform.up(platform.pinned("1.1.0"), 1)
        platform.route((new, 100))
        platform.provider.stop(old.ref, platform.write())
        eventually(lambda: gone(platform, old.key))
        assert states(platform.provider, new.key) == ["running"]
        assert platform.served() == {new.version}

    @needs("serves_stopped")
    def test_stop_of_a_revision_with_traffic_takes_it_out_first(self, platform: Platform) -> None:
        old = platform.live("1.0.0", 1)
        new = platform.up(platform.pinned("1.1.0"), 1)
        platform.route((old, 50), (new, 50), fallback=None)
        platform.provider.stop(old.ref, platform.write())
        assert platform.served() == {new.version}
        assert platform.provider.observe().percent(new.key) == 100

    def test_stop_of_the_only_one_leaves_nothing_served(self, platform: Platform) -> None:
        revision = platform.live("1.0.0", 1)
        platform.provider.stop(revision.ref, platform.write())
        eventually(lambda: gone(platform, revision.key))
        assert platform.served() == set()
        assert platform.provider.observe().shares == ()

    def test_stop_of_what_never_ran_does_nothing(self, platform: Platform) -> None:
        platform.provider.stop(platform.pinned("1.0.0").ref, platform.write())
        assert platform.provider.observe().running == ()

    def test_started_again_after_stop(self, platform: Platform) -> None:
        revision = platform.live("1.0.0", 1)
        platform.provider.stop(revision.ref, platform.write())
        platform.up(revision, 1)
        platform.route((revision, 100))
        assert platform.served() == {"1.0.0"}


class TestFence:
    @pytest.mark.attack(
        "CF01", "a late write of a worker that was replaced, of every kind", "refused"
    )
    @pytest.mark.trap(19)
    def test_refuses_every_older_write(self, platform: Platform) -> None:
        live = platform.live("1.0.0", 1)
        pids = platform.copies(live)
        late = Write(platform.number - 1, "another/step/op", "lease-0")
        provider = platform.another()
        with pytest.raises(FencedOut):
            provider.route([], None, late)
        with pytest.raises(FencedOut):
            provider.stop(live.ref, late)
        with pytest.raises(FencedOut):
            provider.scale(live.ref, 0, late)
        with pytest.raises(FencedOut):
            provider.start(platform.pinned("1.1.0"), 1, late)
        assert platform.served() == {live.version}
        assert platform.copies(live) == pids
        assert len(platform.provider.observe().running) == 1

    @needs("rolls")
    def test_refuses_an_older_roll(self, platform: Platform) -> None:
        live = platform.live("1.0.0", 1)
        copies, provider = platform.copies(live), platform.another()
        assert isinstance(provider, Rolling)
        late = Write(platform.number - 1, "another/step/op", "lease-0")
        with pytest.raises(FencedOut):
            provider.roll(platform.pinned("1.1.0"), 1, late)
        with pytest.raises(FencedOut):
            provider.roll(platform.pinned("1.1.0"), 1, Write(platform.number, "other/op", "x"))
        assert platform.served() == {live.version}
        assert platform.copies(live) == copies
        assert len(platform.provider.observe().running) == 1

    @pytest.mark.attack(
        "CF02", "a write that timed out arrives after later ones of the same worker", "refused"
    )
    @pytest.mark.trap(19)
    def test_refuses_a_late_route_after_a_stop(self, platform: Platform) -> None:
        old = platform.live("1.0.0", 1)
        new = platform.up(platform.pinned("1.1.0"), 1)
        late = platform.write()
        platform.route((new, 100))
        platform.provider.stop(old.ref, platform.write())
        with pytest.raises(FencedOut):
            platform.provider.route([Share(revision=old.ref, percent=100)], None, late)
        assert platform.served() == {new.version}

    def test_refuses_another_write_of_the_same_number(self, platform: Platform) -> None:
        platform.live("1.0.0", 1)
        with pytest.raises(FencedOut):
            platform.provider.route([], None, Write(platform.number, "other/step/op", "lease-2"))

    @pytest.mark.trap(31)
    def test_lets_the_same_write_pass_without_doing_it_again(self, platform: Platform) -> None:
        revision = platform.up(platform.pinned("1.0.0"), 1)
        write, shares = platform.write(), [Share(revision=revision.ref, percent=100)]
        before = platform.changes()
        platform.provider.route(shares, None, write)
        platform.another().route(shares, None, write)
        assert platform.changes() == before + 1


class TestDrain:
    @needs("open_connections", "answers_requests")
    def test_connections_show_a_request_in_flight_until_it_is_answered(
        self, platform: Platform
    ) -> None:
        old = platform.live("1.0.0", 1)
        new = platform.up(platform.pinned("1.1.0"), 1)
        answers: list[int] = []
        slow = threading.Thread(target=lambda: answers.append(platform.ask("/slow/1.5").status))

        def connections() -> int | None:
            return platform.provider.observe().replicas(old.key)[0].connections

        slow.start()
        eventually(connections)
        platform.route((new, 100))
        assert connections()
        eventually(lambda: connections() == 0)
        slow.join()
        assert answers == [200]


class TestQuestions:
    def test_resolve_pins_by_content(self, platform: Platform) -> None:
        first, second = platform.provider.resolve("1.0.0"), platform.provider.resolve("1.1.0")
        assert first == platform.another().resolve("1.0.0")
        assert first.digest != second.digest

    @needs("lists_versions")
    def test_resolve_names_what_there_is(self, platform: Platform) -> None:
        with pytest.raises(ArtifactMissing) as raised:
            platform.provider.resolve("1.0.9")
        assert any("1.0.0, 1.1.0" in why for why in raised.value.why)
        assert "did you mean 1.0.0?" in raised.value.fix

    def test_resolve_refuses_a_version_that_is_not_there(self, platform: Platform) -> None:
        with pytest.raises(ArtifactMissing, match=r"1\.0\.9"):
            platform.provider.resolve("1.0.9")

    @pytest.mark.parametrize("version", ["", "../1.0.0", "-rf", "1.0.0/x", "a..b"])
    def test_resolve_refuses_what_is_no_version(self, platform: Platform, version: str) -> None:
        with pytest.raises(VersionMalformed):
            platform.provider.resolve(version)

    @pytest.mark.trap(8)
    def test_restorable_while_it_runs_and_after(self, platform: Platform) -> None:
        revision = platform.up(platform.pinned("1.0.0"), 1)
        assert platform.provider.restorable(revision).running
        platform.provider.stop(revision.ref, platform.write())
        eventually(lambda: gone(platform, revision.key))
        found = platform.provider.restorable(revision)
        assert found.ok and not found.running

    @pytest.mark.trap(8)
    def test_not_restorable_without_what_it_is_made_of(self, platform: Platform) -> None:
        kept = platform.pinned("1.0.0")
        lost = kept.artifact.model_copy(update={"digest": f"sha256:{'0' * 64}"})
        found = platform.provider.restorable(kept.model_copy(update={"artifact": lost}))
        assert not found.ok and not found.running
        named = (lost.digest[:19], kept.version)
        assert any(name in why for why in found.lost for name in named), found.lost

    def test_logs_are_what_the_application_wrote(self, platform: Platform) -> None:
        revision = platform.live("1.0.0", 1)

        def texts() -> list[str]:
            return [line.text for line in platform.provider.logs(revision.ref, 10, "serving")]

        assert eventually(texts) == ["serving 1.0.0"]

    @needs("replica_addresses", "prints")
    def test_logs_are_the_last_lines_and_can_be_searched(self, platform: Platform) -> None:
        revision = platform.live("1.0.0", 1)
        address = platform.provider.observe().replicas(revision.key)[0].address
        assert address is not None
        for number in range(5):
            ask(address, f"/print/line-{number}")

        def last_three() -> list[str]:
            return [line.text for line in platform.provider.logs(revision.ref, 3)]

        # A platform that ships its logs has them a moment later.
        eventually(lambda: last_three() == ["line-2", "line-3", "line-4"])
        found = [line.text for line in platform.provider.logs(revision.ref, 3, "serving")]
        assert found == ["serving 1.0.0"]

    def test_probe_finds_nothing_wrong(self, platform: Platform) -> None:
        assert [finding for finding in platform.provider.probe() if not finding.ok] == []

    @needs("counts_requests", "answers_requests")
    def test_requests_are_counted_by_revision(self, platform: Platform) -> None:
        old = platform.live("1.0.0", 1)
        for _ in range(7):
            platform.ask()
        for _ in range(3):
            platform.ask("/status/500")
        new = platform.up(platform.pinned("1.1.0"), 1)
        platform.route((new, 100))
        platform.ask()
        counted = platform.provider.requests()
        assert (counted[old.key].total, counted[old.key].failed) == (10, 3)
        if "counts_codes" in platform.cannot:
            assert counted[old.key].codes == {"2xx": 7, "5xx": 3}
        else:
            assert counted[old.key].codes == {"200": 7, "500": 3}
        assert counted[new.key].total == 1
        assert max(counted[old.key].latency_buckets.values()) == 10
