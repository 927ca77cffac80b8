"""SQL of a tenant's view of its jobs; every statement starts from `auth/access`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from semantik.auth.access import readable_jobs, readable_schedules
from semantik.auth.actor import Actor
from semantik.jobs.states import ENDED
from semantik.jobs.store.create import JobUnknown
from semantik.jobs.store.items import dead
from semantik.jobs.store.rows import JOB_COLUMNS
from semantik.jobs.values import Job, job_of
from semantik.kit.database import AsyncSession
from semantik.tables.jobs import job_attempts, job_edges, job_events, job_items, jobs, schedules


def _jobs(actor: Actor) -> sa.Select[Any]:
    return readable_jobs(actor).with_only_columns(*JOB_COLUMNS)


async def get(session: AsyncSession, actor: Actor, job_id: str) -> Job:
    """Raises `JobUnknown` for one that is not there or belongs to others: the answer is the same."""
    row = (await session.execute(_jobs(actor).where(jobs.c.id == job_id))).mappings().first()
    if row is None:
        raise JobUnknown(f"there is no job {job_id}", hint="It may have been cleaned up. The list of jobs shows those there are.")
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


async def kinds(session: AsyncSession, actor: Actor) -> list[str]:
    """The kinds of which the tenant has jobs."""
    return list(await session.scalars(readable_jobs(actor).with_only_columns(jobs.c.kind).distinct().order_by(jobs.c.kind)))


async def ids(
    session: AsyncSession,
    actor: Actor,
    *,
    status: Sequence[str],
    kind: str | None,
    collection: str | None,
    workflow: str | None,
    after: tuple[datetime, str] | None,
    limit: int,
) -> list[tuple[str, datetime]]:
    """For a verb on many: ids with their times, oldest first."""
    conditions = _where(status=status, kind=kind, collection=collection, workflow=workflow)
    statement = readable_jobs(actor).where(*conditions).with_only_columns(jobs.c.id, jobs.c.created_at)
    if after is not None:
        at, job_id = after
        statement = statement.where(sa.or_(jobs.c.created_at > at, sa.and_(jobs.c.created_at == at, jobs.c.id > job_id)))
    found = await session.execute(statement.order_by(jobs.c.created_at, jobs.c.id).limit(limit))
    return [(row.id, row.created_at) for row in found]


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


async def log(
    session: AsyncSession, actor: Actor, job_id: str, *, levels: Sequence[str], after: int | None, before: int | None, limit: int
) -> list[Any]:
    """Events but for progress, of these levels: from the one after `after` on, or backwards from the one before `before`."""
    statement = (
        readable_jobs(actor)
        .where(jobs.c.id == job_id)
        .join(job_events, job_events.c.job_id == jobs.c.id)
        .where(job_events.c.type != "job.progress", job_events.c.level.in_(list(levels)))
        .with_only_columns(*job_events.c)
    )
    if before is not None:
        statement = statement.where(job_events.c.seq < before).order_by(job_events.c.seq.desc())
    else:
        statement = statement.where(job_events.c.seq > (after or 0)).order_by(job_events.c.seq)
    return list((await session.execute(statement.limit(limit))).all())


async def retriable_items(session: AsyncSession, actor: Actor, job_id: str) -> int:
    """Failed and quarantined items that no other job took over."""
    statement = readable_jobs(actor).where(jobs.c.id == job_id).join(job_items, job_items.c.job_id == jobs.c.id).where(*dead())
    return await session.scalar(statement.with_only_columns(sa.func.count())) or 0


async def clean_ups(session: AsyncSession, actor: Actor, kind: str) -> list[dict[str, Any]]:
    """The params of the tenant's schedules of a kind that are not paused."""
    statement = readable_schedules(actor).where(schedules.c.kind == kind, schedules.c.paused_at.is_(None))
    return list(await session.scalars(statement.with_only_columns(schedules.c.params)))


async def graph(session: AsyncSession, actor: Actor, job_id: str, *, most: int) -> tuple[list[Any], list[Any]]:
    """(jobs, edges) of everything the job hangs together with, the nearest first, at most `most` jobs."""
    near = sa.select(sa.literal(job_id).label("id")).cte("near", recursive=True)
    other = sa.case((job_edges.c.parent_id == near.c.id, job_edges.c.child_id), else_=job_edges.c.parent_id)
    touching = sa.or_(job_edges.c.parent_id == near.c.id, job_edges.c.child_id == near.c.id)
    near = near.union(sa.select(other).select_from(sa.join(job_edges, near, touching)))
    found = list(await session.scalars(sa.select(near.c.id).limit(most)))
    columns = (jobs.c.id, jobs.c.title, jobs.c.kind, jobs.c.status, jobs.c.outcome)
    nodes = (await session.execute(readable_jobs(actor).where(jobs.c.id.in_(found)).with_only_columns(*columns))).all()
    nodes = sorted(nodes, key=lambda row: found.index(row.id))
    known = [row.id for row in nodes]
    edges = await session.execute(
        sa.select(job_edges.c.parent_id, job_edges.c.child_id, job_edges.c.on_end).where(
            job_edges.c.tenant_id == actor.tenant_id, job_edges.c.parent_id.in_(known), job_edges.c.child_id.in_(known)
        )
    )
    return list(nodes), list(edges.all())


async def made_from(session: AsyncSession, actor: Actor, job_id: str) -> list[Any]:
    """Jobs that repeat this one, or items of it; newest first."""
    columns = (jobs.c.id, jobs.c.title, jobs.c.status, jobs.c.outcome)
    statement = readable_jobs(actor).where(jobs.c.parent_id == job_id).with_only_columns(*columns)
    return list((await session.execute(statement.order_by(jobs.c.created_at.desc()).limit(50))).all())


async def moved(session: AsyncSession, actor: Actor, *, since: datetime, job_id: str | None = None) -> dict[str, int]:
    """The newest event number of one job, or of each that is open or ended after `since`."""
    if job_id is not None:
        statement = readable_jobs(actor).where(jobs.c.id == job_id)
    else:
        statement = readable_jobs(actor).where(sa.or_(jobs.c.finished_at.is_(None), jobs.c.finished_at > since))
    return {row[0]: row[1] for row in await session.execute(statement.with_only_columns(jobs.c.id, jobs.c.event_seq))}


async def neighbours(session: AsyncSession, actor: Actor, job_id: str) -> tuple[list[Any], list[Any]]:
    """(what it waits for, what waits for it)."""
    columns = (jobs.c.id, jobs.c.title, jobs.c.status, jobs.c.outcome, job_edges.c.on_end)
    before = readable_jobs(actor).join(job_edges, job_edges.c.parent_id == jobs.c.id).where(job_edges.c.child_id == job_id)
    behind = readable_jobs(actor).join(job_edges, job_edges.c.child_id == jobs.c.id).where(job_edges.c.parent_id == job_id)
    first = (await session.execute(before.with_only_columns(*columns).limit(200))).all()
    second = (await session.execute(behind.with_only_columns(*columns).limit(200))).all()
    return list(first), list(second)
