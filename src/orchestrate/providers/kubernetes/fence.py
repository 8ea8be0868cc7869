"""The fence of an environment: a Lease in its namespace that holds the newest write, and tells
which service is at work.

Taken by create, renewed by a replace at the resource version that was read: of two writers the API
lets one through, and the other looks again. Each object that is written then carries the write's
number as well, and is replaced at the resource version that was read, so that a writer which was
held up between the Lease and the object is refused there.
"""

import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from orchestrate.core.errors import FencedOut, ProviderConfigInvalid, TemporaryError
from orchestrate.core.protocols import Write
from orchestrate.providers.kubernetes.api import Api, Exists, Stale
from orchestrate.providers.kubernetes.objects import (
    LEASE,
    MANAGER,
    PREFIX,
    Json,
    Kind,
    label,
    micro_time,
    name_of,
    note,
    number,
    part,
    text,
    version_of,
)
from orchestrate.providers.kubernetes.shape import marks

TRIES = 20
LASTS_S = 60
"""Seconds after its last write, or look at what it waits for, in which the environment is a
service's alone. Beyond, another one may take it; whoever then comes late is told by the number."""


class Fence:
    """The Lease `name`, labelled as the environment's. With `take_over` what is written takes its
    fields from whoever has set them."""

    def __init__(
        self, api: Api, name: str, labels: Mapping[str, str], *, take_over: bool = False
    ) -> None:
        self.api, self.name, self.labels, self.take_over = api, name, labels, take_over

    def newest(self) -> int:
        """Number of the newest write; 0 before the first."""
        return _number(self.api.get(LEASE, self.name) or {})

    def pass_(self, write: Write) -> None:
        """Write it down before it is carried out. Raises FencedOut when it comes too late, and
        while another service is at work; ProviderConfigInvalid where the Lease is a stranger's."""
        for _ in range(TRIES):
            lease = self.api.get(LEASE, self.name)
            try:
                if lease is None:
                    self.api.create(LEASE, self._made({}, write))
                    return
                self._refuse_strange(lease)
                self._refuse_held(lease, write)
                refuse_older(lease, write)
                holder = part(lease, "spec").get("holderIdentity")
                if _number(lease) != write.number or holder != write.lease:
                    self.api.replace(LEASE, self._made(lease, write))
                return
            except (Exists, Stale):
                continue
        raise TemporaryError("the lease of the environment changes too fast", why=[self.name])

    def owns(self, found: Mapping[str, object]) -> bool:
        """Whether an object is labelled as this environment's."""
        return self.labels.items() <= part(found, "metadata", "labels").items()

    def refuse_taken(self) -> None:
        """Raises ProviderConfigInvalid where the Lease's name is somebody else's."""
        lease = self.api.get(LEASE, self.name)
        if lease is not None:
            self._refuse_strange(lease)

    def _refuse_strange(self, lease: Json) -> None:
        """An application that elects a leader has a Lease as well, often by its own name."""
        if self.owns(lease):
            return
        where, app = f"Lease {self.name} in namespace {self.api.namespace}", label(lease, "app")
        fix = [f"set another `name` than {self.name} in config"]
        if app:
            whose = f"environment {label(lease, 'environment')} of {app}"
            delete = f"kubectl delete lease {self.name} --namespace {self.api.namespace}"
            fix.append(f"or where that environment is gone for good: {delete}")
        else:
            whose = text(lease, "spec", "holderIdentity") or "somebody else"
        raise ProviderConfigInvalid(
            f"the name {self.name} is taken in namespace {self.api.namespace}",
            why=[f"{where} is not of this environment, but of {whose}"],
            fix=fix,
        )

    def renew(self, written: int) -> None:
        """Hold on to the Lease while what a write of this number began is waited for."""
        lease = self.api.get(LEASE, self.name)
        if lease is None or _number(lease) != written or _left_s(lease) > LASTS_S / 2:
            return
        spec = {**part(lease, "spec"), "renewTime": micro_time(datetime.now(UTC))}
        with suppress(Stale):  # somebody else has it, or just renewed it
            self.api.replace(LEASE, {**lease, "spec": spec})

    def _refuse_held(self, lease: Json, write: Write) -> None:
        holder = text(lease, "spec", "holderIdentity")
        theirs, ours = _store(holder), _store(write.lease)
        if not theirs or not ours or theirs == ours or _left_s(lease) <= 0:
            return
        until = (datetime.now(UTC) + timedelta(seconds=_left_s(lease))).isoformat(" ", "seconds")
        raise FencedOut(
            f"another service of this program is at work in this environment, until {until}",
            why=[
                f"Lease {self.name} in namespace {self.api.namespace} is held by {holder}, whose"
                f" records are in store {theirs}; those of this service are in {ours}",
            ],
            fix=[
                "deploy to an environment from one service; or wait until the other one has let go:"
                f" kubectl get lease {self.name} --namespace {self.api.namespace}",
            ],
        )

    def check(self, write: Write) -> None:
        """Raises FencedOut when a newer write has begun since."""
        refuse_older(self.api.get(LEASE, self.name) or {}, write)

    def apply(
        self, kind: Kind, body: Json, write: Write, *, manager: str = MANAGER, force: bool = False
    ) -> Json:
        """Server-side apply of an object that no newer write has made.

        Raises FencedOut, FieldConflict.
        """
        for attempt in range(TRIES):
            live = self.api.get(kind, name_of(body))
            if live is not None:
                refuse_older(live, write)
            meta = {**part(body, "metadata")}
            if live is not None:
                meta["resourceVersion"] = version_of(live)
            try:
                made = self.api.apply(
                    kind,
                    {**body, "metadata": meta},
                    manager=manager,
                    force=force or self.take_over,
                )
            except Stale:
                # Its status changes often; that is no reason to give up.
                time.sleep(0.02 * attempt)
                continue
            if live is None:
                # A new object had nothing to be compared with: look whether this came too late.
                self.check(write)
            return made
        raise TemporaryError(
            "an object of the cluster changes too fast", why=[f"{kind.name} {name_of(body)}"]
        )

    def _made(self, lease: Json, write: Write) -> Json:
        now = micro_time(datetime.now(UTC))
        before = part(lease, "spec")
        same = before.get("holderIdentity") == write.lease
        changes = number(lease, "spec", "leaseTransitions")
        meta: Json = {
            **part(lease, "metadata"),
            "name": self.name,
            "labels": dict(self.labels),
            "annotations": {**part(lease, "metadata", "annotations"), **marks(write)},
        }
        return {
            "apiVersion": LEASE.api,
            "kind": LEASE.name,
            "metadata": meta,
            "spec": {
                "holderIdentity": write.lease,
                "leaseDurationSeconds": LASTS_S,
                "acquireTime": before.get("acquireTime") if same else now,
                "renewTime": now,
                "leaseTransitions": changes if same or not lease else changes + 1,
            },
        }


