"""Logs are what CloudWatch has of a revision's tasks, however long ago and however long."""

from __future__ import annotations

import dataclasses

import pytest

from orchestrate.providers.aws_ecs.remembered import MOST_DEFINITIONS, MOST_TASKS, Remembered
from tests.support.aws.app import Ecs
from tests.support.local import ask
from tests.support.waiting import eventually

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


def test_of_tasks_that_ecs_has_forgotten_are_found(ecs: Ecs) -> None:
    old = ecs.live("1.0.0")
    new = ecs.up(ecs.pinned("1.1.0"))
    ecs.route((new, 100))
    ecs.provider.stop(old.ref, ecs.write())
    eventually(lambda: not ecs.provider.observe().replicas(old.key))
    with ecs.front.ecs.lock:
        for service in ecs.front.ecs.services.values():
            service.tasks = [task for task in service.tasks if task.alive]
    lines = list(ecs.another().logs(old.ref, 10, "serving"))
    assert [(line.replica, line.text) for line in lines] == [
        (0, "serving 1.0.0"),
        (1, "serving 1.0.0"),
    ]
    assert {line.text for line in ecs.another().logs(new.ref, 10, "serving")} == {"serving 1.1.0"}


def test_are_read_page_by_page_from_the_end(ecs: Ecs) -> None:
    revision = ecs.live("1.0.0", 1)
    address = str(ecs.provider.observe().replicas(revision.key)[0].address)
    for number in range(7):
        ask(address, f"/print/line-{number}")
    wanted = [f"line-{number}" for number in range(7)]

    def last(most: int, grep: str | None = None) -> list[str]:
        return [line.text for line in ecs.provider.logs(revision.ref, most, grep)]

    eventually(lambda: last(7) == wanted)
    ecs.front.log_page = 2
    assert last(7) == wanted
    assert last(3) == wanted[-3:]
    assert last(100) == ["serving 1.0.0", *wanted]
    assert last(1, "serving") == ["serving 1.0.0"]
    assert last(5, "nowhere") == []


def test_remembers_the_last_tasks_of_the_last_task_definitions(ecs: Ecs) -> None:
    """`ecs` for the shape of what is noted."""
    (place, _) = ecs.provider.services.places()
    ecs.live("1.0.0", 1)
    (task,) = [t for p in ecs.provider.services.places() for t in p.tasks]
    remembered = Remembered(str(ecs.home / "noted"))
    for definition in range(MOST_DEFINITIONS + 2):
        tasks = tuple(
            {**task, "taskDefinitionArn": f"d{definition}", "taskArn": f"t{number}"}
            for number in range(MOST_TASKS + 1 if definition == 5 else 1)
        )
        remembered.note([dataclasses.replace(place, tasks=tasks)])
    assert remembered.of("d1") == []
    assert remembered.of("d2") == ["t0"]
    assert remembered.of("d5") == [f"t{number}" for number in range(1, MOST_TASKS + 1)]
