"""Who paused a job, and workers that are asked to take no more of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from semantik.kit.database import UtcDateTime

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("paused_by", sa.String(length=16), nullable=True, comment="user | budget, of a paused job"))
    # Until now only the sentence told.
    op.execute("UPDATE jobs SET paused_by = 'user' WHERE status = 'paused'")
    op.execute("UPDATE jobs SET paused_by = 'budget' WHERE status = 'paused' AND message LIKE '%Raise the budget, then resume.'")
    named = sa.Column("name", sa.String(length=120), server_default="", nullable=False, comment="of the worker that the process is part of")
    op.add_column("workers", named)
    op.execute("UPDATE workers SET name = id")
    op.add_column("workers", sa.Column("drain_asked_at", UtcDateTime(), nullable=True, comment="takes no more jobs from then on"))


def downgrade() -> None:
    op.drop_column("workers", "drain_asked_at")
    op.drop_column("workers", "name")
    op.drop_column("jobs", "paused_by")
