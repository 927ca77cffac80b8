"""Keeps large tables out of statements that name their rows.

Every statement names the tenant, and SQLite without statistics takes an index that begins with the tenant to find ten rows. With
a list of ids of five or more it then read every chunk of the tenant: a search of 10,000 chunks took 15 ms twice, and more with
each document. The index by text hash now begins with the hash, and of the one that must begin with the tenant SQLite is told that
a tenant has many documents. What is told is constant, so plans stay the same on every machine and never change overnight.
"""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_FORGET = "DELETE FROM sqlite_stat1 WHERE tbl = 'documents' AND idx = 'ix_documents_tenant_id_collection_id_state_id'"


def upgrade() -> None:
    op.drop_index("ix_chunks_tenant_id_embedding_hash", table_name="chunks")
    op.create_index("ix_chunks_embedding_hash_tenant_id", "chunks", ["embedding_hash", "tenant_id"])
    if op.get_bind().dialect.name == "sqlite":
        # https://www.sqlite.org/optoverview.html#manctrl: the table is made by ANALYZE and may then be filled by hand.
        op.execute("ANALYZE sqlite_schema")
        op.execute(_FORGET)
        op.execute(
            "INSERT INTO sqlite_stat1 (tbl, idx, stat) "
            "VALUES ('documents', 'ix_documents_tenant_id_collection_id_state_id', '1000000 1000000 100000 20000 1')"
        )


def downgrade() -> None:
    op.drop_index("ix_chunks_embedding_hash_tenant_id", table_name="chunks")
    op.create_index("ix_chunks_tenant_id_embedding_hash", "chunks", ["tenant_id", "embedding_hash"])
    if op.get_bind().dialect.name == "sqlite":
        op.execute(_FORGET)
