"""The documents of secrets, migrations and notifications, as this client reads them."""

from typing import Literal, TypedDict


class Secret(TypedDict):
    name: str
    kept_in: str
    version: str | None
    live: str | None
    versions: int
    set_at: str | None
    set_by: str | None
    masked: bool
    given_to: Literal["application", "platform", "nobody"]


class SecretList(TypedDict):
    app: str
    environment: str
    items: list[Secret]
    problem: str | None
    summary: str
    next: list[str]


class SecretSet(TypedDict):
    app: str
    environment: str
    name: str
    version: str
    changed: bool
    named: bool
    warnings: list[str]
    summary: str
    next: list[str]


class SecretRemoved(TypedDict):
    app: str
    environment: str
    name: str
    versions: list[str]
    no_way_back: list[str]
    summary: str


class MasterKeyRotated(TypedDict):
    key: str
    kept_in: str
    rewrapped: int
    resumed: bool
    retired: list[str]
    left: list[str]
    summary: str


class Migration(TypedDict):
    name: str
    phase: str
    applied: bool


class Migrations(TypedDict):
    environment: str
    version: str | None
    items: list[Migration]
    summary: str
    next: list[str]


class ConfiguredNotification(TypedDict):
    name: str
    sink: str
    events: list[str]


class Notification(TypedDict):
    id: str
    name: str
    event: str
    deployment_id: str | None
    state: str
    attempts: int
    problem: str | None
    created_at: str


class NotificationList(TypedDict):
    app: str
    environment: str
    configured: list[ConfiguredNotification]
    items: list[Notification]
