"""SQL of where a tenant's jobs wait, who holds them, and which were taken back; every statement starts from `auth/access`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from semantik.auth.access import readable_jobs
from semantik.auth.actor import Actor
from semantik.jobs.store import reading
from semantik.kit.database import AsyncSession
from semantik.tables.jobs import job_attempts, jobs


async def held_by(session: AsyncSession, actor: Actor) -> dict[str, list[Any]]:
    """The tenant's running jobs by the worker that holds them."""
    columns = (jobs.c.lease_owner, jobs.c.id, jobs.c.title, jobs.c.status)
    held: dict[str, list[Any]] = {}
    for row in await session.execute(readable_jobs(actor).where(jobs.c.lease_owner.is_not(None)).with_only_columns(*columns)):
        held.setdefault(row.lease_owner, []).append(row)
    return held


async def depths(session: AsyncSession, actor: Actor) -> list[dict[str, Any]]:
    """For each queue in which the tenant has open jobs: how many are in which state."""
    mine = readable_jobs(actor).with_only_columns(jobs.c.id)
    return await reading.depths(session, jobs.c.id.in_(mine))


async def recoveries(session: AsyncSession, actor: Actor, *, since: datetime, limit: int) -> list[Any]:
    """Attempts whose worker was lost, newest first, with the job as it is now and the attempt that came after."""
    following = job_attempts.alias("following")
    resumed_at = (
        sa.select(following.c.started_at)
        .where(following.c.job_id == jobs.c.id, following.c.fence > job_attempts.c.fence)
        .order_by(following.c.fence)
        .limit(1)
        .correlate(jobs, job_attempts)
        .scalar_subquery()
    )
    statement = (
        readable_jobs(actor)
        .join(job_attempts, job_attempts.c.job_id == jobs.c.id)
        .where(job_attempts.c.tenant_id == actor.tenant_id, job_attempts.c.how == sa.literal_column("'lost'"))
        .where(job_attempts.c.ended_at > since)
        .with_only_columns(
            jobs.c.id.label("job_id"),
            jobs.c.title,
            jobs.c.status,
            jobs.c.outcome,
            job_attempts.c.fence,
            job_attempts.c.owner,
            job_attempts.c.started_at,
            job_attempts.c.ended_at.label("lost_at"),
            job_attempts.c.to_cursor,
            resumed_at.label("resumed_at"),
        )
    )
    return list((await session.execute(statement.order_by(job_attempts.c.ended_at.desc(), jobs.c.id).limit(limit))).all())
