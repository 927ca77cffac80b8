"""Finds the documents that name a stored file by its hash, and says of a source how many deletions wait for a word."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_documents_content_hash_tenant_id", "documents", ["content_hash", "tenant_id"])
    op.create_index("ix_documents_text_hash_tenant_id", "documents", ["text_hash", "tenant_id"])
    comment = "documents it no longer lists, kept until somebody confirms that they go"
    op.add_column("sources", sa.Column("held_deletions", sa.Integer(), nullable=True, comment=comment))


def downgrade() -> None:
    op.drop_column("sources", "held_deletions")
    op.drop_index("ix_documents_text_hash_tenant_id", table_name="documents")
    op.drop_index("ix_documents_content_hash_tenant_id", table_name="documents")
