"""People who approve: with SSH keys that ssh-keygen made, and with passphrases."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrate.core.approval import NAMESPACE, Decision, Statement
from orchestrate.core.identity import Role
from orchestrate.engine import factors, sshsig
from orchestrate.store import approvers, people
from orchestrate.store.database import Session, Store
from tests.support.api import Api, Json
from tests.support.real import need_program
from tests.support.waiting import eventually

ASKER = "ops"
"""Whoever runs the tests, once there are people."""


@dataclass(frozen=True)
class Person:
    """Somebody with a key of their own."""

    name: str
    key: Path

    @property
    def public_key(self) -> str:
        return self.key.with_suffix(".pub").read_text(encoding="utf-8").strip()

    @property
    def fingerprint(self) -> str:
        return sshsig.fingerprint(sshsig.public_blob(self.public_key))

    def sign(self, text: str, namespace: str = NAMESPACE) -> str:
        return sign(self.key, text, namespace)

    def decide(self, api: Api, approval: str, decision: str = "approve", **more: object) -> Json:
        """Sign what the request says, and send it."""
        shown = api.call("GET", f"/api/approvals/{approval}")
        signature = self.sign(text_of(shown, decision))
        body = {"plan": shown["plan_digest"], "signature": signature, **more}
        return api.call("POST", f"/api/approvals/{approval}/{decision}", body)


def person(directory: Path, name: str, kind: str = "ed25519", bits: int | None = None) -> Person:
    """Somebody with a new key in `directory`; nobody knows them yet."""
    need_program("ssh-keygen", "apt-get install openssh-client")
    key = directory / f"{name}-{kind}"
    size = ["-b", str(bits)] if bits else []
    subprocess.run(
        ["ssh-keygen", "-q", "-t", kind, *size, "-N", "", "-C", name, "-f", str(key)], check=True
    )
    return Person(name, key)


def sign(key: Path, text: str, namespace: str = NAMESPACE) -> str:
    """What `ssh-keygen -Y sign` says."""
    done = subprocess.run(
        ["ssh-keygen", "-q", "-Y", "sign", "-f", str(key), "-n", namespace],
        input=text.encode(),
        capture_output=True,
        check=True,
    )
    return done.stdout.decode()


def text_of(document: Json, decision: str = "approve") -> str:
    """The text that is signed, from what is shown of a request."""
    return Statement.model_validate(document["signed"]).text(Decision(decision))


def register(
    store: Store,
    someone: Person,
    roles: Sequence[Role] = (Role.APPROVER,),
    environments: Sequence[str] = (),
) -> None:
    """Let somebody approve with their key. Whoever runs the tests deploys and administers."""
    with store.session() as session:
        _put(session, ASKER, (Role.DEPLOYER, Role.ADMIN))
        _put(session, someone.name, roles, environments)
        people.add_key(session, someone.name, someone.fingerprint, someone.public_key)


def set_roles(
    store: Store, someone: Person, roles: Sequence[Role], environments: Sequence[str] = ()
) -> None:
    with store.session() as session:
        _put(session, someone.name, roles, environments)


def _put(
    session: Session,
    name: str,
    roles: Sequence[Role],
    environments: Sequence[str] = (),
) -> None:
    uids = [os.geteuid()] if name == ASKER else []
    people.put(session, name, roles=roles, environments=environments, uids=uids, by="tests")


def set_passphrase(store: Store, name: str, passphrase: str) -> None:
    with store.session() as session:
        approvers.set_passphrase(session, name, factors.hashed(passphrase))


def asked(api: Api, deployment: str) -> str:
    """The request that a deployment waits for."""

    def look() -> Mapping[str, object] | None:
        found = api.get(deployment).document["approval"]
        return found if isinstance(found, dict) else None

    return str(eventually(look)["id"])


def store_of(home: Path) -> Store:
    """The store of a service, beside it."""
    return Store(f"sqlite:///{home / 'orchestrate.db'}")
