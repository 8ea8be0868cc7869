"""A platform that has a word of its own on how a revision comes up."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from pydantic import JsonValue

from orchestrate.core.errors import (
    Unhealthy,
)
from orchestrate.core.protocols import Progress, Write
from orchestrate.core.revision import Revision
from orchestrate.core.steps import (
    AwaitHealthy,
    Roll,
)
from tests.engine.watching import NEW, answering, platform, running, watch
from tests.support.pretended import Pretended

__all__ = ["answering", "platform"]


class Telling(Pretended):
    """A platform with a word of its own, which a test gives it."""

    word = Progress(False, "1 of 2 replicas are of the new version")
    refuses: Exception | None = None
    given: Mapping[str, JsonValue] = {}
    rolled = ""

    def progress(
        self,
        revision: Revision,
        replicas: int,
        watched_s: float,
        memory: Mapping[str, JsonValue],
    ) -> Progress:
        self.given = memory
        if self.refuses is not None:
            raise self.refuses
        return self.word

    def roll(self, revision: Revision, replicas: int, write: Write) -> None:
        self.rolled = f"{replicas} of {revision.version} as {write.number}"


class TestPlatformsOwnWord:
    STEP = AwaitHealthy(revision=NEW, replicas=1, within_s=10)

    def test_is_waited_for_before_any_replica_is_asked(self) -> None:
        platform = Telling()
        platform.replicas_of["new"] = [running(0)]
        waiting = watch(platform, self.STEP)
        found = waiting.look()
        assert not found.done and found.text == "1 of 2 replicas are of the new version"
        platform.word = Progress(True, "2 of 2")
        assert waiting.look(0.5).done

    def test_is_given_what_it_remembered(self) -> None:
        platform = Telling()
        platform.word = Progress(False, "pulling", {"image": 1.5})
        waiting = watch(platform, self.STEP)
        waiting.look()
        waiting.look(0.5)
        assert platform.given == {"image": 1.5}

    def test_ends_the_step_with_its_own_diagnosis(self) -> None:
        platform = Telling()
        platform.refuses = Unhealthy("its image cannot be pulled", why=["ErrImagePull"])
        with pytest.raises(Unhealthy, match="cannot be pulled"):
            watch(platform, self.STEP).look()

    def test_is_the_reason_when_the_time_is_over(self) -> None:
        platform = Telling()
        waiting = watch(platform, self.STEP)
        waiting.look()
        with pytest.raises(Unhealthy) as raised:
            for _ in range(4):
                waiting.look(4)
        assert raised.value.why[0] == "1 of 2 replicas are of the new version"

    def test_a_roll_is_asked_of_a_platform_that_rolls(self) -> None:
        platform = Telling()
        watch(platform, Roll(revision=NEW, replicas=3, within_s=10)).act()
        assert platform.rolled == "3 of 2 as 7"

    def test_a_roll_is_a_start_where_there_is_one_place_alone(self, platform: Pretended) -> None:
        watch(platform, Roll(revision=NEW, replicas=3, within_s=10)).act()
        assert platform.asked == ["start 3 of 2 as 7"]
