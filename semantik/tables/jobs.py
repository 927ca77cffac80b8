"""Jobs, their items, attempts, edges and events; schedules, queues and workers."""

from __future__ import annotations

import sqlalchemy as sa

from semantik.tables.base import BigInt, Json, Timestamp, identifier, metadata, one_of, tenant

_LEASED = "('running', 'pausing', 'cancelling')"
_ENDED = "('completed', 'failed', 'cancelled', 'skipped')"

jobs = sa.Table(
    "jobs",
    metadata,
    identifier(),
    tenant(),
    sa.Column("collection_id", sa.String(36), comment="no foreign key: a job outlives the collection it deleted"),
    sa.Column("source_id", sa.String(36)),
    sa.Column("created_by", sa.String(36)),
    sa.Column("kind", sa.String(64), nullable=False),
    sa.Column("title", sa.String(300), nullable=False, server_default=""),
    sa.Column("queue", sa.String(32), nullable=False),
    sa.Column("priority", sa.SmallInteger, nullable=False, server_default="5", comment="0 first .. 9 last"),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("control", sa.String(16), comment="pause | cancel | drain, asked of the owner"),
    sa.Column("control_by", sa.String(36)),
    sa.Column("control_at", Timestamp),
    sa.Column("paused_by", sa.String(16), comment="user | budget, of a paused job"),
    sa.Column("params", Json, nullable=False),
    sa.Column("params_version", sa.Integer, nullable=False, server_default="1"),
    sa.Column("dedup_key", sa.String(200)),
    sa.Column("concurrency_key", sa.String(200)),
    sa.Column("available_at", Timestamp, nullable=False),
    sa.Column("created_at", Timestamp, nullable=False),
    sa.Column("started_at", Timestamp),
    sa.Column("finished_at", Timestamp),
    sa.Column("outcome", sa.String(16), comment="ok | partial, of a completed job"),
    sa.Column("attempt", sa.Integer, nullable=False, server_default="0"),
    sa.Column("max_attempts", sa.Integer, nullable=False, server_default="5"),
    sa.Column("losses", sa.Integer, nullable=False, server_default="0"),
    sa.Column("losses_in_row", sa.Integer, nullable=False, server_default="0", comment="losses since the last checkpoint"),
    sa.Column("max_losses", sa.Integer, nullable=False, server_default="5", comment="of losses_in_row"),
    sa.Column("fence", BigInt, nullable=False, server_default="0"),
    sa.Column("lease_owner", sa.String(120)),
    sa.Column("lease_expires_at", Timestamp),
    sa.Column("last_progress_at", Timestamp),
    sa.Column("active_seconds", sa.Float, nullable=False, server_default="0", comment="time spent running, over all attempts"),
    sa.Column("cursor", Json),
    sa.Column("cursor_version", sa.Integer, nullable=False, server_default="1"),
    sa.Column("inflight_key", sa.String(300)),
    sa.Column("inflight_crashes", sa.Integer, nullable=False, server_default="0"),
    sa.Column("total", sa.Integer),
    sa.Column("done", sa.Integer, nullable=False, server_default="0"),
    sa.Column("failed", sa.Integer, nullable=False, server_default="0"),
    sa.Column("skipped", sa.Integer, nullable=False, server_default="0"),
    sa.Column("quarantined", sa.Integer, nullable=False, server_default="0"),
    sa.Column("budget", Json, comment="{meter: most}"),
    sa.Column("spent", Json, comment="{meter: amount}, of meters that are not columns"),
    sa.Column("estimate", Json, comment="{meter: [low, likely, high]}, made before or at the start"),
    sa.Column("waits", sa.Integer, nullable=False, server_default="0", comment="put off in a row for want of memory or disk"),
    sa.Column("rate_per_s", sa.Float, comment="items a second lately; null while it would be a guess"),
    sa.Column("message", sa.Text, comment="what it is doing now"),
    sa.Column("result", Json),
    sa.Column("error_class", sa.String(100)),
    sa.Column("error_code", sa.String(64)),
    sa.Column("error_message", sa.Text),
    sa.Column("correlation_id", sa.String(100)),
    sa.Column("workflow_id", sa.String(36)),
    sa.Column("parent_id", sa.String(36)),
    sa.Column("only_items", sa.Boolean, nullable=False, server_default=sa.false(), comment="works on the items in job_items only"),
    sa.Column("pending_deps", sa.Integer, nullable=False, server_default="0"),
    sa.Column("dep_policy", sa.String(16), nullable=False, server_default="all_success"),
    sa.Column("event_seq", BigInt, nullable=False, server_default="0"),
    sa.CheckConstraint(f"(status IN {_LEASED}) = (lease_owner IS NOT NULL)", name="leased_has_owner"),
    sa.CheckConstraint("(lease_owner IS NULL) = (lease_expires_at IS NULL)", name="owner_has_expiry"),
    sa.CheckConstraint(f"(status IN {_ENDED}) = (finished_at IS NOT NULL)", name="ended_has_time"),
    one_of("status", "blocked", "queued", "running", "pausing", "paused", "cancelling", "cancelled", "completed", "failed", "skipped"),
    one_of("dep_policy", "all_success", "all_finished"),
    sa.Index(
        "ix_jobs_ready",
        "queue",
        "priority",
        "tenant_id",
        "available_at",
        "id",
        # Last: so that a kind that is at its limit is passed over without a look at its rows.
        "kind",
        sqlite_where=sa.text("status = 'queued'"),
        postgresql_where=sa.text("status = 'queued'"),
    ),
    sa.Index(
        "ix_jobs_lease",
        "lease_expires_at",
        sqlite_where=sa.text("lease_owner IS NOT NULL"),
        postgresql_where=sa.text("lease_owner IS NOT NULL"),
    ),
    sa.Index(
        "ix_jobs_running",
        "queue",
        "tenant_id",
        "kind",
        sqlite_where=sa.text("lease_owner IS NOT NULL"),
        postgresql_where=sa.text("lease_owner IS NOT NULL"),
    ),
    sa.Index("ix_jobs_tenant_id_created_at_id", "tenant_id", "created_at", "id"),
    sa.Index("ix_jobs_tenant_id_collection_id_created_at", "tenant_id", "collection_id", "created_at"),
    sa.Index(
        "uq_jobs_dedup",
        "tenant_id",
        "kind",
        "dedup_key",
        unique=True,
        sqlite_where=sa.text("dedup_key IS NOT NULL AND finished_at IS NULL"),
        postgresql_where=sa.text("dedup_key IS NOT NULL AND finished_at IS NULL"),
    ),
    sa.Index(
        "uq_jobs_concurrency",
        "concurrency_key",
        unique=True,
        sqlite_where=sa.text("concurrency_key IS NOT NULL AND lease_owner IS NOT NULL"),
        postgresql_where=sa.text("concurrency_key IS NOT NULL AND lease_owner IS NOT NULL"),
    ),
    sa.Index(
        "ix_jobs_concurrency_open",
        "concurrency_key",
        sqlite_where=sa.text("concurrency_key IS NOT NULL AND finished_at IS NULL"),
        postgresql_where=sa.text("concurrency_key IS NOT NULL AND finished_at IS NULL"),
    ),
    sa.Index("ix_jobs_workflow_id", "workflow_id"),
    sa.Index(
        "ix_jobs_parent_id",
        "parent_id",
        sqlite_where=sa.text("parent_id IS NOT NULL"),
        postgresql_where=sa.text("parent_id IS NOT NULL"),
    ),
)

