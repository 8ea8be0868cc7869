"""What the operations on secrets answer: names and versions, never a value."""

from typing import Literal

from orchestrate.tools.documents import Document, Time


class SecretDocument(Document):
    """One secret of an environment."""

    name: str
    kept_in: str
    """`orchestrate` for our own store, else such as `vault:shop/api#key`."""
    version: str | None
    """The newest one, as people read it: `v3`; None when it has no value."""
    live: str | None
    """The version that the live revision pins."""
    versions: int
    """How many of our own store are kept."""
    set_at: Time | None
    set_by: str | None
    masked: bool
    """Whether it is masked in what applications print; a short one is not."""
    given_to: Literal["application", "platform", "nobody"]


class SecretList(Document):
    schema_: Literal["orchestrate.secrets.v1"] = "orchestrate.secrets.v1"
    app: str
    environment: str
    items: list[SecretDocument]
    problem: str | None
    """Why the newest version of some could not be asked for."""
    summary: str
    next: list[str]


class SecretSet(Document):
    schema_: Literal["orchestrate.secret.v1"] = "orchestrate.secret.v1"
    app: str
    environment: str
    name: str
    version: str
    changed: bool
    """False: the newest version had that value already."""
    named: bool
    """It was added to the names of the environment."""
    warnings: list[str]
    summary: str
    next: list[str]


class SecretRemoved(Document):
    schema_: Literal["orchestrate.secret_removed.v1"] = "orchestrate.secret_removed.v1"
    app: str
    environment: str
    name: str
    versions: list[str]
    no_way_back: list[str]
    """Revisions that pinned one of them: they cannot be restored any more."""
    summary: str


class MasterKeyRotated(Document):
    schema_: Literal["orchestrate.master_key.v1"] = "orchestrate.master_key.v1"
    key: str
    """Id of the key that everything is under now."""
    kept_in: str
    rewrapped: int
    resumed: bool
    """An earlier rotation was finished; no further key was made."""
    retired: list[str]
    left: list[str]
    """Old keys that a person must take away from where they are kept."""
    summary: str
