"""What the trail records, and the chain that makes a change of it visible.

An event is everything that was done, decided or refused. It becomes an entry with a number, a time
and the store it belongs to; the hash of an entry covers all of that and the hash before it:
SHA-256(0x01 || hash before || canonical JSON of the entry), the first one following
SHA-256(LABEL || store). Whoever changes, drops, moves or adds an entry must change every hash
after it, and the newest of them is signed and kept elsewhere (`core/audit_head.py`).
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, JsonValue

from orchestrate.core.canonical import canonical, digest
from orchestrate.core.model import Model
from orchestrate.core.redact import redact
from orchestrate.core.untrusted import clean

LABEL = b"orchestrate/audit/v1\x00"
LONGEST_TEXT = 1000
"""Characters of one text in an event; what is longer is cut, and says so."""
LONGEST_DETAILS = 16_384
"""Characters of an event's details; of larger ones the longest are told by their digest."""
_SAFE = 2**53

Outcome = Literal["ok", "refused", "failed"]


class AuditEvent(Model):
    """One event. Secrets never enter it: a value is told by its name and version."""

    action: str = Field(pattern=r"^[a-z_]+\.[a-z_]+$")
    """What was done to what kind of thing: `deployment.start`, `approval.approve`, `secret.set`."""
    actor: str
    on_behalf_of: str | None = None
    person: str | None = None
    """The human behind the actor, where a door established one."""
    subject: str
    """What it was done to: `shop/production`, `d142`, `plan:<digest>`, `token:<id>`."""
    outcome: Outcome = "ok"
    details: dict[str, JsonValue] = Field(default_factory=dict)
    request_id: str | None = None


@dataclass(frozen=True)
class Entry:
    """An event in its place. `details` is canonical JSON, `hash` 64 hexadecimal characters."""

    seq: int
    store: str
    at: str
    """UTC, RFC 3339 with microseconds."""
    actor: str
    on_behalf_of: str | None
    person: str | None
    action: str
    subject: str
    outcome: str
    details: str
    request_id: str | None
    hash: str = ""


def genesis(store: str) -> bytes:
    """What stands before the first entry of a store."""
    return hashlib.sha256(LABEL + store.encode()).digest()


def entry_hash(before: bytes, entry: Entry) -> bytes:
    """The hash of an entry, given the hash before it. Raises ValueError for half characters."""
    return hashlib.sha256(b"\x01" + before + canonical_entry(entry).encode()).digest()


def canonical_entry(entry: Entry) -> str:
    """The canonical JSON of an entry without its hash.

    Written out member by member, the names in their order: a million entries are verified in
    seconds, and a test holds it against the oracle. `sound_details` is asked beside it.
    """
    text = _text
    return (
        f'{{"action":{text(entry.action)},"actor":{text(entry.actor)},"at":{text(entry.at)},'
        f'"details":{entry.details},"on_behalf_of":{text(entry.on_behalf_of)},'
        f'"outcome":{text(entry.outcome)},"person":{text(entry.person)},'
        f'"request_id":{text(entry.request_id)},"seq":{entry.seq},"store":{text(entry.store)},'
        f'"subject":{text(entry.subject)}}}'
    )


def sound_details(details: str) -> bool:
    """Whether a text is one JSON object in canonical form: else it could carry other members."""
    try:
        value = json.loads(details, parse_float=_refuse)
    except (ValueError, RecursionError):
        return False
    if not isinstance(value, dict):
        return False
    # The standard library's writer is ten times as fast, and orders rare names in another way.
    quick = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    try:
        return quick == details or canonical(value) == details
    except (ValueError, TypeError):
        return False


def fit(event: AuditEvent) -> AuditEvent:
    """The event as it can be kept: texts without control, direction and half characters, at most
    LONGEST_TEXT of them, tokens masked; numbers that not every reader agrees about as text."""
    details = {_fit_text(name): _fit_value(value) for name, value in event.details.items()}
    return event.model_copy(
        update={
            "actor": _fit_text(event.actor),
            "on_behalf_of": _fit_optional(event.on_behalf_of),
            "person": _fit_optional(event.person),
            "subject": _fit_text(event.subject),
            "request_id": _fit_optional(event.request_id),
            "details": _shortened(details),
        }
    )


def _shortened(details: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """The longest members told by their digest until the rest fits: who makes one long does not
    thereby hide the others."""
    found = dict(details)
    lengths = {name: len(canonical(value)) for name, value in details.items()}
    for name in sorted(lengths, key=lambda name: (-lengths[name], name)):
        if len(canonical(found)) <= LONGEST_DETAILS:
            return found
        found[name] = {"too_long": lengths[name], "digest": digest(details[name])}
    if len(canonical(found)) <= LONGEST_DETAILS:
        return found
    return {"too_long": len(canonical(details)), "digest": digest(details)}


def _refuse(number: str) -> float:
    """The trail holds none: one number has many texts."""
    raise ValueError(number)


def _text(value: str | None) -> str:
    return "null" if value is None else json.encoder.encode_basestring(value)


def _fit_value(value: JsonValue) -> JsonValue:
    match value:
        case bool() | None:
            return value
        case str():
            return _fit_text(value)
        case int():
            return value if abs(value) < _SAFE else str(value)
        case float():
            return str(value)
        case list():
            return [_fit_value(each) for each in value]
        case Mapping():
            return {_fit_text(name): _fit_value(each) for name, each in value.items()}
    raise TypeError(f"{type(value).__name__} is not JSON")


def _fit_text(value: str) -> str:
    # Cleaned before it is searched, so that no invisible character hides a token in two halves.
    whole = clean(value, limit=max(len(value), LONGEST_TEXT))
    return clean(redact(whole), limit=LONGEST_TEXT)


def _fit_optional(value: str | None) -> str | None:
    return None if value is None else _fit_text(value)
