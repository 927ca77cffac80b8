"""Lets a backup keep stored files in place while it reads them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from semantik.kit.database import UtcDateTime

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "file_holds",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("file_holds")
