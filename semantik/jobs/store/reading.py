"""What runners and watchers ask of the table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from semantik.jobs.store.clock import db_time
from semantik.jobs.store.rows import JOB_COLUMNS
from semantik.jobs.values import Job, job_of
from semantik.kit.database import AsyncSession, Database, upsert
from semantik.tables.jobs import job_events, job_items, jobs, kind_limits, queues, workers


async def job(database: Database, job_id: str) -> Job | None:
    async with database.read() as session:
        row = (await session.execute(sa.select(*JOB_COLUMNS).where(jobs.c.id == job_id))).mappings().first()
        return job_of(row) if row is not None else None


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


# Workers sign every ten seconds.
SILENT_S = 60


@dataclass(frozen=True, slots=True)
class WorkerSigns:
    """What a worker process says of itself."""

    id: str
    pool: str
    queues: list[str]
    slots: int
    version: str
    state: str


async def sign_in(database: Database, signs: WorkerSigns) -> None:
    """Writes the worker's row, and drops rows of those not seen for a day."""
    async with database.write() as session:
        now = await session.scalar(sa.select(db_time()))
        row = {**{name: getattr(signs, name) for name in signs.__slots__}, "started_at": now, "last_seen_at": now}
        await upsert(session, workers, [row], keys=["id"])
        await session.execute(sa.delete(workers).where(workers.c.last_seen_at < db_time(-86400)))
        await session.commit()


async def seen(database: Database, worker_id: str, state: str) -> None:
    async with database.write() as session:
        await session.execute(sa.update(workers).where(workers.c.id == worker_id).values(last_seen_at=db_time(), state=state))
        await session.commit()


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


async def all_workers(session: AsyncSession) -> list[Any]:
    """Of the installation, not of a tenant: names of processes and nothing they work on. Newest first."""
    return list((await session.execute(sa.select(workers).order_by(workers.c.started_at.desc()).limit(200))).all())


async def living_workers(session: AsyncSession) -> list[Any]:
    """Workers that take jobs: up, and seen within the last minute."""
    living = sa.and_(workers.c.state == "up", workers.c.last_seen_at > db_time(-SILENT_S))
    return list((await session.execute(sa.select(workers).where(living).order_by(workers.c.id))).all())


async def queue_settings(session: AsyncSession) -> dict[str, Any]:
    return {row.queue: row for row in await session.execute(sa.select(queues))}


async def limits_of_kinds(session: AsyncSession) -> dict[str, Any]:
    return {row.kind: row for row in await session.execute(sa.select(kind_limits))}


async def set_queue(session: AsyncSession, queue: str, values: dict[str, Any]) -> None:
    """Changes pause and limits of a queue, for all tenants."""
    row = (await session.execute(sa.select(queues).where(queues.c.queue == queue))).mappings().first()
    known = {"paused_at": None, "max_running": None, "max_per_tenant": None, **(dict(row) if row is not None else {}), "queue": queue}
    await upsert(session, queues, [{**known, **values}], keys=["queue"])


async def set_kind(session: AsyncSession, kind: str, values: dict[str, Any]) -> None:
    """Changes the limits of a kind, for all tenants."""
    row = (await session.execute(sa.select(kind_limits).where(kind_limits.c.kind == kind))).mappings().first()
    known = {"max_running": None, "max_per_tenant": None, **(dict(row) if row is not None else {}), "kind": kind}
    await upsert(session, kind_limits, [{**known, **values}], keys=["kind"])


def _count(condition: Any) -> sa.ColumnElement[int]:
    return sa.func.coalesce(sa.func.sum(sa.case((condition, 1), else_=0)), 0)


async def now(session: AsyncSession) -> datetime:
    value = await session.scalar(sa.select(db_time()))
    assert isinstance(value, datetime)
    return value
