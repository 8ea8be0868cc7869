"""What every document of an operation has: how it is written as JSON, and its times."""

from datetime import datetime
from typing import Annotated

from pydantic import (
    AliasGenerator,
    BaseModel,
    ConfigDict,
    JsonValue,
    PlainSerializer,
    TypeAdapter,
)


def _rfc3339(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


Time = Annotated[datetime, PlainSerializer(_rfc3339, return_type=str)]


def _plain(name: str) -> str:
    """`schema_` is written `schema`: the bare name belongs to pydantic."""
    return name.rstrip("_")


class Document(BaseModel):
    model_config = ConfigDict(
        frozen=True, alias_generator=AliasGenerator(serialization_alias=_plain)
    )

    def as_json(self) -> dict[str, JsonValue]:
        """The document as every door hands it out."""
        return TypeAdapter(dict[str, JsonValue]).validate_python(
            self.model_dump(mode="json", by_alias=True)
        )
