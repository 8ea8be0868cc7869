"""what verification saw, and the migrations that were carried out"""

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql import sqltypes

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("deployments") as table:
        table.add_column(sa.Column("remains", sa.JSON(), server_default="[]", nullable=False))
    op.create_table(
        "deployment_checks",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("deployment", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sqltypes.AutoString(), nullable=False),
        sa.Column("at", sqltypes.UTCDateTime(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["deployment"],
            ["deployments.seq"],
            name=op.f("fk_deployment_checks_deployment_deployments"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deployment_checks")),
    )
    with op.batch_alter_table("deployment_checks") as table:
        table.create_index(
            "uq_deployment_checks_name", ["deployment", "position", "name"], unique=True
        )
    op.create_table(
        "environment_migrations",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("name", sqltypes.AutoString(), nullable=False),
        sa.Column("phase", sqltypes.AutoString(), nullable=False),
        sa.Column("deployment", sa.Integer(), nullable=False),
        sa.Column("at", sqltypes.UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["deployment"],
            ["deployments.seq"],
            name=op.f("fk_environment_migrations_deployment_deployments"),
        ),
        sa.ForeignKeyConstraint(
            ["environment_id"],
            ["environments.id"],
            name=op.f("fk_environment_migrations_environment_id_environments"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_environment_migrations")),
    )
    with op.batch_alter_table("environment_migrations") as table:
        table.create_index(
            "uq_environment_migrations_name", ["environment_id", "name"], unique=True
        )
