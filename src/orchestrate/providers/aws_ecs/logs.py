"""What tasks wrote, from CloudWatch Logs, where the log driver awslogs sends it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from orchestrate.core.protocols import LogLine
from orchestrate.providers.aws_ecs.account import Account
from orchestrate.providers.aws_ecs.errors import Absent, told

GREPPED = 10_000
"""Lines of each task that are searched, by CloudWatch's own limit for one answer."""


@dataclass(frozen=True)
class Stream:
    """Where one task's container writes to."""

    group: str
    name: str


def stream_of(container: Mapping[str, object], task: str) -> Stream | None:
    """The stream of a container in a task; None when its logs do not go to CloudWatch, or to a
    stream that cannot be told: without a prefix it is named by the container's runtime."""
    configuration = container.get("logConfiguration")
    if not isinstance(configuration, dict) or configuration.get("logDriver") != "awslogs":
        return None
    options = configuration.get("options")
    options = options if isinstance(options, dict) else {}
    group, prefix = options.get("awslogs-group"), options.get("awslogs-stream-prefix")
    if not group or not prefix:
        return None
    return Stream(str(group), f"{prefix}/{container.get('name')}/{task.rpartition('/')[2]}")


class Logs:
    """The last lines of streams."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def tail(
        self, stream: Stream, revision: str, replica: int, most: int, grep: str | None
    ) -> Iterator[LogLine]:
        """The last lines of one stream, oldest first; none when it was never written to."""
        try:
            with told(f"log stream {stream.name} was not read"):
                answer = self._account.logs.get_log_events(
                    logGroupName=stream.group,
                    logStreamName=stream.name,
                    limit=min(most, GREPPED) if grep is None else GREPPED,
                    startFromHead=False,
                )
        except Absent:
            return
        lines = [e for e in answer["events"] if grep is None or grep in e.get("message", "")]
        for event in lines[-most:]:
            at = datetime.fromtimestamp(event.get("timestamp", 0) / 1000, UTC)
            yield LogLine(revision, replica, event.get("message", ""), at.isoformat())
