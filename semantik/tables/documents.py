"""Documents, their chunks, the vectors of texts, and what still has to leave the index."""

from __future__ import annotations

import sqlalchemy as sa

from semantik.tables.base import Json, Timestamp, identifier, metadata, one_of, tenant

# A document is one listed item of a source (or a member of an archive or mail, with `parent_id`). Its row exists from the
# moment it is listed, so that listed = indexed + partial + skipped + failed + pending holds by counting one table.
documents = sa.Table(
    "documents",
    metadata,
    identifier(),
    tenant(),
    sa.Column("collection_id", sa.ForeignKey("collections.id", ondelete="CASCADE"), nullable=False),
    sa.Column("source_id", sa.ForeignKey("sources.id", ondelete="CASCADE"), nullable=False),
    sa.Column("parent_id", sa.ForeignKey("documents.id", ondelete="CASCADE"), comment="the archive or mail it came in"),
    sa.Column("path", sa.Text, nullable=False, comment="identity within the source, / separated"),
    sa.Column("path_hash", sa.String(64), nullable=False, comment="SHA-256 of path: paths can be longer than an index key"),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("code", sa.String(64), comment="why partial, skipped or failed"),
    sa.Column("reason", sa.Text),
    sa.Column("hint", sa.Text),
    sa.Column("warnings", Json, nullable=False),
    sa.Column("version", sa.Integer, nullable=False, server_default="0", comment="chunks of this version are live; 0: none yet"),
    sa.Column("signature", sa.String(200), comment="of the original as last read: size and mtime, etag"),
    sa.Column("due", sa.String(200), comment="signature of what waits to be read; null: nothing to do"),
    sa.Column("container", Json, comment="of a member: {depth, members_left, member_bytes_left}"),
    sa.Column("content_hash", sa.String(64), comment="SHA-256 of the original"),
    sa.Column("pipeline_key", sa.String(64), comment="hash of what else decides the chunks: extractor, chunking, model, generation"),
    sa.Column("text_hash", sa.String(64), comment="blob of the extracted text"),
    sa.Column("size_bytes", sa.BigInteger),
    sa.Column("media_type", sa.String(100)),
    sa.Column("language", sa.String(8)),
    sa.Column("pages", sa.Integer),
    sa.Column("chunk_count", sa.Integer, nullable=False, server_default="0"),
    sa.Column("text_chars", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("title", sa.Text),
    sa.Column("outline", Json, comment="[{title, level, start, page}]"),
    sa.Column("tags", Json, nullable=False),
    sa.Column("metadata", Json, nullable=False),
    sa.Column("sealed_password", sa.LargeBinary),
    sa.Column("modified_at", Timestamp, comment="of the original, as the source says"),
    sa.Column("indexed_at", Timestamp),
    sa.Column("created_at", Timestamp, nullable=False),
    sa.Column("updated_at", Timestamp, nullable=False),
    sa.Column("deleted_at", Timestamp, comment="tombstone: never in an answer again; rows and points go in a job"),
    sa.Index("uq_documents_source_id_path_hash", "source_id", "path_hash", unique=True),
    sa.Index("ix_documents_tenant_id_collection_id_state_id", "tenant_id", "collection_id", "state", "id"),
    sa.Index("ix_documents_source_id_state", "source_id", "state"),
    sa.Index("ix_documents_source_id_content_hash", "source_id", "content_hash"),
    sa.Index("ix_documents_parent_id", "parent_id"),
    # Whether any document still names a stored file. The hash first, as with the chunks' text hash below.
    sa.Index("ix_documents_content_hash_tenant_id", "content_hash", "tenant_id"),
    sa.Index("ix_documents_text_hash_tenant_id", "text_hash", "tenant_id"),
    # Every search asks which languages a collection holds: one step of this index for each, however many documents.
    sa.Index("ix_documents_collection_id_language", "collection_id", "language"),
    sa.Index("ix_documents_due", "source_id", "id", sqlite_where=sa.text("due IS NOT NULL"), postgresql_where=sa.text("due IS NOT NULL")),
    one_of("state", "pending", "indexed", "partial", "skipped", "failed"),
)

# Visible only while chunks.version = documents.version and the document lives. The id is also the id of its point.
# On PostgreSQL in sixteen partitions, so that a question to a collection reads one of them; a key must hold what they are cut by.
chunks = sa.Table(
    "chunks",
    metadata,
    identifier(),
    tenant(),
    sa.Column("collection_id", sa.ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("document_id", sa.ForeignKey("documents.id", ondelete="CASCADE"), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Column("ordinal", sa.Integer, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("start", sa.BigInteger, nullable=False, comment="in the document's text, code points"),
    sa.Column("end", sa.BigInteger, nullable=False),
    sa.Column("tokens", sa.Integer, nullable=False),
    sa.Column("page", sa.Integer),
    sa.Column("heading_path", Json, nullable=False, comment="outermost first"),
    sa.Column("position", Json, nullable=False, comment="{page, page_end, slide, sheet, row_start, row_end}, what applies"),
    sa.Column("language", sa.String(8)),
    sa.Column("embedding_hash", sa.String(64), nullable=False, comment="of the embedded text; key into embeddings"),
    sa.Index(
        "uq_chunks_document_id_version_generation_ordinal",
        "document_id",
        "version",
        "generation",
        "ordinal",
        "collection_id",
        unique=True,
    ),
    sa.Index("ix_chunks_collection_id_generation_id", "collection_id", "generation", "id"),
    # Whether any chunk still holds a text: asked for each stored vector when a collection is deleted. The hash stands first: SQLite
    # would use an index that begins with the tenant for statements that name chunks by id, and read all that the tenant has.
    sa.Index("ix_chunks_embedding_hash_tenant_id", "embedding_hash", "tenant_id"),
    postgresql_partition_by="HASH (collection_id)",
)

# What was computed or paid for. Tenant-bound: whether a text was seen before must not leak between tenants.
embeddings = sa.Table(
    "embeddings",
    metadata,
    tenant(),
    sa.Column("model_key", sa.String(100), nullable=False),
    sa.Column("text_hash", sa.String(64), nullable=False),
    sa.Column("vector", sa.LargeBinary, nullable=False, comment="float16 little-endian; what the index holds is this rounded value"),
    sa.Column("created_at", Timestamp, nullable=False),
    sa.PrimaryKeyConstraint("tenant_id", "model_key", "text_hash"),
)

# Points to take out of the index, written in the transaction that made them dead; swept after a flush.
dead_points = sa.Table(
    "dead_points",
    metadata,
    tenant(),
    sa.Column("space", sa.String(200), nullable=False),
    sa.Column("point_id", sa.String(36), nullable=False),
    sa.Column("created_at", Timestamp, nullable=False),
    sa.PrimaryKeyConstraint("space", "point_id"),
)

# Facts about a vector space that outlive its index: how many points SQL expects, when a rebuild is due.
vector_spaces = sa.Table(
    "vector_spaces",
    metadata,
    sa.Column("space", sa.String(200), primary_key=True),
    sa.Column("dimensions", sa.Integer, nullable=False),
    sa.Column("rebuild_reason", sa.String(64), comment="set when the index was found damaged, cleared when rebuilt"),
    sa.Column("updated_at", Timestamp, nullable=False),
)

# While one of these has not run out, no stored file is removed: a backup is reading them (`features/archives`).
file_holds = sa.Table(
    "file_holds",
    metadata,
    identifier(),
    sa.Column("expires_at", Timestamp, nullable=False),
)
