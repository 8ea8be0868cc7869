"""secrets, the root of subkeys, and master keys by their ids"""

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql import sqltypes

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "master_keys",
        sa.Column("kid", sqltypes.AutoString(), nullable=False),
        sa.Column("source", sqltypes.AutoString(), nullable=False),
        sa.Column("wraps", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sqltypes.UTCDateTime(), nullable=False),
        sa.Column("retired_at", sqltypes.UTCDateTime(), nullable=True),
        sa.Column("reference", sqltypes.AutoString(), nullable=True),
        sa.Column("wrapped", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("kid", name=op.f("pk_master_keys")),
    )
    op.create_table(
        "root_secrets",
        sa.Column("name", sqltypes.AutoString(), nullable=False),
        sa.Column("created_at", sqltypes.UTCDateTime(), nullable=False),
        *_envelope(nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_root_secrets")),
    )
    op.create_table(
        "secret_versions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("name", sqltypes.AutoString(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sqltypes.UTCDateTime(), nullable=False),
        sa.Column("created_by", sqltypes.AutoString(), nullable=False),
        sa.Column("removed_at", sqltypes.UTCDateTime(), nullable=True),
        sa.Column("removed_by", sqltypes.AutoString(), nullable=True),
        sa.Column("short", sa.Boolean(), nullable=False),
        *_envelope(nullable=True),
        sa.ForeignKeyConstraint(
            ["environment_id"],
            ["environments.id"],
            name=op.f("fk_secret_versions_environment_id_environments"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_secret_versions")),
    )
    with op.batch_alter_table("secret_versions", schema=None) as table:
        table.create_index(
            "uq_secret_versions_version", ["environment_id", "name", "version"], unique=True
        )
        table.create_index("ix_secret_versions_kid", ["kid", "id"])


def _envelope(nullable: bool) -> list[sa.Column[object]]:
    return [
        sa.Column("v", sa.Integer(), nullable=nullable),
        sa.Column("alg", sqltypes.AutoString(), nullable=nullable),
        sa.Column("kid", sqltypes.AutoString(), nullable=nullable),
        sa.Column("commit", sa.LargeBinary(), nullable=nullable),
        sa.Column("wrap_nonce", sa.LargeBinary(), nullable=nullable),
        sa.Column("wrap", sa.LargeBinary(), nullable=nullable),
        sa.Column("nonce", sa.LargeBinary(), nullable=nullable),
        sa.Column("ct", sa.LargeBinary(), nullable=nullable),
    ]
