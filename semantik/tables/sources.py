"""Where documents come from."""

from __future__ import annotations

import sqlalchemy as sa

from semantik.tables.base import Json, Timestamp, identifier, metadata, tenant

sources = sa.Table(
    "sources",
    metadata,
    identifier(),
    tenant(),
    sa.Column("collection_id", sa.ForeignKey("collections.id", ondelete="CASCADE"), nullable=False),
    sa.Column("kind", sa.String(32), nullable=False, comment="name of the connector backend"),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("settings", Json, nullable=False, comment="the connector's own, without secrets"),
    sa.Column("sealed_credentials", sa.LargeBinary),
    sa.Column("listed", sa.Integer, comment="items the last complete listing saw"),
    sa.Column("held_deletions", sa.Integer, comment="documents it no longer lists, kept until somebody confirms that they go"),
    sa.Column("synced_at", Timestamp, comment="end of the last complete sync"),
    sa.Column("last_job_id", sa.String(36)),
    sa.Column("budget", Json, comment="of each sync: {meter: most}"),
    sa.Column("check_every_s", sa.Integer, comment="how often it is looked at for changes; null: never by itself"),
    sa.Column("checked_at", Timestamp),
    sa.Column("check_note", sa.Text, comment="why the last look came to nothing, where it did"),
    sa.Column("created_at", Timestamp, nullable=False),
    sa.Column("deleted_at", Timestamp),
    sa.Index("ix_sources_tenant_id_collection_id", "tenant_id", "collection_id"),
)
