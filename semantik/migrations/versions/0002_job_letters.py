"""Items that another job took over; indexes for dead letters and lost leases."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_DEAD = sa.text("state IN ('failed', 'quarantined') AND retried_in IS NULL")
_LOST = sa.text("how = 'lost'")
_HAS_PARENT = sa.text("parent_id IS NOT NULL")


def upgrade() -> None:
    op.add_column(
        "job_items", sa.Column("retried_in", sa.String(length=36), nullable=True, comment="the job that took this failed item over")
    )
    op.create_index("ix_job_items_dead", "job_items", ["tenant_id", "updated_at"], sqlite_where=_DEAD, postgresql_where=_DEAD)
    op.create_index("ix_job_attempts_lost", "job_attempts", ["tenant_id", "ended_at"], sqlite_where=_LOST, postgresql_where=_LOST)
    op.create_index("ix_jobs_parent_id", "jobs", ["parent_id"], sqlite_where=_HAS_PARENT, postgresql_where=_HAS_PARENT)


def downgrade() -> None:
    op.drop_index("ix_jobs_parent_id", table_name="jobs")
    op.drop_index("ix_job_attempts_lost", table_name="job_attempts")
    op.drop_index("ix_job_items_dead", table_name="job_items")
    op.drop_column("job_items", "retried_in")