job_items = sa.Table(
    "job_items",
    metadata,
    tenant(),
    sa.Column("job_id", sa.ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    sa.Column("item_key", sa.String(300), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("label", sa.Text),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("crashes", sa.Integer, nullable=False, server_default="0"),
    sa.Column("error_class", sa.String(100)),
    sa.Column("error_code", sa.String(64)),
    sa.Column("error_message", sa.Text),
    sa.Column("retried_in", sa.String(36), comment="the job that took this failed item over"),
    sa.Column("updated_at", Timestamp, nullable=False),
    sa.PrimaryKeyConstraint("job_id", "item_key"),
    one_of("state", "pending", "done", "failed", "quarantined", "skipped"),
    sa.Index(
        "ix_job_items_dead",
        "tenant_id",
        "updated_at",
        sqlite_where=sa.text("state IN ('failed', 'quarantined') AND retried_in IS NULL"),
        postgresql_where=sa.text("state IN ('failed', 'quarantined') AND retried_in IS NULL"),
    ),
)

job_attempts = sa.Table(
    "job_attempts",
    metadata,
    tenant(),
    sa.Column("job_id", sa.ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    sa.Column("fence", BigInt, nullable=False),
    sa.Column("owner", sa.String(120), nullable=False),
    sa.Column("started_at", Timestamp, nullable=False),
    sa.Column("ended_at", Timestamp),
    sa.Column("how", sa.String(16), comment="completed | released | lost | error | control"),
    sa.Column("from_cursor", Json),
    sa.Column("to_cursor", Json),
    sa.Column("error", sa.Text),
    sa.PrimaryKeyConstraint("job_id", "fence"),
    sa.Index(
        "ix_job_attempts_lost", "tenant_id", "ended_at", sqlite_where=sa.text("how = 'lost'"), postgresql_where=sa.text("how = 'lost'")
    ),
)

job_edges = sa.Table(
    "job_edges",
    metadata,
    tenant(),
    sa.Column("parent_id", sa.ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    sa.Column("child_id", sa.ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("on_end", sa.String(16), nullable=False, comment="success | finished"),
    sa.Column("resolved_at", Timestamp, comment="when the parent's end was counted"),
    sa.PrimaryKeyConstraint("parent_id", "child_id"),
)

job_events = sa.Table(
    "job_events",
    metadata,
    tenant(),
    sa.Column("job_id", sa.ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    sa.Column("seq", BigInt, nullable=False),
    sa.Column("type", sa.String(64), nullable=False),
    sa.Column("level", sa.String(16), nullable=False, server_default="info"),
    sa.Column("payload", Json, nullable=False),
    sa.Column("created_at", Timestamp, nullable=False),
    sa.PrimaryKeyConstraint("job_id", "seq"),
)

idempotency_keys = sa.Table(
    "idempotency_keys",
    metadata,
    tenant(),
    sa.Column("key", sa.String(200), nullable=False),
    sa.Column("request_hash", sa.String(64), nullable=False),
    sa.Column("status", sa.SmallInteger, nullable=False),
    sa.Column("answer", sa.Text, comment="the JSON that was sent; null for an answer without a body"),
    sa.Column("created_at", Timestamp, nullable=False),
    sa.PrimaryKeyConstraint("tenant_id", "key"),
)

schedules = sa.Table(
    "schedules",
    metadata,
    identifier(),
    tenant(),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("kind", sa.String(64), nullable=False),
    sa.Column("params", Json, nullable=False),
    sa.Column("cron", sa.String(100), comment="either this or every_s"),
    sa.Column("every_s", sa.Integer),
    sa.Column("timezone", sa.String(64), nullable=False, server_default="UTC"),
    sa.Column("next_fire_at", Timestamp),
    sa.Column("overlap", sa.String(16), nullable=False, server_default="skip"),
    sa.Column("catchup_s", sa.Integer, nullable=False, server_default="3600"),
    sa.Column("jitter_s", sa.Integer, nullable=False, server_default="0"),
    sa.Column("paused_at", Timestamp),
    sa.Column("last_job_id", sa.String(36)),
    sa.Column("created_at", Timestamp, nullable=False),
    one_of("overlap", "skip", "buffer_one", "cancel_previous", "allow"),
    sa.Index("ix_schedules_next_fire_at", "next_fire_at"),
    sa.Index("uq_schedules_tenant_id_name", "tenant_id", "name", unique=True),
)

schedule_fires = sa.Table(
    "schedule_fires",
    metadata,
    tenant(),
    sa.Column("schedule_id", sa.ForeignKey("schedules.id", ondelete="CASCADE"), nullable=False),
    sa.Column("fire_at", Timestamp, nullable=False),
    sa.Column("job_id", sa.String(36)),
    sa.PrimaryKeyConstraint("schedule_id", "fire_at"),
)

queues = sa.Table(
    "queues",
    metadata,
    sa.Column("queue", sa.String(32), primary_key=True),
    sa.Column("paused_at", Timestamp),
    sa.Column("max_running", sa.Integer),
    sa.Column("max_per_tenant", sa.Integer, comment="of each tenant"),
)

# A kind has one queue, and its limits hold beside those of the queue.
kind_limits = sa.Table(
    "kind_limits",
    metadata,
    sa.Column("kind", sa.String(64), primary_key=True),
    sa.Column("max_running", sa.Integer, comment="over all tenants"),
    sa.Column("max_per_tenant", sa.Integer, comment="of each tenant"),
)

# Whose turn it is: among tenants with equally many jobs running, the one served longest ago goes first.
tenant_turns = sa.Table(
    "tenant_turns",
    metadata,
    tenant(),
    sa.Column("queue", sa.String(32), nullable=False),
    sa.Column("served_at", Timestamp, nullable=False),
    sa.PrimaryKeyConstraint("tenant_id", "queue"),
)

workers = sa.Table(
    "workers",
    metadata,
    sa.Column("id", sa.String(120), primary_key=True),
    sa.Column("pool", sa.String(32), nullable=False),
    sa.Column("queues", Json, nullable=False),
    sa.Column("slots", sa.Integer, nullable=False),
    sa.Column("version", sa.String(32), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("started_at", Timestamp, nullable=False),
    sa.Column("last_seen_at", Timestamp, nullable=False),
    sa.Column("name", sa.String(120), nullable=False, server_default="", comment="of the worker that the process is part of"),
    sa.Column("drain_asked_at", Timestamp, comment="takes no more jobs from then on"),
)

# How fast this installation works, as measured by its jobs: what estimates are made of. Old ones are dropped.
speeds = sa.Table(
    "speeds",
    metadata,
    sa.Column("subject", sa.String(200), nullable=False),
    sa.Column("measured_at", Timestamp, nullable=False),
    sa.Column("per_s", sa.Float, nullable=False),
    sa.PrimaryKeyConstraint("subject", "measured_at"),
)
