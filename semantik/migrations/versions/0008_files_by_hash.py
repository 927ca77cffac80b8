"""Finds the documents that name a stored file by its hash: asked for each file that a removal or the daily sweep looks at."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_documents_content_hash_tenant_id", "documents", ["content_hash", "tenant_id"])
    op.create_index("ix_documents_text_hash_tenant_id", "documents", ["text_hash", "tenant_id"])


def downgrade() -> None:
    op.drop_index("ix_documents_text_hash_tenant_id", table_name="documents")
    op.drop_index("ix_documents_content_hash_tenant_id", table_name="documents")
