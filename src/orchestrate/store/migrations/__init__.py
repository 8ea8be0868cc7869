"""Migrations (alembic), applied when the service starts. One file a revision in `versions/`."""

from pathlib import Path

import sqlalchemy as sa


def upgrade(engine: sa.Engine, revision: str = "head") -> None:
    """Bring the database to `revision`, in one transaction: a process that is killed leaves it as
    it was. One process at a time: PostgreSQL is locked here, and on SQLite the caller is the only
    service."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(7203119)"))
        else:
            # Python's sqlite3 begins a transaction for rows alone; a table would be there at once.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
