"""What an operation is, and what it is given besides its arguments."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue

from orchestrate.core.audit import AuditEvent, Outcome
from orchestrate.core.identity import Principal, Role
from orchestrate.engine.anchor import Anchor
from orchestrate.engine.changes import Changes
from orchestrate.engine.credentials import Credentials
from orchestrate.engine.site import Place
from orchestrate.engine.worker import Worker
from orchestrate.store.database import Store
from orchestrate.tools.documents import Document


@dataclass(frozen=True)
class Service:
    """The running service."""

    home: Path
    store: Store
    worker: Worker
    changes: Changes
    version: str
    started_at: datetime
    anchor: Anchor
    credentials: Credentials
    idle_exit_s: float | None = None
    read_only: bool = False
    """Started with --read-only: nothing is changed on anybody's behalf."""
    alarm: tuple[str, ...] = ()
    """What is wrong with the audit trail: nothing is changed until it was accepted."""
    stop: Callable[[], None] = lambda: None

    @property
    def place(self) -> Place:
        return Place(self.home, self.store)


@dataclass(frozen=True)
class Caller:
    """Who asks, as the door established it; never an argument of the call.

    `actor` is the program (an agent's name, or the person's own at the CLI); `on_behalf_of` the
    person whose agent it is, None for a person.
    """

    principal: Principal
    door: Literal["mcp", "rest", "http"] = "rest"
    progress: Callable[[float, float, str], Awaitable[None]] | None = None
    """Report progress: done, of, what."""
    request_id: str | None = None
    """Names this call in the trail, in the service's log and in an error."""

    @property
    def actor(self) -> str:
        return self.principal.name

    @property
    def on_behalf_of(self) -> str | None:
        return self.principal.person if self.principal.kind == "agent" else None

    def event(
        self, action: str, subject: str, outcome: Outcome = "ok", /, **details: JsonValue
    ) -> AuditEvent:
        """An event of this call: who, through which door, by which credential."""
        principal = self.principal
        return AuditEvent(
            action=action,
            actor=principal.name,
            on_behalf_of=self.on_behalf_of,
            person=principal.person,
            subject=subject,
            outcome=outcome,
            details={"door": self.door, "credential": principal.credential, **details},
            request_id=self.request_id,
        )


@dataclass(frozen=True)
class Context:
    service: Service
    caller: Caller


class Arguments(BaseModel):
    """Base of the arguments: an argument that is not known is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


A = TypeVar("A", bound=Arguments)
D = TypeVar("D", bound=Document)
Toolset = Literal["read", "deploy", "approve", "setup", "service"]


@dataclass(frozen=True)
class Hints:
    """What a client may assume of an operation; all four are stated for each."""

    read_only: bool
    destructive: bool
    idempotent: bool
    open_world: bool


READ = Hints(read_only=True, destructive=False, idempotent=True, open_world=False)
SET = Hints(read_only=False, destructive=True, idempotent=True, open_world=False)
LOOK = Hints(read_only=True, destructive=False, idempotent=True, open_world=True)
"""Reads, and asks the platform."""
PREPARE = Hints(read_only=False, destructive=False, idempotent=True, open_world=True)
ASK = Hints(read_only=False, destructive=False, idempotent=True, open_world=False)
"""Asks people, and decides nothing."""
ACT = Hints(read_only=False, destructive=True, idempotent=True, open_world=True)


@dataclass(frozen=True)
class Operation(Generic[A, D]):
    """One operation, from which every door makes its face."""

    name: str
    title: str
    run: Callable[[Context, A], D] | Callable[[Context, A], Awaitable[D]]
    arguments: type[A]
    document: type[D]
    rest: tuple[Literal["GET", "POST", "DELETE"], str]
    """Method and path; `{name}` parts of the path are arguments of the same name."""
    toolset: Toolset
    hints: Hints
    role: Role
    """What whoever asks must be allowed to do."""
    mcp: bool = True
    """Whether agents have it."""
    whole: bool = False
    """It is about the whole service: refused to whoever is limited to some environments."""
    records: bool = False
    """It appends its own events, in the transaction of what it does. For the others that are not
    read-only the door records that they were called; what is refused it records for all."""
    always: bool = False
    """It is there when nothing may be changed, too: with --read-only and after an alarm."""
    people: type[A] | None = None
    """Arguments of the doors for people, where they can say more than an agent can."""

    @property
    def description(self) -> str:
        """For the model: the docstring of the function, in one paragraph."""
        return " ".join((self.run.__doc__ or "").split())
