"""What tasks wrote, from CloudWatch Logs, where the log driver awslogs sends it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from orchestrate.core.protocols import LogLine
from orchestrate.providers.aws_ecs.account import Account
from orchestrate.providers.aws_ecs.errors import Absent, told

if TYPE_CHECKING:
    from types_boto3_logs.type_defs import GetLogEventsRequestTypeDef, OutputLogEventTypeDef

GREPPED = 10_000
"""Lines of each task that are searched."""
MOST_PAGES = 50
"""Questions for one task."""


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

    def of(
        self,
        container: Mapping[str, object],
        task: str,
        revision: str,
        replica: int,
        most: int,
        grep: str | None,
    ) -> Iterator[LogLine]:
        """The last lines of a container in a task, oldest first; none when its stream cannot be
        told or was never written to."""
        stream = stream_of(container, task)
        if stream is None:
            return
        try:
            lines = self._tail(stream, most, grep)
        except Absent:
            return
        for event in lines:
            at = datetime.fromtimestamp(event.get("timestamp", 0) / 1000, UTC)
            yield LogLine(revision, replica, event.get("message", ""), at.isoformat())

    def _tail(self, stream: Stream, most: int, grep: str | None) -> Sequence[OutputLogEventTypeDef]:
        """Back from the end, page by page: a page ends at 1 MiB, whatever it was asked for, and one
        that is empty is no end. The end is told by the token that was given."""
        searched = 0
        found: list[OutputLogEventTypeDef] = []
        asked: GetLogEventsRequestTypeDef = {
            "logGroupName": stream.group,
            "logStreamName": stream.name,
            "limit": min(most, GREPPED) if grep is None else GREPPED,
            "startFromHead": False,
        }
        for _ in range(MOST_PAGES):
            with told(f"log stream {stream.name} was not read"):
                answer = self._account.logs.get_log_events(**asked)
            searched += len(answer["events"])
            fits = [e for e in answer["events"] if grep is None or grep in e.get("message", "")]
            found = [*fits, *found]
            token = answer.get("nextBackwardToken")
            if len(found) >= most or searched >= GREPPED or token in (None, asked.get("nextToken")):
                break
            asked["nextToken"] = token
        return found[-most:]