def refuse_older(found: Mapping[str, object], write: Write) -> None:
    """Raises FencedOut when an object was made by a newer write, or another of the same number."""
    for prefix in ("", "scale-"):
        newest = _number(found, prefix)
        key = note(found, f"{prefix}write-key")
        if write.number > newest or (write.number == newest and write.key == key):
            continue
        raise FencedOut(
            "a newer change of this environment was made already; this one was not",
            why=[
                f"write {write.number} ({write.key}) came after {newest} ({key}),"
                f" which is on {found.get('kind')} {name_of(found)}"
            ],
        )


def _store(holder: str) -> str:
    """The store whose worker an identity is; nothing where it does not say. All workers of a store
    are one service: which of them writes is the engine's to decide, also after a crash."""
    store, dot, _ = holder.partition(".")
    return store if dot else ""


def _left_s(lease: Json) -> float:
    """Seconds for which the Lease is still held; not above 0 when it is over, or says no time."""
    try:
        renewed = datetime.fromisoformat(text(lease, "spec", "renewTime"))
    except ValueError:
        return 0.0
    lasts = number(lease, "spec", "leaseDurationSeconds")
    return lasts - (datetime.now(UTC) - renewed).total_seconds()


def _number(found: Mapping[str, object], prefix: str = "") -> int:
    return number(found, "metadata", "annotations", f"{PREFIX}{prefix}write")
