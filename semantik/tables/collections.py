"""Collections and the generations of their index."""

from __future__ import annotations

import sqlalchemy as sa

from semantik.tables.base import Json, Timestamp, identifier, metadata, one_of, tenant

collections = sa.Table(
    "collections",
    metadata,
    identifier(),
    tenant(),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    sa.Column("embedding_model", sa.String(200), nullable=False),
    sa.Column("chunking", Json, nullable=False, comment="{strategy, max_tokens, overlap_tokens}"),
    sa.Column("language", sa.String(8), nullable=False, server_default="auto", comment="of documents too short to tell"),
    sa.Column("generation", sa.Integer, nullable=False, comment="the one that answers searches"),
    sa.Column("created_at", Timestamp, nullable=False),
    sa.Column("updated_at", Timestamp, nullable=False),
    sa.Column("deleted_at", Timestamp, comment="tombstone: invisible at once, emptied by a job"),
    sa.Index("ix_collections_tenant_id_id", "tenant_id", "id"),
    sa.Index(
        "uq_collections_tenant_id_name",
        "tenant_id",
        "name",
        unique=True,
        sqlite_where=sa.text("deleted_at IS NULL"),
        postgresql_where=sa.text("deleted_at IS NULL"),
    ),
)

generations = sa.Table(
    "generations",
    metadata,
    tenant(),
    sa.Column("collection_id", sa.ForeignKey("collections.id", ondelete="CASCADE"), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("space", sa.String(200), nullable=False, comment="key of the vector space: model key and dimensions"),
    sa.Column("mean_terms", sa.Float, comment="mean terms in a chunk, for BM25; fixed by the first publish"),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("created_at", Timestamp, nullable=False),
    sa.PrimaryKeyConstraint("collection_id", "number"),
    one_of("state", "building", "live", "retired"),
)
