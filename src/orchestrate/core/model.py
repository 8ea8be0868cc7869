"""The base of the core's records."""

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """Frozen, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
