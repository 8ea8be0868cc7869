"""approvals"""

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql import sqltypes

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("deployments") as table:
        table.add_column(
            sa.Column("needs_approval", sa.Boolean(), server_default=sa.false(), nullable=False)
        )
        table.add_column(sa.Column("person", sqltypes.AutoString(), nullable=True))
        table.add_column(sa.Column("break_glass", sqltypes.AutoString(), nullable=True))
    _requests()
    _decisions()


def _requests() -> None:
    op.create_table(
        "approvals",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sqltypes.AutoString(), nullable=False),
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("deployment", sa.Integer(), nullable=True),
        sa.Column("environment", sqltypes.AutoString(), nullable=False),
        sa.Column("plan_digest", sqltypes.AutoString(), nullable=False),
        sa.Column("before", sqltypes.AutoString(), nullable=False),
        sa.Column("after", sqltypes.AutoString(), nullable=False),
        sa.Column("steps", sa.Integer(), nullable=False),
        sa.Column("nonce", sqltypes.AutoString(), nullable=False),
        sa.Column("rule", sa.JSON(), nullable=False),
        sa.Column("actor", sqltypes.AutoString(), nullable=False),
        sa.Column("on_behalf_of", sqltypes.AutoString(), nullable=True),
        sa.Column("person", sqltypes.AutoString(), nullable=False),
        sa.Column("summary", sqltypes.AutoString(), nullable=True),
        sa.Column("break_glass", sqltypes.AutoString(), nullable=True),
        sa.Column("state", sqltypes.AutoString(), nullable=False),
        sa.Column("created_at", sqltypes.UTCDateTime(), nullable=False),
        sa.Column("expires_at", sqltypes.UTCDateTime(), nullable=False),
        sa.Column("seen_at", sqltypes.UTCDateTime(), nullable=False),
        sa.Column("ended_at", sqltypes.UTCDateTime(), nullable=True),
        sa.Column("used_at", sqltypes.UTCDateTime(), nullable=True),
        sa.Column("mac", sqltypes.AutoString(), nullable=False),
        sa.ForeignKeyConstraint(
            ["environment_id"],
            ["environments.id"],
            name=op.f("fk_approvals_environment_id_environments"),
        ),
        sa.ForeignKeyConstraint(
            ["deployment"], ["deployments.seq"], name=op.f("fk_approvals_deployment_deployments")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals")),
    )
    with op.batch_alter_table("approvals", schema=None) as table:
        table.create_index("uq_approvals_deployment", ["deployment"], unique=True)
        table.create_index("ix_approvals_plan", ["environment_id", "plan_digest"], unique=False)
        table.create_index(
            "ix_approvals_open",
            ["id"],
            unique=False,
            sqlite_where=sa.text("ended_at IS NULL AND used_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL AND used_at IS NULL"),
        )


def _decisions() -> None:
    op.create_table(
        "approval_decisions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("approval", sa.Integer(), nullable=False),
        sa.Column("decision", sqltypes.AutoString(), nullable=False),
        sa.Column("person", sqltypes.AutoString(), nullable=False),
        sa.Column("person_key", sqltypes.AutoString(), nullable=False),
        sa.Column("factor", sqltypes.AutoString(), nullable=False),
        sa.Column("credential", sqltypes.AutoString(), nullable=False),
        sa.Column("signature", sqltypes.AutoString(), nullable=True),
        sa.Column("reason", sqltypes.AutoString(), nullable=True),
        sa.Column("decided_at", sqltypes.UTCDateTime(), nullable=False),
        sa.Column("mac", sqltypes.AutoString(), nullable=False),
        sa.ForeignKeyConstraint(
            ["approval"], ["approvals.id"], name=op.f("fk_approval_decisions_approval_approvals")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approval_decisions")),
    )
    with op.batch_alter_table("approval_decisions", schema=None) as table:
        table.create_index(
            "uq_approval_decisions_person", ["approval", "person_key", "decision"], unique=True
        )
