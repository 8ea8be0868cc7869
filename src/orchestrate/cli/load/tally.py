"""What became of each request: counted as it ends, and kept as a timeline."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, cast

# stale:   a connection used before was closed, without a byte of an answer
# reset:   the same on a fresh connection
# dial:    no connection
# short:   the answer began and did not end
# timeout: no whole answer in time
# garbled: what came is not one HTTP/1.1 answer
# 4xx 5xx: a whole answer that says no
Kind = Literal["", "stale", "reset", "dial", "short", "timeout", "garbled", "4xx", "5xx"]

UNNAMED = "-"  # in by_version: the answer had no X-Version; in by_status: there was no answer


class Event(NamedTuple):
    """One request. Times are `time.monotonic_ns()`, comparable between processes of one machine.

    `start_ns` is when its bytes were handed to the kernel (of a failed dial: when that began).
    `status` is 0 without an answer, `version` the answer's X-Version or `-`, `kind` empty when the
    request succeeded.
    """

    start_ns: int
    end_ns: int
    version: str
    status: int
    kind: Kind


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How it stands. `requests` have ended, `failed` of them badly, `in_flight` have not ended.

    `unsent` requests were due and never sent, because every connection was waiting for an answer
    for more than a second; they are in no other number. `idle_closed` connections were closed by
    the other side between requests, which is its right and no failure. `lag_ms` is the longest
    that a request which was sent had waited for its turn.
    """

    requests: int
    failed: int
    by_kind: dict[str, int]
    by_status: dict[str, int]
    by_version: dict[str, int]
    in_flight: int
    unsent: int
    idle_closed: int
    lag_ms: float


class Tally:
    """Counts while the load runs; 21 bytes a request for the timeline."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.unsent = 0
        self.idle_closed = 0
        self.lag_s = 0.0
        self._starts, self._ends = array("q"), array("q")
        self._statuses, self._versions, self._kinds = array("H"), array("H"), array("B")
        self._version_names: dict[str, int] = {}
        self._kind_names: dict[Kind, int] = {"": 0}
        self._per: dict[tuple[str, int, Kind], int] = {}

    def record(self, start_ns: int, end_ns: int, version: str, status: int, kind: Kind) -> None:
        """One request has ended."""
        version = version or UNNAMED
        self._starts.append(start_ns)
        self._ends.append(end_ns)
        self._statuses.append(status)
        self._versions.append(self._version_names.setdefault(version, len(self._version_names)))
        self._kinds.append(self._kind_names.setdefault(kind, len(self._kind_names)))
        key = (version, status, kind)
        self._per[key] = self._per.get(key, 0) + 1

    def counts(self) -> Counts:
        """The counts as they stand now."""
        return Counts(
            requests=len(self._starts),
            failed=sum(n for (_, _, kind), n in self._per.items() if kind),
            by_kind=_summed((kind, n) for (_, _, kind), n in self._per.items() if kind),
            by_status=_summed(
                (str(status or UNNAMED), n) for (_, status, _), n in self._per.items()
            ),
            by_version=_summed(
                (version, n) for (version, status, _), n in self._per.items() if status
            ),
            in_flight=self.in_flight,
            unsent=self.unsent,
            idle_closed=self.idle_closed,
            lag_ms=round(self.lag_s * 1e3, 3),
        )

    def events(self) -> Iterator[Event]:
        """Every request, in the order in which they ended."""
        versions, kinds = list(self._version_names), list(self._kind_names)
        columns = (self._starts, self._ends, self._versions, self._statuses, self._kinds)
        for start, end, version, status, kind in zip(*columns, strict=True):
            yield Event(start, end, versions[version], status, kinds[kind])


def read_event(row: list[int | str]) -> Event:
    """The event that was written as a JSON list."""
    start, end, version, status, kind = row
    return Event(int(start), int(end), str(version), int(status), cast(Kind, kind))


def _summed(pairs: Iterator[tuple[str, int]]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for name, count in pairs:
        sums[name] = sums.get(name, 0) + count
    return dict(sorted(sums.items()))
