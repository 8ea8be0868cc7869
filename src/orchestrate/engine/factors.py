"""How an approver proves who they are: an SSH signature, a token, a passphrase.

Never the socket's user id alone: whoever can start a program as that user, an agent's shell among
them, has it too.
"""

import os
import threading
import time
from collections import defaultdict, deque
from dataclasses import dataclass

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from orchestrate.core.approval import NAMESPACE, Decision, Factor, Statement, person_key
from orchestrate.core.errors import (
    ApprovalInvalid,
    InvalidInput,
    NotApprover,
    RateLimited,
)
from orchestrate.core.identity import Principal
from orchestrate.engine import sshsig
from orchestrate.store import approvers
from orchestrate.store.approvers import Standing
from orchestrate.store.database import Store

ITERATIONS, MEMORY_KIB, LANES, SALT, LENGTH = 3, 65536, 1, 16, 32
"""argon2id: 64 MiB, some 0.2 s."""
AT_ONCE = 2
"""Passphrases that are checked at the same time: each takes 64 MiB."""
TRIES, TRIES_S = 5, 900.0
"""Wrong passphrases of one person before the next must wait, and for how long they count."""
PLACES = 4096
SHORTEST_PASSPHRASE, LONGEST_PASSPHRASE = 12, 1024
_PHC = f"$argon2id$v=19$m={MEMORY_KIB},t={ITERATIONS},p={LANES}$"

_slots = threading.BoundedSemaphore(AT_ONCE)


@dataclass(frozen=True)
class Given:
    """What came with a decision to prove who decides."""

    signature: str | None = None
    person: str | None = None
    passphrase: str | None = None


@dataclass(frozen=True)
class Proof:
    """Who decides, and by what that is known."""

    standing: Standing
    factor: Factor
    credential: str
    signature: str | None = None


class Factors:
    """Proves who decides."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._tries: defaultdict[int, deque[float]] = defaultdict(deque)
        self._lock = threading.Lock()

    def prove(
        self, principal: Principal, given: Given, statement: Statement, decision: Decision
    ) -> Proof:
        """The one who decides. Raises NotApprover, ApprovalInvalid, RateLimited, InvalidInput."""
        if given.signature is not None and given.passphrase is not None:
            raise InvalidInput("a signature and a passphrase", fix=["give one of them"])
        if given.signature is not None:
            return self._by_signature(given.signature, statement.text(decision))
        if given.passphrase is not None:
            return self._by_passphrase(given.person, given.passphrase)
        if principal.credential.startswith("token:"):
            standing = Standing(principal.person, principal.roles, principal.environments)
            return Proof(standing, Factor.TOKEN, principal.credential)
        raise NotApprover(
            "nothing proves who decides here",
            why=[f"{principal.name} is known by {_how(principal)}: every program of theirs has it"],
            fix=[
                "sign with a registered key: orchestrate approvals approve ID --key FILE",
                "or give a passphrase: --passphrase --as NAME, or an approver's token",
            ],
        )

    def _by_signature(self, armoured: str, text: str) -> Proof:
        signature = sshsig.parse(armoured)
        with self._store.session() as session:
            owner = approvers.key(session, signature.fingerprint)
            credential = f"ssh:{signature.fingerprint}"
            standing = approvers.standing(session, owner, credential) if owner else None
        if standing is None:
            raise NotApprover(
                "the key that signed is nobody's here",
                why=[f"it is {signature.fingerprint}"],
                fix=["an admin registers it: orchestrate auth add NAME --role approver --key FILE"],
            )
        sshsig.verify(signature, text, NAMESPACE)
        return Proof(standing, Factor.SSH, credential, armoured)

    def _by_passphrase(self, person: str | None, passphrase: str) -> Proof:
        if not person:
            raise InvalidInput("whose passphrase is it?", fix=["say so: --as NAME"])
        tries = self._take_a_try(person)
        with self._store.session() as session:
            phc = approvers.passphrase(session, person)
        # Somebody who is not known costs the same time as somebody who is.
        right = matches(passphrase, phc or _nobody())
        if phc is None or not right:
            raise NotApprover("the person or the passphrase is wrong", fix=["try again"])
        self._forget(tries)
        with self._store.session() as session:
            if not phc.startswith(_PHC):
                approvers.set_passphrase(session, person, hashed(passphrase))
            standing = approvers.standing(session, person, "passphrase")
        if standing is None:
            raise NotApprover("the person or the passphrase is wrong", fix=["try again"])
        return Proof(standing, Factor.PASSPHRASE, "passphrase")

    def _forget(self, tries: deque[float]) -> None:
        with self._lock:  # another try may be counted just now
            tries.clear()

    def _take_a_try(self, person: str) -> deque[float]:
        """Count a try before it is looked at, so that many at once are not one. One person's wrong
        tries keep nobody else out: names fall into places that nobody can foretell."""
        with self._lock:
            tries = self._tries[hash(person_key(person)) % PLACES]
            while tries and time.monotonic() - tries[0] > TRIES_S:
                tries.popleft()
            if len(tries) >= TRIES:
                wait = TRIES_S - (time.monotonic() - tries[0])
                raise RateLimited(
                    f"{TRIES} wrong passphrases for one person",
                    why=["the next one is looked at later, right or wrong"],
                    fix=["wait, or sign with a key"],
                    retry_after_s=round(wait, 1),
                )
            tries.append(time.monotonic())
            return tries


def verify_signature(armoured: str, credential: str, text: str) -> None:
    """A recorded signature, once more: of the key it is recorded with. Raises ApprovalInvalid."""
    signature = sshsig.parse(armoured)
    if credential != f"ssh:{signature.fingerprint}":
        raise ApprovalInvalid("the signature is of another key than its record says")
    sshsig.verify(signature, text, NAMESPACE)


def hashed(passphrase: str) -> str:
    """A passphrase as it is kept. Raises InvalidInput for one that is too short to be one."""
    if not SHORTEST_PASSPHRASE <= len(passphrase) <= LONGEST_PASSPHRASE:
        raise InvalidInput(
            f"a passphrase has {SHORTEST_PASSPHRASE} to {LONGEST_PASSPHRASE} characters",
            fix=["take several words"],
        )
    return _argon2().derive_phc_encoded(passphrase.encode())


def matches(passphrase: str, phc: str) -> bool:
    """Whether it is the passphrase of this hash; with whatever parameters that was made."""
    if len(passphrase) > LONGEST_PASSPHRASE:
        return False
    with _slots:
        try:
            Argon2id.verify_phc_encoded(passphrase.encode(), phc)
        except InvalidKey:
            return False
    return True


def _argon2() -> Argon2id:
    return Argon2id(
        salt=os.urandom(SALT),
        length=LENGTH,
        iterations=ITERATIONS,
        lanes=LANES,
        memory_cost=MEMORY_KIB,
    )


_nobody_phc: list[str] = []


def _nobody() -> str:
    """The hash of a passphrase that nobody has."""
    if not _nobody_phc:
        with _slots:
            _nobody_phc.append(_argon2().derive_phc_encoded(b"\0 nobody"))
    return _nobody_phc[0]


def _how(principal: Principal) -> str:
    return "the user id of a process" if principal.credential == "socket" else "a session"
