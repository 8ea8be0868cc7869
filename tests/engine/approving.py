"""A deployment that waits for people, in a store of its own, without a service."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrate.core.approval import Approvals, Decision
from orchestrate.core.errors import Cancelled
from orchestrate.core.identity import Principal, Role
from orchestrate.engine import journal
from orchestrate.engine.approving import Approving, held, withdraw
from orchestrate.engine.deciding import Decided, Deciding, Wish
from orchestrate.engine.factors import Factors, Given
from orchestrate.engine.requesting import statement_of
from orchestrate.engine.seal import Seal
from orchestrate.store import approvals, deployments, environments, tokens
from orchestrate.store.database import Store
from tests.support.approvers import Person, person, register
from tests.support.records import deploy, environment

BEGAN = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


@dataclass
class Clock:
    """A clock that only moves when it is told to, forwards or back."""

    at: datetime = BEGAN

    def __call__(self) -> datetime:
        return self.at

    def move(self, **by: float) -> None:
        self.at += timedelta(**by)


@dataclass
class Waiting:
    """A deployment of `lee`'s agent that waits for people, in a store of its own."""

    store: Store
    home: Path
    environment: int
    people: dict[str, Person]
    clock: Clock = field(default_factory=Clock)
    seq: int = 0
    digest: str = ""

    @property
    def approving(self) -> Approving:
        return Approving(Seal(self.home), self.clock)

    @property
    def deciding(self) -> Deciding:
        return Deciding(self.store, Seal(self.home), Factors(self.store), self.clock)

    def ask(self, rule: Approvals, person: str = "lee", glass: str | None = None) -> None:
        with self.store.session() as session:
            row = environments.get(session, self.environment)
            row.rules = {"approvals": rule.model_dump(mode="json")}
            session.add(row)
            self.seq = deploy(session, self.environment, "1.0.0", actor="claude")
            deployment = deployments.get(session, self.seq)
            deployment.needs_approval, deployment.person = True, person
            deployment.on_behalf_of, deployment.break_glass = person, glass
            deployment.deadline_at = self.clock() + timedelta(minutes=30)
            session.add(deployment)
            self.digest = deployment.plan_digest
            journal.open_deployment(session, self.seq)
            self.approving.ask(session, self.seq)

    def decide(
        self,
        name: str,
        decision: Decision = Decision.APPROVE,
        principal: Principal | None = None,
        signed: str | None = None,
    ) -> Decided:
        given = Given(signature=signed or self.signature(name, decision))
        wish = Wish(self.name, decision, self.digest, None, given)
        return self.deciding.decide(principal or Principal("x", "x"), wish)

    def by_token(self, name: str, decision: Decision = Decision.APPROVE) -> Decided:
        roles = frozenset({Role.APPROVER})
        principal = Principal(f"{name}-laptop", name, "person", roles, (), f"token:{name}")
        wish = Wish(self.name, decision, self.digest, None, Given())
        return self.deciding.decide(principal, wish)

    def signature(self, name: str, decision: Decision = Decision.APPROVE) -> str:
        with self.store.session() as session:
            text = statement_of(session, approvals.find(session, self.name)).text(decision)
        return self.people[name].sign(text)

    @property
    def name(self) -> str:
        with self.store.session() as session:
            found = approvals.of_deployment(session, self.seq)
            assert found is not None
            return found.name

    @property
    def state(self) -> str:
        with self.store.session() as session:
            return approvals.find(session, self.name).state

    @property
    def phase(self) -> str:
        with self.store.session() as session:
            return deployments.get(session, self.seq).phase

    def look(self) -> dict[str, object]:
        with self.store.session() as session:
            return dict(self.approving.look(session, self.seq))

    def begin(self, digest: str | None = None) -> dict[str, object]:
        with self.store.session() as session:
            return dict(self.approving.begin(session, self.seq, digest or self.digest))

    def cancel(self) -> bool:
        with self.store.session() as session:
            return withdraw(session, held(session, self.seq), Cancelled("enough"), by="lee")


@pytest.fixture(scope="module")
def persons(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Person]:
    place = tmp_path_factory.mktemp("keys")
    return {name: person(place, name) for name in ("dana", "erin", "lee")}


@pytest.fixture
def waiting(tmp_path: Path, persons: dict[str, Person]) -> Iterator[Waiting]:
    store = Store(f"sqlite:///{tmp_path / 'store.db'}")
    store.migrate()
    with store.session() as session:
        identity = environments.put(session, environment()).id or 0
    for someone in persons.values():
        register(store, someone)
        with store.session() as session:
            session.add(_token(someone.name))
    yield Waiting(store, tmp_path, identity, persons)
    store.close()


def _token(person: str) -> tokens.TokenRow:
    """A token of a person; nobody shows it here, and what it may do is read from its record."""
    return tokens.TokenRow(
        id=person,
        mac="",
        person=person,
        label="laptop",
        role=Role.APPROVER.value,
        environments=[],
        created_by="tests",
        expires_at=datetime.now(UTC) + timedelta(days=1),
    )
