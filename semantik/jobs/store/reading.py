"""What runners and watchers ask of the table."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from semantik.jobs.states import LEASED
from semantik.jobs.store import rows
from semantik.jobs.store.clock import db_time
from semantik.jobs.store.rows import JOB_COLUMNS
from semantik.jobs.values import Job, job_of
from semantik.kit.database import AsyncSession, Database
from semantik.tables.jobs import job_events, job_items, jobs


async def job(database: Database, job_id: str) -> Job | None:
    async with database.read() as session:
        row = (await session.execute(sa.select(*JOB_COLUMNS).where(jobs.c.id == job_id))).mappings().first()
        return job_of(row) if row is not None else None


async def at_work_for_collection(session: AsyncSession, job: Job, collection_id: str) -> bool:
    """Whether another job of the collection runs."""
    others = rows.of_collection(job.tenant_id, collection_id), jobs.c.status.in_(LEASED), jobs.c.id != job.id
    return await session.scalar(sa.select(sa.literal(1)).where(*others).limit(1)) is not None


async def events(database: Database, job_id: str) -> list[tuple[int, str]]:
    """(number, status) of every event of a job, in order."""
    async with database.read() as session:
        statement = sa.select(job_events.c.seq, job_events.c.payload).where(job_events.c.job_id == job_id).order_by(job_events.c.seq)
        return [(row.seq, row.payload["status"]) for row in await session.execute(statement)]


async def chosen_items(database: Database, job: Job) -> dict[str, str | None] | None:
    """Keys and labels of the items that a retry of failed items is about; None for a job that is about all."""
    if not job.only_items:
        return None
    async with database.read() as session:
        found = await session.execute(sa.select(job_items.c.item_key, job_items.c.label).where(job_items.c.job_id == job.id))
        return {row.item_key: row.label for row in found}


async def depths(session: AsyncSession, *conditions: sa.ColumnElement[bool]) -> list[dict[str, Any]]:
    """For each queue with open jobs: how many are ready, later, blocked, running, and since when the oldest is ready."""
    now = db_time()
    ready = sa.and_(jobs.c.status == "queued", jobs.c.available_at <= now)
    found = await session.execute(
        sa.select(
            jobs.c.queue,
            _count(ready).label("ready"),
            _count(sa.and_(jobs.c.status == "queued", jobs.c.available_at > now)).label("later"),
            _count(jobs.c.status == "blocked").label("blocked"),
            _count(jobs.c.status == "paused").label("paused"),
            _count(jobs.c.lease_owner.is_not(None)).label("running"),
            sa.func.min(sa.case((ready, jobs.c.available_at))).label("oldest_ready_at"),
        )
        .where(jobs.c.finished_at.is_(None), *conditions)
        .group_by(jobs.c.queue)
    )
    return [dict(row) for row in found.mappings()]


def _count(condition: Any) -> sa.ColumnElement[int]:
    return sa.func.coalesce(sa.func.sum(sa.case((condition, 1), else_=0)), 0)


async def now(session: AsyncSession) -> datetime:
    value = await session.scalar(sa.select(db_time()))
    assert isinstance(value, datetime)
    return value
