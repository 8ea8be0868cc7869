"""Which store this is: facts that are set once, when the schema is made, and never change."""

from sqlmodel import Field, Session

from orchestrate.core.errors import StoreDamaged
from orchestrate.store.tables import Base

STORE_ID = "store_id"


class FactRow(Base, table=True):
    """A fact about the whole store."""

    __tablename__ = "facts"

    name: str = Field(primary_key=True)
    value: str


def store_id(session: Session) -> str:
    """The store's id, 32 hexadecimal characters: what is sealed or signed for one store is
    worthless in another. Raises StoreDamaged when somebody took it away."""
    row = session.get(FactRow, STORE_ID)
    if row is None:
        raise StoreDamaged(
            "the store has no id",
            why=["it is made with the schema, so somebody deleted it"],
            fix=["restore the database from a backup"],
        )
    return row.value
