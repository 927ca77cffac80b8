"""Tenants, users, members, browser sessions and API keys."""

from __future__ import annotations

import sqlalchemy as sa

from semantik.tables.base import Json, Timestamp, identifier, metadata, one_of, tenant

tenants = sa.Table(
    "tenants",
    metadata,
    identifier(),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("created_at", Timestamp, nullable=False),
)

users = sa.Table(
    "users",
    metadata,
    identifier(),
    sa.Column("email", sa.String(320), nullable=False, unique=True, comment="lower case"),
    sa.Column("name", sa.String(200), nullable=False, server_default=""),
    sa.Column("password_hash", sa.String(300), nullable=False, comment="argon2id"),
    sa.Column("created_at", Timestamp, nullable=False),
    sa.Column("disabled_at", Timestamp),
)

members = sa.Table(
    "members",
    metadata,
    tenant(),
    sa.Column("user_id", sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("created_at", Timestamp, nullable=False),
    sa.PrimaryKeyConstraint("tenant_id", "user_id"),
    one_of("role", "admin", "member"),
)

sessions = sa.Table(
    "sessions",
    metadata,
    identifier(),
    tenant(),
    sa.Column("user_id", sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("refresh_hash", sa.String(64), nullable=False, unique=True, comment="SHA-256 of the present refresh token"),
    sa.Column("previous_hash", sa.String(64), index=True, comment="the one before: its reuse ends the session"),
    sa.Column("user_agent", sa.String(300)),
    sa.Column("created_at", Timestamp, nullable=False),
    sa.Column("used_at", Timestamp, nullable=False),
    sa.Column("expires_at", Timestamp, nullable=False),
    sa.Column("revoked_at", Timestamp),
)

api_keys = sa.Table(
    "api_keys",
    metadata,
    identifier(),
    tenant(),
    sa.Column("user_id", sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("prefix", sa.String(16), nullable=False, comment="shown in lists"),
    sa.Column("key_hash", sa.String(64), nullable=False, unique=True, comment="SHA-256; the key itself is random 256 bits"),
    sa.Column("scopes", Json, nullable=False),
    sa.Column("created_at", Timestamp, nullable=False),
    sa.Column("expires_at", Timestamp),
    sa.Column("revoked_at", Timestamp),
    sa.Column("used_at", Timestamp),
    sa.Index("ix_api_keys_tenant_id_created_at", "tenant_id", "created_at"),
)

# One row, id 'setup', until the first admin exists; its hash is of the token printed at start.
setup_tokens = sa.Table(
    "setup_tokens",
    metadata,
    sa.Column("id", sa.String(16), primary_key=True),
    sa.Column("token_hash", sa.String(64), nullable=False),
    sa.Column("created_at", Timestamp, nullable=False),
)
