"""Notifications: who is told of what, and the words of it.

What belongs here: the settings and the message as data. What does not: sending (providers) and
remembering what was sent (store).
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from orchestrate.core import words
from orchestrate.core.model import Model
from orchestrate.core.untrusted import clean

NOT_BEGUN = "refused"
"""The phase, in a message, of what was refused before it became a deployment."""
LONGEST_REASON = 500
"""Characters of somebody's reason that are passed on."""


class Happening(StrEnum):
    """What people can be told of."""

    STARTED = "started"
    WAITING = "waiting_for_approval"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """Ended before anything was changed: a check failed, a person said no, nobody said yes."""
    CANCELLED = "cancelled"
    ROLLED_BACK = "rolled_back"
    """Taken back by itself, or by a rollback that somebody asked for."""
    ROLLBACK_FAILED = "rollback_failed"
    FROZEN = "frozen"
    """A closed window or a freeze keeps a deployment out, or holds one that runs."""
    TRIAL = "trial"
    """Somebody tries whether messages arrive. Nobody chooses it: it is always told."""


CHOICES = tuple(each for each in Happening if each is not Happening.TRIAL)
USUAL = tuple(each for each in CHOICES if each is not Happening.STARTED)
"""What is told where nothing is chosen."""

Header = Annotated[str, Field(pattern=r"^[^\r\n]{1,200}$")]


class Webhook(Model):
    """A POST of JSON. The address is written plainly, or is a secret where it holds a token."""

    kind: Literal["webhook"] = "webhook"
    url: str | None = None
    url_secret: str | None = None
    format: Literal["json", "slack", "teams"] = "json"
    sign_with: str | None = None
    """Secret that signs the body (HMAC-SHA256), so that the receiver knows who sent it."""


class Mail(Model):
    """Mail over SMTP."""

    kind: Literal["mail"] = "mail"
    host: str
    port: int = Field(default=587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str | None = None
    password_secret: str | None = None
    sender: Header
    to: tuple[Header, ...] = Field(min_length=1, max_length=50)


class Apprise(Model):
    """Any of the services that the package apprise knows; its URL holds tokens."""

    kind: Literal["apprise"] = "apprise"
    url_secret: str


Sink = Annotated[Webhook | Mail | Apprise, Field(discriminator="kind")]


class Notification(Model):
    """One line of an environment's `notifications`."""

    name: str
    events: tuple[Happening, ...] = USUAL
    sink: Sink

    @property
    def secrets(self) -> tuple[str, ...]:
        """Names of the secrets that sending it needs. They are not the application's."""
        match self.sink:
            case Webhook(url_secret=url, sign_with=key):
                return tuple(name for name in (url, key) if name)
            case Mail(password_secret=password):
                return (password,) if password else ()
            case Apprise(url_secret=url):
                return (url,)


class Facts(Model):
    """What is told, as it was when it happened."""

    event: Happening
    app: str
    environment: str
    environment_type: str
    deployment: str
    kind: str
    phase: str
    from_version: str | None
    to_version: str
    serving: str | None
    result: str | None
    problem: str | None
    """The error's message."""
    plan_digest: str
    actor: str
    on_behalf_of: str | None
    untrusted_reason: str | None
    """Why it was asked for, in somebody's own words."""
    at: str
    """RFC 3339, UTC."""


class Message(Model):
    """What a reader gets, in the words of every other door."""

    title: str
    lines: tuple[tuple[str, str], ...]
    """Name and text. The text of `reason` is somebody's own: data."""
    next: str
    """The command to go on with."""

    @property
    def text(self) -> str:
        """All of it, as plain text."""
        body = [f"{name:<10} {text}" for name, text in self.lines]
        return "\n".join([self.title, "", *body, "", self.next])


def message(facts: Facts) -> Message:
    """The words for `facts`."""
    where = f"{facts.app}/{facts.environment}"
    lines = [
        ("change", words.change(facts.from_version, facts.to_version)),
        ("asked by", words.actor({"actor": facts.actor, "on_behalf_of": facts.on_behalf_of})),
        ("plan", facts.plan_digest.removeprefix("sha256:")[:12]),
    ]
    if facts.problem:
        lines.append(("why", one_line(facts.problem)))
    if facts.untrusted_reason:
        lines.append(("reason", one_line(facts.untrusted_reason)))
    lines.append(("at", facts.at))
    return Message(
        title=f"{_mark(facts)} {where}: {facts.deployment} {_sentence(facts)}",
        lines=tuple(lines),
        next=_next(facts),
    )


def one_line(text: str) -> str:
    """Text that can neither begin a line of its own nor hide anything."""
    return " ".join(clean(text, limit=LONGEST_REASON).split())


def _mark(facts: Facts) -> str:
    if facts.event in (Happening.FROZEN, Happening.TRIAL):
        return words.WANTS.mark
    return words.PHASES[facts.phase].mark


def _sentence(facts: Facts) -> str:
    if facts.event is Happening.TRIAL:
        return "is a trial of this notification: nothing was deployed"
    if facts.event is Happening.FROZEN:
        moved = words.change(facts.from_version, facts.to_version)
        kept = "held" if facts.phase not in ("failed", NOT_BEGUN) else "kept out"
        return f"is {kept} by a closed window: {moved}"
    return words.deployment_summary(
        kind=facts.kind,
        phase=facts.phase,
        environment=facts.environment,
        from_version=facts.from_version,
        to_version=facts.to_version,
        serving=facts.serving,
        result=facts.result,
    )


def _next(facts: Facts) -> str:
    match facts.event:
        case Happening.FROZEN if facts.phase == NOT_BEGUN:
            return f"orchestrate deploy validate --env {facts.app}/{facts.environment}"
        case Happening.WAITING:
            return "orchestrate approvals list"
        case Happening.ROLLBACK_FAILED:
            return f"orchestrate deploy status --env {facts.app}/{facts.environment}"
        case Happening.FAILED | Happening.ROLLED_BACK if facts.kind == "deploy":
            return f"orchestrate deploy logs {facts.deployment}"
        case _:
            return f"orchestrate deploy status {facts.deployment}"
