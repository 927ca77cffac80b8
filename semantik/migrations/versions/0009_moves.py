"""A database that is being filled from another one says so, and how far it is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from semantik.kit.database import UtcDateTime

Json = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "moves",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False, comment="fingerprint of where the rows come from"),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("progress", Json, nullable=False, comment="{step: {after, done, ended}}"),
        sa.Column("differences", Json, nullable=False, comment="what a failed verification found"),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("state IN ('filling', 'differs', 'proved', 'used')", name=op.f("ck_moves_state_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_moves")),
    )


def downgrade() -> None:
    op.drop_table("moves")
