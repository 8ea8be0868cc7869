"""Tables of what is sealed: versions of secrets, the root of subkeys, and the master keys' ids."""

from datetime import datetime

from sqlalchemy import BigInteger, Column, Index, LargeBinary
from sqlmodel import Field

from orchestrate.store.sealing import Sealed
from orchestrate.store.tables import Base, now


class SecretRow(Base, table=True):
    """One version of one secret. Its value never changes; a removed one has lost it for good."""

    __tablename__ = "secret_versions"
    __table_args__ = (
        Index("uq_secret_versions_version", "environment_id", "name", "version", unique=True),
        Index("ix_secret_versions_kid", "kid", "id"),
    )

    id: int | None = Field(default=None, primary_key=True)
    environment_id: int = Field(foreign_key="environments.id")
    name: str
    version: int
    created_at: datetime = Field(default_factory=now)
    created_by: str
    removed_at: datetime | None = None
    removed_by: str | None = None
    short: bool = False
    """Too short to be masked in what applications print."""
    v: int | None = None
    alg: str | None = None
    kid: str | None = None
    commit: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    wrap_nonce: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    wrap: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    nonce: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    ct: bytes | None = Field(default=None, sa_column=Column(LargeBinary))


class RootRow(Base, table=True):
    """The secret that subkeys are derived from: it stays when the master key is rotated."""

    __tablename__ = "root_secrets"

    name: str = Field(primary_key=True)
    created_at: datetime = Field(default_factory=now)
    v: int
    alg: str
    kid: str
    commit: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    wrap_nonce: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    wrap: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    nonce: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    ct: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class MasterKeyRow(Base, table=True):
    """A master key that was used here, by its id. Only a key of AWS KMS is in the store, and that
    as KMS encrypted it."""

    __tablename__ = "master_keys"

    kid: str = Field(primary_key=True)
    source: str
    wraps: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    """Times it has sealed something: the nonces are random, so it may not be used for ever."""
    created_at: datetime = Field(default_factory=now)
    retired_at: datetime | None = None
    """Nothing is under it any more, and nothing may be."""
    reference: str | None = None
    """The key of KMS that `wrapped` is under."""
    wrapped: bytes | None = Field(default=None, sa_column=Column(LargeBinary))


_PARTS = ("v", "alg", "kid", "commit", "wrap_nonce", "wrap", "nonce", "ct")


def envelope(row: SecretRow | RootRow) -> Sealed | None:
    """What a row keeps of its value; None when it was removed."""
    parts = {name: getattr(row, name) for name in _PARTS}
    return None if any(part is None for part in parts.values()) else Sealed(**parts)


def enclose(row: SecretRow | RootRow, sealed: Sealed) -> None:
    """Put another envelope of the same value into its row."""
    for name in _PARTS:
        setattr(row, name, getattr(sealed, name))


def erase(row: SecretRow) -> None:
    """Take the value out of a row, for good."""
    for name in _PARTS:
        setattr(row, name, None)
