"""Tasks that were seen, by their task definition: tasks.json of an environment.

ECS forgets a task an hour after it stopped. CloudWatch keeps what it wrote, under the task's id.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable

from orchestrate.providers.aws_ecs.seen import Place
from orchestrate.providers.processes.files import locked, private_directory, read_json, replace

log = logging.getLogger(__name__)

MOST_TASKS = 10
"""The last ones of each task definition."""
MOST_DEFINITIONS = 100


class Remembered:
    """The file in the directory of an environment."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._path = os.path.join(directory, "tasks.json")

    def note(self, places: Iterable[Place]) -> None:
        """Remember the tasks that are there. A disk that cannot be written keeps nobody from
        looking: the log of a task is then lost to us once ECS has forgotten it."""
        seen: dict[str, list[str]] = {}
        for place in places:
            for task in sorted(place.tasks, key=lambda task: str(task.get("createdAt"))):
                seen.setdefault(task["taskDefinitionArn"], []).append(task["taskArn"])
        try:
            self._add(seen)
        except OSError as problem:
            log.warning("the tasks that run were not remembered: %s", problem)

    def of(self, definition: str) -> list[str]:
        """ARNs of the last tasks of a task definition, oldest first."""
        return self._read().get(definition, [])

    def _add(self, seen: dict[str, list[str]]) -> None:
        if not _fresh(seen, self._read()):
            return
        private_directory(self._directory)
        with locked(f"{self._path}.lock"):
            known = self._read()
            for definition in _fresh(seen, known):
                before = known.pop(definition, [])
                new = [arn for arn in seen[definition] if arn not in before]
                known[definition] = [*before, *new][-MOST_TASKS:]
            while len(known) > MOST_DEFINITIONS:
                del known[next(iter(known))]
            replace(self._path, json.dumps(known))

    def _read(self) -> dict[str, list[str]]:
        found = read_json(self._path) or {}
        return {
            name: list(map(str, arns)) for name, arns in found.items() if isinstance(arns, list)
        }


def _fresh(seen: dict[str, list[str]], known: dict[str, list[str]]) -> list[str]:
    """Task definitions of which a task is not remembered; older ones than those kept are left."""
    return [
        definition
        for definition, arns in seen.items()
        if not set(arns[-MOST_TASKS:]) <= set(known.get(definition, ()))
    ]
