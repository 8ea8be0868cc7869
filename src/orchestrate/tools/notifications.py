"""What was told to whom, and a message to try it: for people, not for agents."""

from typing import Literal

from pydantic import Field

from orchestrate.core.errors import InvalidInput
from orchestrate.core.names import did_you_mean
from orchestrate.core.notification import Facts, Happening
from orchestrate.store import environments, outbox
from orchestrate.store.outbox import OutboxRow
from orchestrate.store.tables import now
from orchestrate.tools.documents import Document, Time
from orchestrate.tools.operation import Arguments, Context


class ListNotifications(Arguments):
    environment: str
    limit: int = Field(default=20, ge=1, le=200)


class TryNotification(Arguments):
    environment: str
    name: str


class NotificationDocument(Document):
    id: str
    name: str
    event: str
    deployment_id: str | None
    state: Literal["waiting", "sent", "given up"]
    attempts: int
    problem: str | None
    """What was wrong with the last attempt."""
    created_at: Time
    next_at: Time | None
    done_at: Time | None


class ConfiguredNotification(Document):
    name: str
    sink: str
    events: list[str]


class NotificationList(Document):
    schema_: Literal["orchestrate.notifications.v1"] = "orchestrate.notifications.v1"
    app: str
    environment: str
    configured: list[ConfiguredNotification]
    items: list[NotificationDocument]
    """Newest first."""


def list_notifications(context: Context, given: ListNotifications) -> NotificationList:
    """Who is told of what in an environment, and what became of the newest messages."""
    with context.service.store.session() as session:
        row = environments.find(session, given.environment)
        environment = environments.as_environment(row)
        rows = outbox.newest(session, row.id or 0, given.limit)
    return NotificationList(
        app=row.app,
        environment=row.name,
        configured=[
            ConfiguredNotification(
                name=each.name, sink=each.sink.kind, events=[event.value for event in each.events]
            )
            for each in environment.notifications
        ],
        items=[_document(each) for each in rows],
    )


def try_notification(context: Context, given: TryNotification) -> NotificationList:
    """Send a message that says it is a trial."""
    with context.service.store.session() as session:
        row = environments.find(session, given.environment)
        environment = environments.as_environment(row)
        names = [each.name for each in environment.notifications]
        if given.name not in names:
            meant = did_you_mean(given.name, names)
            raise InvalidInput(
                f"{row.name} has no notification {given.name[:40]!r}",
                why=[f"it has {', '.join(names)}"] if names else ["it has none"],
                fix=[f"did you mean {meant[0]}?"] if meant else ["add it to orchestrate.yaml"],
            )
        facts = Facts(
            event=Happening.TRIAL,
            app=row.app,
            environment=row.name,
            environment_type=row.type,
            deployment="d0",
            kind="deploy",
            phase="succeeded",
            from_version=None,
            to_version="-",
            serving=None,
            result=None,
            problem=None,
            plan_digest="sha256:" + "0" * 64,
            actor=context.caller.actor,
            on_behalf_of=context.caller.on_behalf_of,
            untrusted_reason=None,
            at=now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        )
        data = facts.model_dump(mode="json")
        outbox.put(session, row.id or 0, None, given.name, Happening.TRIAL, data)
    return list_notifications(context, ListNotifications(environment=given.environment, limit=1))


def _document(row: OutboxRow) -> NotificationDocument:
    done = row.done_at is not None
    return NotificationDocument(
        id=f"n{row.id}",
        name=row.name,
        event=row.event,
        deployment_id=f"d{row.deployment}" if row.deployment else None,
        state="sent" if row.sent else "given up" if done else "waiting",
        attempts=row.attempts,
        problem=row.problem,
        created_at=row.created_at,
        next_at=None if done else row.next_at,
        done_at=row.done_at,
    )
