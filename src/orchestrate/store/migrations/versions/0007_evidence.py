"""evidence of checks"""

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql import sqltypes

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "evidence",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("deployment", sa.Integer(), nullable=True),
        sa.Column("name", sqltypes.AutoString(), nullable=False),
        sa.Column("result", sqltypes.AutoString(), nullable=False),
        sa.Column("text", sqltypes.AutoString(), nullable=False),
        sa.Column("fix", sqltypes.AutoString(), nullable=True),
        sa.Column("duration_s", sa.Float(), nullable=False),
        sa.Column("about", sqltypes.AutoString(), nullable=True),
        sa.Column("source", sqltypes.AutoString(), nullable=True),
        sa.Column("looked_at", sqltypes.UTCDateTime(), nullable=True),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("settings", sqltypes.AutoString(), nullable=False),
        sa.Column("reused", sa.Boolean(), nullable=False),
        sa.Column("recorded_at", sqltypes.UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["deployment"], ["deployments.seq"], name=op.f("fk_evidence_deployment_deployments")
        ),
        sa.ForeignKeyConstraint(
            ["environment_id"],
            ["environments.id"],
            name=op.f("fk_evidence_environment_id_environments"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evidence")),
    )
    with op.batch_alter_table("evidence", schema=None) as batch_op:
        batch_op.create_index("ix_evidence_deployment", ["deployment", "id"], unique=False)
        batch_op.create_index(
            "ix_evidence_about", ["environment_id", "name", "about", "looked_at"], unique=False
        )
