"""An Idempotency-Key keeps the answer itself, whatever the request was."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from semantik.kit.database import UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Keys live for a day; those of before are free again.
    op.drop_table("idempotency_keys")
    _create(
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=True, comment="the JSON that was sent; null for an answer without a body"),
    )


def downgrade() -> None:
    op.drop_table("idempotency_keys")
    _create(sa.Column("job_id", sa.String(length=36), nullable=False))


def _create(*columns: sa.Column[object]) -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("request_hash", sa.String(length=64), nullable=False),
        *columns,
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_idempotency_keys_tenant_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("tenant_id", "key", name=op.f("pk_idempotency_keys")),
    )
