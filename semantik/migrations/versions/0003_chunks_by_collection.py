"""Chunks lie together by collection: sixteen hash partitions on PostgreSQL, one table on SQLite, the same keys on both."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

Json = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_PARTITIONS = 16
_COLUMNS = (
    'id, tenant_id, collection_id, document_id, version, generation, ordinal, text, start, "end", tokens, page, heading_path, position, '
    "language, embedding_hash"
)
_UNIQUE = "uq_chunks_document_id_version_generation_ordinal"
_INDEXES = {
    "ix_chunks_collection_id_generation_id": ["collection_id", "generation", "id"],
    "ix_chunks_tenant_id_embedding_hash": ["tenant_id", "embedding_hash"],
}


def upgrade() -> None:
    _rebuild(["id", "collection_id"], ["document_id", "version", "generation", "ordinal", "collection_id"], partitioned=True)


def downgrade() -> None:
    _rebuild(["id"], ["document_id", "version", "generation", "ordinal"], partitioned=False)


def _rebuild(key: list[str], unique: list[str], *, partitioned: bool) -> None:
    """Copies the table into one with other keys: neither database can change what a table is partitioned or keyed by."""
    server = op.get_bind().dialect.name == "postgresql"
    for name in (*_INDEXES, _UNIQUE):
        op.drop_index(name, table_name="chunks")
    op.rename_table("chunks", "chunks_before")
    if server:
        op.execute("ALTER INDEX pk_chunks RENAME TO pk_chunks_before")
    op.create_table(
        "chunks",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("tenant_id", sa.String(36), nullable=False),
        sa.Column("collection_id", sa.String(36), nullable=False),
        sa.Column("document_id", sa.String(36), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False, comment="in the document's text, code points"),
        sa.Column("end", sa.BigInteger(), nullable=False),
        sa.Column("tokens", sa.Integer(), nullable=False),
        sa.Column("page", sa.Integer(), nullable=True),
        sa.Column("heading_path", Json, nullable=False, comment="outermost first"),
        sa.Column("position", Json, nullable=False, comment="{page, page_end, slide, sheet, row_start, row_end}, what applies"),
        sa.Column("language", sa.String(8), nullable=True),
        sa.Column("embedding_hash", sa.String(64), nullable=False, comment="of the embedded text; key into embeddings"),
        sa.ForeignKeyConstraint(["collection_id"], ["collections.id"], name=op.f("fk_chunks_collection_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["document_id"], ["documents.id"], name=op.f("fk_chunks_document_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_chunks_tenant_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint(*key, name=op.f("pk_chunks")),
        postgresql_partition_by="HASH (collection_id)" if partitioned else None,
    )
    if server and partitioned:
        for number in range(_PARTITIONS):
            op.execute(f"CREATE TABLE chunks_{number:02} PARTITION OF chunks FOR VALUES WITH (MODULUS {_PARTITIONS}, REMAINDER {number})")
    op.execute(f"INSERT INTO chunks ({_COLUMNS}) SELECT {_COLUMNS} FROM chunks_before")  # noqa: S608 (names of this file)
    op.drop_table("chunks_before")
    for name, columns in _INDEXES.items():
        op.create_index(name, "chunks", columns)
    op.create_index(_UNIQUE, "chunks", unique, unique=True)
