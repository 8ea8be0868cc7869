"""What changing and deleting environments answers."""

from typing import Literal

from pydantic import JsonValue

from orchestrate.tools.documents import Document


class FieldChange(Document):
    field: str
    before: JsonValue
    after: JsonValue


class EnvironmentChange(Document):
    app: str
    name: str
    action: Literal["create", "change", "unchanged"]
    changes: list[FieldChange]


class EnvironmentChanges(Document):
    schema_: Literal["orchestrate.environment_changes.v1"] = "orchestrate.environment_changes.v1"
    applied: bool
    items: list[EnvironmentChange]


class DeletedEnvironment(Document):
    schema_: Literal["orchestrate.deleted.v1"] = "orchestrate.deleted.v1"
    app: str
    name: str
    archived: bool
    """It had a history, which is kept."""
