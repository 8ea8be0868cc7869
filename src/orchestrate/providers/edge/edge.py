"""One Traefik on one public port: kept running, told how traffic is divided, asked what it saw.

All state is in <home>/edge/<port>/ (0700): `edge.json`, `traefik.yml`, the certificate, the
documents in `dyn/` (one file per environment), `applied.jsonl` and Traefik's supervisor in `run/`.
Traefik outlives the service; a second Edge object, in this process or another, finds it again.
"""

import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import replace as changed
from datetime import UTC, datetime

from orchestrate.core.errors import EdgeFailed, FencedOut, ProviderConfigInvalid
from orchestrate.core.protocols import RequestCounts, Write
from orchestrate.providers.edge import document as documents
from orchestrate.providers.edge import tally
from orchestrate.providers.edge.document import NONCE, Present, Traffic
from orchestrate.providers.edge.engine import BASE, Engine
from orchestrate.providers.edge.place import Place
from orchestrate.providers.edge.wire import Wire
from orchestrate.providers.processes.disk import told_when_full
from orchestrate.providers.processes.files import (
    append_line,
    locked,
    remove,
    replace,
)

PROOF_S = 10.0
"""Longest wait for a change to be live. Usual: 10 to 30 ms."""
POLL_S = 0.003


class Edge:
    """The edge at `place`, a place with a port, below the directory `home`."""

    def __init__(self, home: str, place: Place) -> None:
        self.place = place
        self.directory = os.path.join(home, "edge", str(place.port))
        self.engine = Engine(self.directory, place, os.path.join(home, "edge"))

    def ensure(self) -> None:
        """See that Traefik runs and serves: adopted when it does, started when not. Idempotent.

        Raises PortTaken, ProviderUnavailable, EdgeFailed.
        """
        self.engine.ensure()

    def apply(self, slug: str, traffic: Traffic, write: Write) -> None:
        """Divide an environment's traffic; returns once every new request follows.

        A write that was carried out already is only proven. On failure the document before is put
        back. Raises FencedOut, ProviderConfigInvalid, PortTaken, EdgeFailed.
        """
        self.ensure()
        with locked(self._path("lock")):
            self.ensure()  # it may have ended with the last environment while this one waited
            present = self.present(slug)
            if _done(present, write):
                self._prove(slug, present.nonce)
                return
            self._refuse_claimed(slug, traffic)
            nonce = secrets.token_hex(8)
            made = documents.build(
                slug, traffic, write, token=self.engine.record().token, nonce=nonce
            )
            self._put(slug, documents.encode(made), nonce)
            self._note(slug, traffic, write)

    def present(self, slug: str) -> Present:
        """How an environment's traffic is divided, as its document says."""
        text = self._text(slug)
        return documents.parse(text) if text is not None else Present()

    def counts(self, slug: str) -> Mapping[str, RequestCounts]:
        """Requests by revision key since each first took some; none where nothing was ever
        served. Raises NoDataError."""
        if not self.engine.known:
            return {}
        return tally.counts(self.directory, slug, self.engine)

    def claimed_by(self, slug: str, rule: str) -> str | None:
        """Another environment that takes the same requests at this port."""
        others = (other for other in self._slugs() if other != slug)
        return next((other for other in others if self.present(other).rule == rule), None)

    def forget(self, slug: str) -> None:
        """Remove an environment's document; Traefik ends when it was the last. For good: the
        numbers of its writes are forgotten too."""
        if not os.path.isdir(self.directory):
            return
        with locked(self._path("lock")):
            remove(self._document(slug))
            if not self._slugs():
                # Still alone: an environment that came now would be served by what is ending.
                self.stop()

    def leave_other_ports(self, slug: str) -> None:
        """Take an environment from the edges of ports that it had before its url was changed."""
        home = os.path.dirname(self.directory)
        for port in os.listdir(home):
            path = os.path.join(home, port, "dyn", f"{slug}.yml")
            if port != str(self.place.port) and os.path.exists(path):
                Edge(os.path.dirname(home), changed(self.place, port=int(port))).forget(slug)

    def stop(self) -> None:
        """End Traefik. It comes back, as it was, with `ensure`."""
        self.engine.stop()

    def _put(self, slug: str, text: str, nonce: str) -> None:
        """Rename the document into place and see it served; else put the one before back."""
        before = self._text(slug)
        with told_when_full("the traffic was not changed"):
            replace(self._document(slug), text, through=self.directory)
        try:
            self._prove(slug, nonce)
        except EdgeFailed:
            if before is None:
                remove(self._document(slug))
            else:
                replace(self._document(slug), before, through=self.directory)
            raise

    def _prove(self, slug: str, nonce: str) -> None:
        """Ask the public port until it answers with the document's own nonce."""
        wire, token = Wire(self.place.dial, self.place.port), self.engine.record().token
        until = time.monotonic() + PROOF_S
        look_after = time.monotonic() + 0.5
        try:
            while time.monotonic() < until:
                headers = wire.headers(f"/{slug}", token)
                if headers is not None and headers.get(NONCE) == nonce:
                    return
                if headers is None and time.monotonic() > look_after:
                    self.ensure()
                    look_after = time.monotonic() + 2.0
                time.sleep(POLL_S)
        finally:
            wire.close()
        raise EdgeFailed(
            f"the edge on port {self.place.port} did not take the change within {PROOF_S:.0f} s",
            why=[*self._broken(), *self.engine.last_words()],
            fix=["orchestrate doctor", f"read {self.engine.log_path}"],
        )

    def _broken(self) -> list[str]:
        """Documents that cannot be read: one is enough to keep Traefik from taking any change."""
        return [
            f"{self._document(slug)} is broken: {present.broken}"
            for slug in self._slugs()
            if (present := self.present(slug)).broken
        ]

    def _refuse_claimed(self, slug: str, traffic: Traffic) -> None:
        other = self.claimed_by(slug, traffic.rule) if traffic.backends else None
        if other is not None:
            raise ProviderConfigInvalid(
                f"{self.place.url} is taken by another environment",
                why=[f"{other} serves the same host and port"],
                fix=["give one of them another port, or a host name of its own, in its url"],
            )

    def _note(self, slug: str, traffic: Traffic, write: Write) -> None:
        """One line for each document really written: evidence, capped."""
        append_line(
            self._path("applied.jsonl"),
            {
                "environment": slug,
                "number": write.number,
                "key": write.key,
                "shares": {b.revision.key: b.percent for b in traffic.backends},
                "fallback": traffic.fallback.revision.key if traffic.fallback else None,
                "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            },
        )

    def _text(self, slug: str) -> str | None:
        try:
            with open(self._document(slug), encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return None

    def _slugs(self) -> list[str]:
        """Environments that have a document here."""
        try:
            names = os.listdir(self._path("dyn"))
        except FileNotFoundError:
            return []
        found = [n.removesuffix(".yml") for n in names if n.endswith(".yml") and n != BASE]
        return sorted(found)

    def _document(self, slug: str) -> str:
        return self._path("dyn", f"{slug}.yml")

    def _path(self, *names: str) -> str:
        return os.path.join(self.directory, *names)


def _done(present: Present, write: Write) -> bool:
    """Whether the write was carried out already. Raises FencedOut when it may not be."""
    if write.number > present.number:
        return False
    if write.number == present.number and write.key == present.key:
        return True
    raise FencedOut(
        "a newer change of the traffic was made already; this one was not",
        why=[f"write {write.number} ({write.key}) came after {present.number} ({present.key})"],
    )
