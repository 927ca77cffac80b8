"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from semantik.kit.database import UtcDateTime

Json = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
BigInt = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "queues",
        sa.Column("queue", sa.String(length=32), nullable=False),
        sa.Column("paused_at", UtcDateTime(), nullable=True),
        sa.Column("max_running", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("queue", name=op.f("pk_queues")),
    )
    op.create_table(
        "setup_tokens",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_setup_tokens")),
    )
    op.create_table(
        "tenants",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenants")),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False, comment="lower case"),
        sa.Column("name", sa.String(length=200), server_default="", nullable=False),
        sa.Column("password_hash", sa.String(length=300), nullable=False, comment="argon2id"),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("disabled_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
    )
    op.create_table(
        "vector_spaces",
        sa.Column("space", sa.String(length=200), nullable=False),
        sa.Column("dimensions", sa.Integer(), nullable=False),
        sa.Column(
            "rebuild_reason", sa.String(length=64), nullable=True, comment="set when the index was found damaged, cleared when rebuilt"
        ),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("space", name=op.f("pk_vector_spaces")),
    )
    op.create_table(
        "workers",
        sa.Column("id", sa.String(length=120), nullable=False),
        sa.Column("pool", sa.String(length=32), nullable=False),
        sa.Column("queues", Json, nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("last_seen_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workers")),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("prefix", sa.String(length=16), nullable=False, comment="shown in lists"),
        sa.Column("key_hash", sa.String(length=64), nullable=False, comment="SHA-256; the key itself is random 256 bits"),
        sa.Column("scopes", Json, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=True),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_api_keys_tenant_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_api_keys_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_api_keys_key_hash")),
    )
    with op.batch_alter_table("api_keys", schema=None) as batch_op:
        batch_op.create_index("ix_api_keys_tenant_id_created_at", ["tenant_id", "created_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_api_keys_user_id"), ["user_id"], unique=False)

    op.create_table(
        "collections",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("embedding_model", sa.String(length=200), nullable=False),
        sa.Column("chunking", Json, nullable=False, comment="{strategy, max_tokens, overlap_tokens}"),
        sa.Column("language", sa.String(length=8), server_default="auto", nullable=False, comment="of documents too short to tell"),
        sa.Column("generation", sa.Integer(), nullable=False, comment="the one that answers searches"),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("deleted_at", UtcDateTime(), nullable=True, comment="tombstone: invisible at once, emptied by a job"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_collections_tenant_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_collections")),
    )
    with op.batch_alter_table("collections", schema=None) as batch_op:
        batch_op.create_index("ix_collections_tenant_id_id", ["tenant_id", "id"], unique=False)
        batch_op.create_index(
            "uq_collections_tenant_id_name",
            ["tenant_id", "name"],
            unique=True,
            sqlite_where=sa.text("deleted_at IS NULL"),
            postgresql_where=sa.text("deleted_at IS NULL"),
        )

    op.create_table(
        "dead_points",
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.Column("space", sa.String(length=200), nullable=False),
        sa.Column("point_id", sa.String(length=36), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_dead_points_tenant_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("space", "point_id", name=op.f("pk_dead_points")),
    )
    op.create_table(
        "embeddings",
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.Column("model_key", sa.String(length=100), nullable=False),
        sa.Column("text_hash", sa.String(length=64), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False, comment="float16 little-endian; what the index holds is this rounded value"),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_embeddings_tenant_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("tenant_id", "model_key", "text_hash", name=op.f("pk_embeddings")),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("request_hash", sa.String(length=64), nullable=False),
        sa.Column("job_id", sa.String(length=36), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_idempotency_keys_tenant_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("tenant_id", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.Column("collection_id", sa.String(length=36), nullable=True, comment="no foreign key: a job outlives the collection it deleted"),
        sa.Column("source_id", sa.String(length=36), nullable=True),
        sa.Column("created_by", sa.String(length=36), nullable=True),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("title", sa.String(length=300), server_default="", nullable=False),
        sa.Column("queue", sa.String(length=32), nullable=False),
        sa.Column("priority", sa.SmallInteger(), server_default="5", nullable=False, comment="0 first .. 9 last"),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("control", sa.String(length=16), nullable=True, comment="pause | cancel | drain, asked of the owner"),
        sa.Column("control_by", sa.String(length=36), nullable=True),
        sa.Column("control_at", UtcDateTime(), nullable=True),
        sa.Column("params", Json, nullable=False),
        sa.Column("params_version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("dedup_key", sa.String(length=200), nullable=True),
        sa.Column("concurrency_key", sa.String(length=200), nullable=True),
        sa.Column("available_at", UtcDateTime(), nullable=False),
        sa.Column("deadline_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=True),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=True, comment="ok | partial, of a completed job"),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("max_attempts", sa.Integer(), server_default="5", nullable=False),
        sa.Column("losses", sa.Integer(), server_default="0", nullable=False),
        sa.Column("losses_in_row", sa.Integer(), server_default="0", nullable=False, comment="losses since the last checkpoint"),
        sa.Column("max_losses", sa.Integer(), server_default="5", nullable=False, comment="of losses_in_row"),
        sa.Column("fence", BigInt, server_default="0", nullable=False),
        sa.Column("lease_owner", sa.String(length=120), nullable=True),
        sa.Column("lease_expires_at", UtcDateTime(), nullable=True),
        sa.Column("last_progress_at", UtcDateTime(), nullable=True),
        sa.Column("active_seconds", sa.Float(), server_default="0", nullable=False, comment="time spent running, over all attempts"),
        sa.Column("cursor", Json, nullable=True),
        sa.Column("cursor_version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("inflight_key", sa.String(length=300), nullable=True),
        sa.Column("inflight_crashes", sa.Integer(), server_default="0", nullable=False),
        sa.Column("total", sa.Integer(), nullable=True),
        sa.Column("done", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("skipped", sa.Integer(), server_default="0", nullable=False),
        sa.Column("quarantined", sa.Integer(), server_default="0", nullable=False),
        sa.Column("rate_per_s", sa.Float(), nullable=True, comment="items a second lately; null while it would be a guess"),
        sa.Column("message", sa.Text(), nullable=True, comment="what it is doing now"),
        sa.Column("result", Json, nullable=True),
        sa.Column("error_class", sa.String(length=100), nullable=True),
        sa.Column("error_code", sa.String(length=64), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("correlation_id", sa.String(length=100), nullable=True),
        sa.Column("workflow_id", sa.String(length=36), nullable=True),
        sa.Column("parent_id", sa.String(length=36), nullable=True),
        sa.Column("only_items", sa.Boolean(), server_default=sa.false(), nullable=False, comment="works on the items in job_items only"),
        sa.Column("pending_deps", sa.Integer(), server_default="0", nullable=False),
        sa.Column("dep_policy", sa.String(length=16), server_default="all_success", nullable=False),
        sa.Column("event_seq", BigInt, server_default="0", nullable=False),
        sa.CheckConstraint(
            "(status IN ('completed', 'failed', 'cancelled', 'skipped')) = (finished_at IS NOT NULL)", name=op.f("ck_jobs_ended_has_time")
        ),
        sa.CheckConstraint(
            "(status IN ('running', 'pausing', 'cancelling')) = (lease_owner IS NOT NULL)", name=op.f("ck_jobs_leased_has_owner")
        ),
        sa.CheckConstraint("dep_policy IN ('all_success', 'all_finished')", name=op.f("ck_jobs_dep_policy_known")),
        sa.CheckConstraint(
            "status IN ('blocked', 'queued', 'running', 'pausing', 'paused', 'cancelling', 'cancelled', 'completed', 'failed', 'skipped')",
            name=op.f("ck_jobs_status_known"),
        ),
        sa.CheckConstraint("(lease_owner IS NULL) = (lease_expires_at IS NULL)", name=op.f("ck_jobs_owner_has_expiry")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_jobs_tenant_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
    )
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.create_index(
            "ix_jobs_concurrency_open",
            ["concurrency_key"],
            unique=False,
            sqlite_where=sa.text("concurrency_key IS NOT NULL AND finished_at IS NULL"),
            postgresql_where=sa.text("concurrency_key IS NOT NULL AND finished_at IS NULL"),
        )
        batch_op.create_index(
            "ix_jobs_lease",
            ["lease_expires_at"],
            unique=False,
            sqlite_where=sa.text("lease_owner IS NOT NULL"),
            postgresql_where=sa.text("lease_owner IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_jobs_ready",
            ["queue", "priority", "tenant_id", "available_at", "id"],
            unique=False,
            sqlite_where=sa.text("status = 'queued'"),
            postgresql_where=sa.text("status = 'queued'"),
        )
        batch_op.create_index(
            "ix_jobs_running",
            ["queue", "tenant_id"],
            unique=False,
            sqlite_where=sa.text("lease_owner IS NOT NULL"),
            postgresql_where=sa.text("lease_owner IS NOT NULL"),
        )
        batch_op.create_index("ix_jobs_tenant_id_collection_id_created_at", ["tenant_id", "collection_id", "created_at"], unique=False)
        batch_op.create_index("ix_jobs_tenant_id_created_at_id", ["tenant_id", "created_at", "id"], unique=False)
        batch_op.create_index("ix_jobs_workflow_id", ["workflow_id"], unique=False)
        batch_op.create_index(
            "uq_jobs_concurrency",
            ["concurrency_key"],
            unique=True,
            sqlite_where=sa.text("concurrency_key IS NOT NULL AND lease_owner IS NOT NULL"),
            postgresql_where=sa.text("concurrency_key IS NOT NULL AND lease_owner IS NOT NULL"),
        )
        batch_op.create_index(
            "uq_jobs_dedup",
            ["tenant_id", "kind", "dedup_key"],
            unique=True,
            sqlite_where=sa.text("dedup_key IS NOT NULL AND finished_at IS NULL"),
            postgresql_where=sa.text("dedup_key IS NOT NULL AND finished_at IS NULL"),
        )

    op.create_table(
        "members",
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("role IN ('admin', 'member')", name=op.f("ck_members_role_known")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_members_tenant_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_members_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("tenant_id", "user_id", name=op.f("pk_members")),
    )
    with op.batch_alter_table("members", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_members_user_id"), ["user_id"], unique=False)

    op.create_table(
        "schedules",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("params", Json, nullable=False),
        sa.Column("cron", sa.String(length=100), nullable=True, comment="either this or every_s"),
        sa.Column("every_s", sa.Integer(), nullable=True),
        sa.Column("timezone", sa.String(length=64), server_default="UTC", nullable=False),
        sa.Column("next_fire_at", UtcDateTime(), nullable=True),
        sa.Column("overlap", sa.String(length=16), server_default="skip", nullable=False),
        sa.Column("catchup_s", sa.Integer(), server_default="3600", nullable=False),
        sa.Column("jitter_s", sa.Integer(), server_default="0", nullable=False),
        sa.Column("paused_at", UtcDateTime(), nullable=True),
        sa.Column("last_job_id", sa.String(length=36), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("overlap IN ('skip', 'buffer_one', 'cancel_previous', 'allow')", name=op.f("ck_schedules_overlap_known")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_schedules_tenant_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedules")),
    )
    with op.batch_alter_table("schedules", schema=None) as batch_op:
        batch_op.create_index("ix_schedules_next_fire_at", ["next_fire_at"], unique=False)
        batch_op.create_index("uq_schedules_tenant_id_name", ["tenant_id", "name"], unique=True)

    op.create_table(
        "sessions",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("refresh_hash", sa.String(length=64), nullable=False, comment="SHA-256 of the present refresh token"),
        sa.Column("previous_hash", sa.String(length=64), nullable=True, comment="the one before: its reuse ends the session"),
        sa.Column("user_agent", sa.String(length=300), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_sessions_tenant_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sessions_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        sa.UniqueConstraint("refresh_hash", name=op.f("uq_sessions_refresh_hash")),
    )
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_sessions_previous_hash"), ["previous_hash"], unique=False)
        batch_op.create_index(batch_op.f("ix_sessions_user_id"), ["user_id"], unique=False)

    op.create_table(
        "tenant_limits",
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.Column("queue", sa.String(length=32), nullable=False),
        sa.Column("max_running", sa.Integer(), nullable=True),
        sa.Column("weight", sa.Float(), server_default="1", nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_tenant_limits_tenant_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("tenant_id", "queue", name=op.f("pk_tenant_limits")),
    )
    op.create_table(
        "tenant_turns",
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.Column("queue", sa.String(length=32), nullable=False),
        sa.Column("served_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_tenant_turns_tenant_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("tenant_id", "queue", name=op.f("pk_tenant_turns")),
    )
    op.create_table(
        "generations",
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.Column("collection_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("space", sa.String(length=200), nullable=False, comment="key of the vector space: model key and dimensions"),
        sa.Column("mean_terms", sa.Float(), nullable=True, comment="mean terms in a chunk, for BM25; fixed by the first publish"),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("state IN ('building', 'live', 'retired')", name=op.f("ck_generations_state_known")),
        sa.ForeignKeyConstraint(["collection_id"], ["collections.id"], name=op.f("fk_generations_collection_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_generations_tenant_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("collection_id", "number", name=op.f("pk_generations")),
    )
    op.create_table(
        "job_attempts",
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.Column("job_id", sa.String(length=36), nullable=False),
        sa.Column("fence", BigInt, nullable=False),
        sa.Column("owner", sa.String(length=120), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("how", sa.String(length=16), nullable=True, comment="completed | released | lost | error | control"),
        sa.Column("from_cursor", Json, nullable=True),
        sa.Column("to_cursor", Json, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_job_attempts_job_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_job_attempts_tenant_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "fence", name=op.f("pk_job_attempts")),
    )
    op.create_table(
        "job_edges",
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.Column("parent_id", sa.String(length=36), nullable=False),
        sa.Column("child_id", sa.String(length=36), nullable=False),
        sa.Column("on_end", sa.String(length=16), nullable=False, comment="success | finished"),
        sa.Column("resolved_at", UtcDateTime(), nullable=True, comment="when the parent's end was counted"),
        sa.ForeignKeyConstraint(["child_id"], ["jobs.id"], name=op.f("fk_job_edges_child_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["parent_id"], ["jobs.id"], name=op.f("fk_job_edges_parent_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_job_edges_tenant_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("parent_id", "child_id", name=op.f("pk_job_edges")),
    )
    with op.batch_alter_table("job_edges", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_job_edges_child_id"), ["child_id"], unique=False)

    op.create_table(
        "job_events",
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.Column("job_id", sa.String(length=36), nullable=False),
        sa.Column("seq", BigInt, nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("level", sa.String(length=16), server_default="info", nullable=False),
        sa.Column("payload", Json, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_job_events_job_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_job_events_tenant_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "seq", name=op.f("pk_job_events")),
    )
    op.create_table(
        "job_items",
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.Column("job_id", sa.String(length=36), nullable=False),
        sa.Column("item_key", sa.String(length=300), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("label", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("crashes", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error_class", sa.String(length=100), nullable=True),
        sa.Column("error_code", sa.String(length=64), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("state IN ('pending', 'done', 'failed', 'quarantined', 'skipped')", name=op.f("ck_job_items_state_known")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_job_items_job_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_job_items_tenant_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "item_key", name=op.f("pk_job_items")),
    )
    op.create_table(
        "schedule_fires",
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.Column("schedule_id", sa.String(length=36), nullable=False),
        sa.Column("fire_at", UtcDateTime(), nullable=False),
        sa.Column("job_id", sa.String(length=36), nullable=True),
        sa.ForeignKeyConstraint(["schedule_id"], ["schedules.id"], name=op.f("fk_schedule_fires_schedule_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_schedule_fires_tenant_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("schedule_id", "fire_at", name=op.f("pk_schedule_fires")),
    )
    op.create_table(
        "sources",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.Column("collection_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False, comment="name of the connector backend"),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("settings", Json, nullable=False, comment="the connector's own, without secrets"),
        sa.Column("sealed_credentials", sa.LargeBinary(), nullable=True),
        sa.Column("listed", sa.Integer(), nullable=True, comment="items the last complete listing saw"),
        sa.Column("synced_at", UtcDateTime(), nullable=True, comment="end of the last complete sync"),
        sa.Column("last_job_id", sa.String(length=36), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("deleted_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["collection_id"], ["collections.id"], name=op.f("fk_sources_collection_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_sources_tenant_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sources")),
    )
    with op.batch_alter_table("sources", schema=None) as batch_op:
        batch_op.create_index("ix_sources_tenant_id_collection_id", ["tenant_id", "collection_id"], unique=False)

    op.create_table(
        "documents",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.Column("collection_id", sa.String(length=36), nullable=False),
        sa.Column("source_id", sa.String(length=36), nullable=False),
        sa.Column("parent_id", sa.String(length=36), nullable=True, comment="the archive or mail it came in"),
        sa.Column("path", sa.Text(), nullable=False, comment="identity within the source, / separated"),
        sa.Column("path_hash", sa.String(length=64), nullable=False, comment="SHA-256 of path: paths can be longer than an index key"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=True, comment="why partial, skipped or failed"),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("hint", sa.Text(), nullable=True),
        sa.Column("warnings", Json, nullable=False),
        sa.Column("version", sa.Integer(), server_default="0", nullable=False, comment="chunks of this version are live; 0: none yet"),
        sa.Column("signature", sa.String(length=200), nullable=True, comment="of the original as last read: size and mtime, etag"),
        sa.Column("due", sa.String(length=200), nullable=True, comment="signature of what waits to be read; null: nothing to do"),
        sa.Column("container", Json, nullable=True, comment="of a member: {depth, members_left, member_bytes_left}"),
        sa.Column("content_hash", sa.String(length=64), nullable=True, comment="SHA-256 of the original"),
        sa.Column(
            "pipeline_key",
            sa.String(length=64),
            nullable=True,
            comment="hash of what else decides the chunks: extractor, chunking, model, generation",
        ),
        sa.Column("text_hash", sa.String(length=64), nullable=True, comment="blob of the extracted text"),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("media_type", sa.String(length=100), nullable=True),
        sa.Column("language", sa.String(length=8), nullable=True),
        sa.Column("pages", sa.Integer(), nullable=True),
        sa.Column("chunk_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("text_chars", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("outline", Json, nullable=True, comment="[{title, level, start, page}]"),
        sa.Column("tags", Json, nullable=False),
        sa.Column("metadata", Json, nullable=False),
        sa.Column("sealed_password", sa.LargeBinary(), nullable=True),
        sa.Column("modified_at", UtcDateTime(), nullable=True, comment="of the original, as the source says"),
        sa.Column("indexed_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("deleted_at", UtcDateTime(), nullable=True, comment="tombstone: never in an answer again; rows and points go in a job"),
        sa.CheckConstraint("state IN ('pending', 'indexed', 'partial', 'skipped', 'failed')", name=op.f("ck_documents_state_known")),
        sa.ForeignKeyConstraint(["collection_id"], ["collections.id"], name=op.f("fk_documents_collection_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["parent_id"], ["documents.id"], name=op.f("fk_documents_parent_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name=op.f("fk_documents_source_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_documents_tenant_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_documents")),
    )
    with op.batch_alter_table("documents", schema=None) as batch_op:
        batch_op.create_index("ix_documents_collection_id_language", ["collection_id", "language"], unique=False)
        batch_op.create_index(
            "ix_documents_due",
            ["source_id", "id"],
            unique=False,
            sqlite_where=sa.text("due IS NOT NULL"),
            postgresql_where=sa.text("due IS NOT NULL"),
        )
        batch_op.create_index("ix_documents_parent_id", ["parent_id"], unique=False)
        batch_op.create_index("ix_documents_source_id_content_hash", ["source_id", "content_hash"], unique=False)
        batch_op.create_index("ix_documents_source_id_state", ["source_id", "state"], unique=False)
        batch_op.create_index("ix_documents_tenant_id_collection_id_state_id", ["tenant_id", "collection_id", "state", "id"], unique=False)
        batch_op.create_index("uq_documents_source_id_path_hash", ["source_id", "path_hash"], unique=True)

    op.create_table(
        "chunks",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.Column("collection_id", sa.String(length=36), nullable=False),
        sa.Column("document_id", sa.String(length=36), nullable=False),
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
        sa.Column("language", sa.String(length=8), nullable=True),
        sa.Column("embedding_hash", sa.String(length=64), nullable=False, comment="of the embedded text; key into embeddings"),
        sa.ForeignKeyConstraint(["collection_id"], ["collections.id"], name=op.f("fk_chunks_collection_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["document_id"], ["documents.id"], name=op.f("fk_chunks_document_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_chunks_tenant_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chunks")),
    )
    with op.batch_alter_table("chunks", schema=None) as batch_op:
        batch_op.create_index("ix_chunks_collection_id_generation_id", ["collection_id", "generation", "id"], unique=False)
        batch_op.create_index("ix_chunks_tenant_id_embedding_hash", ["tenant_id", "embedding_hash"], unique=False)
        batch_op.create_index(
            "uq_chunks_document_id_version_generation_ordinal", ["document_id", "version", "generation", "ordinal"], unique=True
        )


def downgrade() -> None:
    with op.batch_alter_table("chunks", schema=None) as batch_op:
        batch_op.drop_index("uq_chunks_document_id_version_generation_ordinal")
        batch_op.drop_index("ix_chunks_tenant_id_embedding_hash")
        batch_op.drop_index("ix_chunks_collection_id_generation_id")

    op.drop_table("chunks")
    with op.batch_alter_table("documents", schema=None) as batch_op:
        batch_op.drop_index("uq_documents_source_id_path_hash")
        batch_op.drop_index("ix_documents_tenant_id_collection_id_state_id")
        batch_op.drop_index("ix_documents_source_id_state")
        batch_op.drop_index("ix_documents_source_id_content_hash")
        batch_op.drop_index("ix_documents_parent_id")
        batch_op.drop_index("ix_documents_due", sqlite_where=sa.text("due IS NOT NULL"), postgresql_where=sa.text("due IS NOT NULL"))
        batch_op.drop_index("ix_documents_collection_id_language")

    op.drop_table("documents")
    with op.batch_alter_table("sources", schema=None) as batch_op:
        batch_op.drop_index("ix_sources_tenant_id_collection_id")

    op.drop_table("sources")
    op.drop_table("schedule_fires")
    op.drop_table("job_items")
    op.drop_table("job_events")
    with op.batch_alter_table("job_edges", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_job_edges_child_id"))

    op.drop_table("job_edges")
    op.drop_table("job_attempts")
    op.drop_table("generations")
    op.drop_table("tenant_turns")
    op.drop_table("tenant_limits")
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_sessions_user_id"))
        batch_op.drop_index(batch_op.f("ix_sessions_previous_hash"))

    op.drop_table("sessions")
    with op.batch_alter_table("schedules", schema=None) as batch_op:
        batch_op.drop_index("uq_schedules_tenant_id_name")
        batch_op.drop_index("ix_schedules_next_fire_at")

    op.drop_table("schedules")
    with op.batch_alter_table("members", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_members_user_id"))

    op.drop_table("members")
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_jobs_dedup",
            sqlite_where=sa.text("dedup_key IS NOT NULL AND finished_at IS NULL"),
            postgresql_where=sa.text("dedup_key IS NOT NULL AND finished_at IS NULL"),
        )
        batch_op.drop_index(
            "uq_jobs_concurrency",
            sqlite_where=sa.text("concurrency_key IS NOT NULL AND lease_owner IS NOT NULL"),
            postgresql_where=sa.text("concurrency_key IS NOT NULL AND lease_owner IS NOT NULL"),
        )
        batch_op.drop_index("ix_jobs_workflow_id")
        batch_op.drop_index("ix_jobs_tenant_id_created_at_id")
        batch_op.drop_index("ix_jobs_tenant_id_collection_id_created_at")
        batch_op.drop_index(
            "ix_jobs_running", sqlite_where=sa.text("lease_owner IS NOT NULL"), postgresql_where=sa.text("lease_owner IS NOT NULL")
        )
        batch_op.drop_index("ix_jobs_ready", sqlite_where=sa.text("status = 'queued'"), postgresql_where=sa.text("status = 'queued'"))
        batch_op.drop_index(
            "ix_jobs_lease", sqlite_where=sa.text("lease_owner IS NOT NULL"), postgresql_where=sa.text("lease_owner IS NOT NULL")
        )
        batch_op.drop_index(
            "ix_jobs_concurrency_open",
            sqlite_where=sa.text("concurrency_key IS NOT NULL AND finished_at IS NULL"),
            postgresql_where=sa.text("concurrency_key IS NOT NULL AND finished_at IS NULL"),
        )

    op.drop_table("jobs")
    op.drop_table("idempotency_keys")
    op.drop_table("embeddings")
    op.drop_table("dead_points")
    with op.batch_alter_table("collections", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_collections_tenant_id_name", sqlite_where=sa.text("deleted_at IS NULL"), postgresql_where=sa.text("deleted_at IS NULL")
        )
        batch_op.drop_index("ix_collections_tenant_id_id")

    op.drop_table("collections")
    with op.batch_alter_table("api_keys", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_api_keys_user_id"))
        batch_op.drop_index("ix_api_keys_tenant_id_created_at")

    op.drop_table("api_keys")
    op.drop_table("workers")
    op.drop_table("vector_spaces")
    op.drop_table("users")
    op.drop_table("tenants")
    op.drop_table("setup_tokens")
    op.drop_table("queues")
