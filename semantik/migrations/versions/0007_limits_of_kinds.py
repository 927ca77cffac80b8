"""Limits of kinds and of each tenant, by installation; deadlines, which nothing ever kept, go."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from semantik.kit.database import UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_READY = ["queue", "priority", "tenant_id", "available_at", "id"]
_RUNNING = ["queue", "tenant_id"]


def upgrade() -> None:
    _index([*_READY, "kind"], [*_RUNNING, "kind"])
    op.drop_column("jobs", "deadline_at")
    op.add_column("queues", sa.Column("max_per_tenant", sa.Integer(), nullable=True, comment="of each tenant"))
    op.create_table(
        "kind_limits",
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("max_running", sa.Integer(), nullable=True, comment="over all tenants"),
        sa.Column("max_per_tenant", sa.Integer(), nullable=True, comment="of each tenant"),
        sa.PrimaryKeyConstraint("kind", name=op.f("pk_kind_limits")),
    )
    # There was no way to write a row of it.
    op.drop_table("tenant_limits")


def downgrade() -> None:
    op.create_table(
        "tenant_limits",
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.Column("queue", sa.String(length=32), nullable=False),
        sa.Column("max_running", sa.Integer(), nullable=True),
        sa.Column("weight", sa.Float(), server_default="1", nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_tenant_limits_tenant_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("tenant_id", "queue", name=op.f("pk_tenant_limits")),
    )
    op.drop_table("kind_limits")
    op.drop_column("queues", "max_per_tenant")
    op.add_column("jobs", sa.Column("deadline_at", UtcDateTime(), nullable=True))
    _index(_READY, _RUNNING)


def _index(ready: list[str], running: list[str]) -> None:
    for name, columns, where in (
        ("ix_jobs_ready", ready, "status = 'queued'"),
        ("ix_jobs_running", running, "lease_owner IS NOT NULL"),
    ):
        op.drop_index(name, table_name="jobs")
        op.create_index(name, "jobs", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
