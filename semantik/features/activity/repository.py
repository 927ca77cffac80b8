"""SQL of a tenant's view of its jobs; every statement starts from `auth/access`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from semantik.auth.access import readable_jobs
from semantik.auth.actor import Actor
from semantik.jobs.states import ENDED
from semantik.jobs.store import reading
from semantik.jobs.store.create import JobUnknown
from semantik.jobs.store.rows import JOB_COLUMNS
from semantik.jobs.values import Job, job_of
from semantik.kit.database import AsyncSession
from semantik.tables.jobs import job_attempts, job_edges, job_events, job_items, jobs


def _jobs(actor: Actor) -> sa.Select[Any]:
    return readable_jobs(actor).with_only_columns(*JOB_COLUMNS)


async def get(session: AsyncSession, actor: Actor, job_id: str) -> Job:
    """Raises `JobUnknown` for one that is not there or belongs to others: the answer is the same."""
    row = (await session.execute(_jobs(actor).where(jobs.c.id == job_id))).mappings().first()
    if row is None:
        raise JobUnknown(f"there is no job {job_id}", hint="List them with GET /api/v1/jobs.")
    return job_of(row)


def _where(*, status: Sequence[str], kind: str | None, collection: str | None, workflow: str | None = None) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    if status:
        conditions.append(jobs.c.status.in_(list(status)))
    if kind is not None:
        conditions.append(jobs.c.kind == kind)
    if collection is not None:
        conditions.append(jobs.c.collection_id == collection)
    if workflow is not None:
        conditions.append(jobs.c.workflow_id == workflow)
    return conditions


async def page(
    session: AsyncSession,
    actor: Actor,
    *,
    status: Sequence[str],
    kind: str | None,
    collection: str | None,
    before: tuple[datetime, str] | None,
    limit: int,
) -> list[Job]:
    """Newest first."""
    statement = _jobs(actor).where(*_where(status=status, kind=kind, collection=collection))
    if before is not None:
        at, job_id = before
        statement = statement.where(sa.or_(jobs.c.created_at < at, sa.and_(jobs.c.created_at == at, jobs.c.id < job_id)))
    rows = (await session.execute(statement.order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(limit))).mappings()
    return [job_of(row) for row in rows]


async def summary(session: AsyncSession, actor: Actor, *, kind: str | None, collection: str | None) -> dict[str, int]:
    statement = (
        readable_jobs(actor)
        .where(*_where(status=(), kind=kind, collection=collection))
        .with_only_columns(jobs.c.status, sa.func.count())
        .group_by(jobs.c.status)
    )
    return {row[0]: row[1] for row in await session.execute(statement)}


async def ids(
    session: AsyncSession,
    actor: Actor,
    *,
    status: Sequence[str],
    kind: str | None,
    collection: str | None,
    workflow: str | None,
    limit: int,
) -> list[str]:
    """For a verb on many: oldest first."""
    conditions = _where(status=status, kind=kind, collection=collection, workflow=workflow)
    statement = readable_jobs(actor).where(*conditions).with_only_columns(jobs.c.id).order_by(jobs.c.created_at, jobs.c.id).limit(limit)
    return list(await session.scalars(statement))


async def recent(session: AsyncSession, actor: Actor, *, ended: int = 50) -> list[Job]:
    """All open jobs (up to a thousand) and the newest ended ones: what a live list starts from."""
    order = (jobs.c.created_at.desc(), jobs.c.id.desc())
    open_ = (await session.execute(_jobs(actor).where(jobs.c.finished_at.is_(None)).order_by(*order).limit(1000))).mappings().all()
    done = (await session.execute(_jobs(actor).where(jobs.c.status.in_(list(ENDED))).order_by(*order).limit(ended))).mappings().all()
    return [job_of(row) for row in (*open_, *done)]


async def items(session: AsyncSession, actor: Actor, job_id: str, *, state: Sequence[str], after: str | None, limit: int) -> list[Any]:
    statement = (
        readable_jobs(actor).where(jobs.c.id == job_id).join(job_items, job_items.c.job_id == jobs.c.id).with_only_columns(*job_items.c)
    )
    if state:
        statement = statement.where(job_items.c.state.in_(list(state)))
    if after is not None:
        statement = statement.where(job_items.c.item_key > after)
    return list((await session.execute(statement.order_by(job_items.c.item_key).limit(limit))).all())


async def attempts(session: AsyncSession, actor: Actor, job_id: str) -> list[Any]:
    statement = readable_jobs(actor).where(jobs.c.id == job_id).join(job_attempts, job_attempts.c.job_id == jobs.c.id)
    return list((await session.execute(statement.with_only_columns(*job_attempts.c).order_by(job_attempts.c.fence))).all())


async def events(session: AsyncSession, actor: Actor, job_id: str, *, after: int, limit: int) -> list[Any]:
    """In order of their numbers, which have no gaps."""
    statement = (
        readable_jobs(actor)
        .where(jobs.c.id == job_id)
        .join(job_events, job_events.c.job_id == jobs.c.id)
        .where(job_events.c.seq > after)
        .with_only_columns(*job_events.c)
        .order_by(job_events.c.seq)
        .limit(limit)
    )
    return list((await session.execute(statement)).all())


async def moved(session: AsyncSession, actor: Actor, *, since: datetime, job_id: str | None = None) -> dict[str, int]:
    """The newest event number of each job that is open or ended after `since`."""
    statement = readable_jobs(actor).where(sa.or_(jobs.c.finished_at.is_(None), jobs.c.finished_at > since))
    if job_id is not None:
        statement = statement.where(jobs.c.id == job_id)
    return {row[0]: row[1] for row in await session.execute(statement.with_only_columns(jobs.c.id, jobs.c.event_seq))}


async def neighbours(session: AsyncSession, actor: Actor, job_id: str) -> tuple[list[Any], list[Any]]:
    """(what it waits for, what waits for it)."""
    columns = (jobs.c.id, jobs.c.title, jobs.c.status, job_edges.c.on_end)
    before = readable_jobs(actor).join(job_edges, job_edges.c.parent_id == jobs.c.id).where(job_edges.c.child_id == job_id)
    behind = readable_jobs(actor).join(job_edges, job_edges.c.child_id == jobs.c.id).where(job_edges.c.parent_id == job_id)
    first = (await session.execute(before.with_only_columns(*columns).limit(200))).all()
    second = (await session.execute(behind.with_only_columns(*columns).limit(200))).all()
    return list(first), list(second)


async def held_by(session: AsyncSession, actor: Actor) -> dict[str, list[str]]:
    """The tenant's running jobs by the worker that holds them."""
    statement = readable_jobs(actor).where(jobs.c.lease_owner.is_not(None)).with_only_columns(jobs.c.lease_owner, jobs.c.id)
    held: dict[str, list[str]] = {}
    for owner, job_id in await session.execute(statement):
        held.setdefault(owner, []).append(job_id)
    return held


async def depths(session: AsyncSession, actor: Actor) -> list[dict[str, Any]]:
    """For each queue in which the tenant has open jobs: how many are in which state."""
    mine = readable_jobs(actor).with_only_columns(jobs.c.id)
    return await reading.depths(session, jobs.c.id.in_(mine))
