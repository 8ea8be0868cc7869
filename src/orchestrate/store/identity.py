"""Which store this is: facts that are set once, when the schema is made, and never change."""

import secrets

from sqlmodel import Field, Session

from orchestrate.store.database import begin_writing
from orchestrate.store.tables import Base

STORE_ID = "store_id"


class FactRow(Base, table=True):
    """A fact about the whole store."""

    __tablename__ = "facts"

    name: str = Field(primary_key=True)
    value: str


def store_id(session: Session) -> str:
    """The store's id, 32 hexadecimal characters: what is signed for one store is worthless in
    another. Made when it is first asked for."""
    row = session.get(FactRow, STORE_ID)
    if row is None:
        begin_writing(session)
        row = session.get(FactRow, STORE_ID) or FactRow(name=STORE_ID, value=secrets.token_hex(16))
        session.add(row)
        session.flush()
    return row.value
