"""What the Pods of a revision wrote."""

from collections.abc import Iterator, Sequence

from orchestrate.core.protocols import LogLine
from orchestrate.providers.kubernetes.api import Api
from orchestrate.providers.kubernetes.objects import Json, items, name_of, part, text

GREPPED = 100_000
"""Lines of each Pod that are searched."""


def lines_of(
    api: Api, container: str, key: str, pods: Sequence[Json], tail: int, grep: str | None
) -> Iterator[LogLine]:
    """The last lines of each Pod, the oldest Pod first; those of a container's previous life where
    it has ended and has not begun again."""
    ordered = sorted(pods, key=lambda p: (text(p, "metadata", "creationTimestamp"), name_of(p)))
    for at, pod in enumerate(ordered):
        written = api.log(
            name_of(pod),
            container,
            tail=tail if grep is None else GREPPED,
            previous=_between_lives(pod, container),
        )
        found = []
        for line in written.splitlines():
            when, _, what = line.partition(" ")
            if grep is None or grep in what:
                found.append(LogLine(revision=key, replica=at, text=what, at=when))
        yield from found[-tail:]


def _between_lives(pod: Json, container: str) -> bool:
    for status in items(pod, "status", "containerStatuses"):
        if text(status, "name") == container:
            waits = bool(part(status, "state", "waiting"))
            return waits and bool(part(status, "lastState", "terminated"))
    return False
