"""people, their keys, and tokens"""

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql import sqltypes

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "people",
        sa.Column("name", sqltypes.AutoString(), nullable=False),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.Column("environments", sa.JSON(), nullable=False),
        sa.Column("uids", sa.JSON(), nullable=False),
        sa.Column("passphrase", sqltypes.AutoString(), nullable=True),
        sa.Column("created_at", sqltypes.UTCDateTime(), nullable=False),
        sa.Column("created_by", sqltypes.AutoString(), nullable=False),
        sa.Column("removed_at", sqltypes.UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_people")),
    )
    op.create_table(
        "person_keys",
        sa.Column("fingerprint", sqltypes.AutoString(), nullable=False),
        sa.Column("person", sqltypes.AutoString(), nullable=False),
        sa.Column("public_key", sqltypes.AutoString(), nullable=False),
        sa.Column("created_at", sqltypes.UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["person"], ["people.name"], name=op.f("fk_person_keys_person_people")
        ),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_person_keys")),
    )
    op.create_table(
        "tokens",
        sa.Column("id", sqltypes.AutoString(), nullable=False),
        sa.Column("mac", sqltypes.AutoString(), nullable=False),
        sa.Column("person", sqltypes.AutoString(), nullable=False),
        sa.Column("label", sqltypes.AutoString(), nullable=False),
        sa.Column("agent", sqltypes.AutoString(), nullable=True),
        sa.Column("role", sqltypes.AutoString(), nullable=False),
        sa.Column("environments", sa.JSON(), nullable=False),
        sa.Column("parent", sqltypes.AutoString(), nullable=True),
        sa.Column("created_at", sqltypes.UTCDateTime(), nullable=False),
        sa.Column("created_by", sqltypes.AutoString(), nullable=False),
        sa.Column("expires_at", sqltypes.UTCDateTime(), nullable=False),
        sa.Column("ended_at", sqltypes.UTCDateTime(), nullable=True),
        sa.Column("ended_by", sqltypes.AutoString(), nullable=True),
        sa.Column("used_on", sqltypes.AutoString(), nullable=True),
        sa.ForeignKeyConstraint(["person"], ["people.name"], name=op.f("fk_tokens_person_people")),
        sa.ForeignKeyConstraint(["parent"], ["tokens.id"], name=op.f("fk_tokens_parent_tokens")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
    )
