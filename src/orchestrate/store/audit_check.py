"""Whether the trail is as it was written: entry by entry, and against the heads kept elsewhere.

The chain alone shows an entry that was changed, dropped, moved or added. It shows neither an end
that was cut off nor a trail that was computed anew from some entry on: the heads do.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from orchestrate.core.audit import Entry, entry_hash, genesis, sound_details
from orchestrate.store import audit
from orchestrate.store.database import Session
from orchestrate.store.heads import SignedHead
from orchestrate.store.identity import store_id

NO_HEAD = (
    "no head of this trail is here: the database is another one than before, or its heads were"
    " taken away"
)
MOST = 20
"""Problems that are told; one is enough to know."""


@dataclass
class Report:
    """What was looked at, and what is wrong. `heads` counts those of this store."""

    store: str
    rows: int = 0
    first: int = 0
    last: int = 0
    heads: int = 0
    newest_head: int | None = None
    other_stores: tuple[str, ...] = ()
    problems: list[str] = field(default_factory=list)

    def has(self, head: SignedHead) -> bool:
        """Whether a head speaks of this store."""
        return head.head.store == self.store

    def add(self, problem: str) -> None:
        if len(self.problems) < MOST:
            self.problems.append(problem)


def verify(
    session: Session,
    heads: Sequence[SignedHead | None],
    key: Ed25519PublicKey | None,
    since: int = 0,
) -> Report:
    """Compare every entry after number `since` with its hash, and the trail with the heads.

    `since` is trusted as it stands. Without a key no signature can be checked, which is said.
    """
    report = Report(store_id(session))
    ours = _checked(report, heads, key)
    marks = {each.seq: each.hash for each in ours if each.seq > since}
    before = _start(session, report, since)
    for entry in audit.walk(session, report.store, after=since):
        before = _look_at(report, entry, before)
        if marks and entry.seq in marks and marks[entry.seq].hex() != entry.hash:
            report.add(f"entry {entry.seq} is not the one a signed head names: the trail was"
                       " written anew, or is another one")  # fmt: skip
        report.rows += 1
        report.first = report.first or entry.seq
        report.last = entry.seq
    _end(report, since, marks)
    return report


def quick(
    session: Session, heads: Sequence[SignedHead | None], key: Ed25519PublicKey | None
) -> Report:
    """Only whether the trail still holds what the heads name: at every start of the service."""
    report = Report(store_id(session))
    report.last = audit.tail(session).seq
    ours = _checked(report, heads, key)
    for each in ours[-100:]:
        row = audit.entry_at(session, each.seq) if each.seq else None
        if each.seq and row is not None and row.hash != each.hash.hex():
            report.add(f"entry {each.seq} is not the one a signed head names")
    _end(report, 0, {each.seq: each.hash for each in ours})
    if report.last and not ours:
        report.add(NO_HEAD)
    return report


def _checked(
    report: Report, heads: Iterable[SignedHead | None], key: Ed25519PublicKey | None
) -> list[audit.Tail]:
    """The heads of this store that are signed by this service; those that are not are told."""
    ours: list[audit.Tail] = []
    others: set[str] = set()
    for number, each in enumerate(heads, start=1):
        if each is None:
            report.add(f"head {number} cannot be read")
        elif each.head.store != report.store:
            others.add(each.head.store)
        elif key is None or not each.signed_by(key):
            report.add(f"the head of entry {each.head.seq} is not signed by this service's key")
        else:
            ours.append(audit.Tail(each.head.seq, each.head.hash))
    report.heads = len(ours)
    report.newest_head = max((each.seq for each in ours), default=None)
    report.other_stores = tuple(sorted(others))
    return ours


def _start(session: Session, report: Report, since: int) -> tuple[bytes, ...]:
    """The hash before the first entry that is looked at; nothing when it is not there."""
    if since == 0:
        return (genesis(report.store),)
    row = audit.entry_at(session, since)
    if row is None:
        report.add(f"entry {since}, from which on to verify, is not there")
        return ()
    report.last = since
    return _hashes(row.hash)


def _look_at(report: Report, entry: Entry, before: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Check one entry. Returns the hashes that the next one may follow: what is stored, and what
    it should be, so that one changed entry is told once and not again at the next."""
    missing = entry.seq - report.last - 1
    if missing > 0:
        first = report.last + 1
        gone = f"entry {first} is" if missing == 1 else f"entries {first} to {entry.seq - 1} are"
        report.add(f"{gone} missing")
        return _hashes(entry.hash)
    computed = _computed(entry, before)
    if entry.hash not in [each.hex() for each in computed]:
        report.add(f"entry {entry.seq} was changed, moved or put in")
        return (*_hashes(entry.hash), *computed)
    return computed


def _computed(entry: Entry, before: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """What its hash can be, given what stands before it; nothing where it is no entry at all."""
    try:
        if not sound_details(entry.details):
            return ()
        return tuple(entry_hash(each, entry) for each in before)
    except (TypeError, ValueError):
        return ()


def _hashes(text: object) -> tuple[bytes, ...]:
    try:
        return (bytes.fromhex(str(text)),)
    except ValueError:
        return ()


def _end(report: Report, since: int, marks: dict[int, bytes]) -> None:
    newest = max(marks, default=0)
    if newest > max(report.last, since):
        report.add(f"the end was cut off: a signed head names entry {newest}, and the trail ends"
                   f" with {report.last}")  # fmt: skip
