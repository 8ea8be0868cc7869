"""Migrations (alembic), applied when the service starts. One file a revision in `versions/`."""

from pathlib import Path

import sqlalchemy as sa


def upgrade(engine: sa.Engine, revision: str = "head") -> None:
    """Bring the database to `revision`. One process at a time: PostgreSQL is locked here, and on
    SQLite the caller is the only service."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(7203119)"))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
