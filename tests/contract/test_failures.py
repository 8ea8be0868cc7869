"""A call to the platform fails: each of them in turn, before it arrives and after it was carried
out. The same write again, by another process too, then succeeds, and nothing was done twice."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from orchestrate.core.protocols import Provider, Rolling, Telling, Write
from orchestrate.core.revision import Revision
from orchestrate.core.steps import Share
from tests.support.platform import LOST, UNANSWERED, How, Platform, needs
from tests.support.waiting import eventually

pytestmark = [pytest.mark.contract, pytest.mark.system, pytest.mark.timeout(600)]

MOST = 60
"""Calls of one write; more would be a loop that does not end."""
EACH = pytest.mark.parametrize("how", [LOST, UNANSWERED])
Do = Callable[[Provider, Write], None]


def through_every_failure(
    platform: Platform, how: How, do: Do, check: Callable[[], None], again: Callable[[], None]
) -> None:
    """`do` with its first call failing, its second, ... until none is left to fail."""
    for call in range(1, MOST):
        write = platform.write()
        with platform.failing(call, how) as broken:
            try:
                do(platform.provider, write)
            except Exception as problem:
                assert broken.reached, f"it failed by itself: {problem!r}"
        do(platform.another(), write)
        check()
        if not broken.reached:
            return
        again()
    raise AssertionError(f"more than {MOST} calls")


def gone(platform: Platform, revision: Revision) -> bool:
    return all(r.revision.key != revision.key for r in platform.provider.observe().running)


@pytest.mark.attack(
    "CR02",
    "each call to a platform fails, before it arrives and after it was carried out",
    "done once, by the same write",
)
@EACH
class TestFailureAtEachCall:
    @needs("calls_fail")
    def test_of_start_is_made_good_by_the_same_write(self, platform: Platform, how: How) -> None:
        revision = platform.pinned("1.0.0")
        begun = 0

        def check() -> None:
            nonlocal begun
            eventually(lambda: len(platform.copies(revision)) == 1)
            begun += 1
            assert platform.effects(revision).count("started") == begun

        def again() -> None:
            platform.provider.stop(revision.ref, platform.write())
            eventually(lambda: gone(platform, revision))

        through_every_failure(
            platform, how, lambda provider, write: provider.start(revision, 1, write), check, again
        )

    @needs("calls_fail")
    def test_of_route_is_made_good_by_the_same_write(self, platform: Platform, how: How) -> None:
        old = platform.live("1.0.0", 1)
        new = platform.up(platform.pinned("1.1.0"), 1)
        shares = [Share(revision=new.ref, percent=100)]

        def check() -> None:
            assert platform.served() == {"1.1.0"}

        through_every_failure(
            platform,
            how,
            lambda provider, write: provider.route(shares, None, write),
            check,
            lambda: platform.route((old, 100)),
        )

    @needs("calls_fail")
    def test_of_scale_is_made_good_by_the_same_write(self, platform: Platform, how: How) -> None:
        revision = platform.live("1.0.0", 2)

        def check() -> None:
            eventually(lambda: len(platform.copies(revision)) == 1)
            assert platform.served() == {"1.0.0"}

        through_every_failure(
            platform,
            how,
            lambda provider, write: provider.scale(revision.ref, 1, write),
            check,
            lambda: [platform.up(revision, 2), None][1],
        )

    @needs("calls_fail")
    def test_of_stop_is_made_good_by_the_same_write(self, platform: Platform, how: How) -> None:
        revision = platform.up(platform.pinned("1.0.0"), 1)
        through_every_failure(
            platform,
            how,
            lambda provider, write: provider.stop(revision.ref, write),
            lambda: [eventually(lambda: gone(platform, revision)), None][1],
            lambda: [platform.up(revision, 1), None][1],
        )

    @needs("calls_fail", "rolls")
    def test_of_roll_is_made_good_by_the_same_write(self, platform: Platform, how: How) -> None:
        old, new = platform.live("1.0.0", 1), platform.pinned("1.1.0")
        begun = 0

        def check() -> None:
            nonlocal begun
            eventually(lambda: rolled(platform, new))
            assert platform.served() == {"1.1.0"}
            begun += 1
            assert platform.effects(new).count("started") == begun

        def again() -> None:
            roll(platform.provider, old, platform.write())
            eventually(lambda: rolled(platform, old))

        through_every_failure(
            platform, how, lambda provider, write: roll(provider, new, write), check, again
        )


def roll(provider: Provider, revision: Revision, write: Write) -> None:
    assert isinstance(provider, Rolling)
    provider.roll(revision, 1, write)


def rolled(platform: Platform, revision: Revision) -> bool:
    """Whether it is all there is, and the platform says so too."""
    provider = platform.provider
    if isinstance(provider, Telling) and not provider.progress(revision, 1, 0.0, {}).done:
        return False
    return [r.revision for r in provider.observe().running] == [revision.ref]
