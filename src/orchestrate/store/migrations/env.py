"""Alembic's environment: runs on the connection it is given, and sees no table but ours."""

from alembic import context

from orchestrate.store import (  # noqa: F401  each subject with tables of its own is imported here
    approvals,
    audit,
    evidence,
    identity,
    outbox,
    people,
    sealed,
    tokens,
    verification,
)
from orchestrate.store.tables import Base


def ours(
    item: object, name: str | None, kind: str, reflected: bool, compare_to: object | None
) -> bool:
    """Tables that are only in the database belong to DBOS: leave them alone."""
    return not (kind == "table" and reflected and compare_to is None)


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=True,
    user_module_prefix="sqltypes.",
    include_object=ours,
)
with context.begin_transaction():
    context.run_migrations()
