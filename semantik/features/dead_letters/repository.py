"""SQL of what failed for good: jobs and items; every statement starts from `auth/access`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from semantik.auth.access import readable_jobs
from semantik.auth.actor import Actor
from semantik.jobs.store.items import dead
from semantik.kit.database import AsyncSession
from semantik.tables.jobs import job_items, jobs


def _where(kind: str | None, collection: str | None) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    if kind is not None:
        conditions.append(jobs.c.kind == kind)
    if collection is not None:
        conditions.append(jobs.c.collection_id == collection)
    return conditions


async def page(
    session: AsyncSession,
    actor: Actor,
    *,
    what: str | None,
    kind: str | None,
    collection: str | None,
    code: str | None,
    before: tuple[datetime, str, str] | None,
    limit: int,
) -> list[Any]:
    """Failed jobs, and items of ended jobs that failed and were not taken over; newest first."""
    letters = _letters(actor, what=what, kind=kind, collection=collection, code=code).subquery()
    statement = sa.select(letters)
    if before is not None:
        at, job_id, key = before
        statement = statement.where(
            sa.or_(
                letters.c.at < at,
                sa.and_(letters.c.at == at, letters.c.job_id < job_id),
                sa.and_(letters.c.at == at, letters.c.job_id == job_id, letters.c.item_key < key),
            )
        )
    order = (letters.c.at.desc(), letters.c.job_id.desc(), letters.c.item_key.desc())
    return list((await session.execute(statement.order_by(*order).limit(limit))).all())


async def summary(session: AsyncSession, actor: Actor, *, kind: str | None, collection: str | None) -> list[Any]:
    """(what, code, number) of everything dead, most first."""
    letters = _letters(actor, what=None, kind=kind, collection=collection, code=None).subquery()
    many = sa.func.count().label("many")
    statement = sa.select(letters.c.what, letters.c.error_code, many).group_by(letters.c.what, letters.c.error_code)
    return list((await session.execute(statement.order_by(many.desc(), letters.c.error_code))).all())


def _letters(actor: Actor, *, what: str | None, kind: str | None, collection: str | None, code: str | None) -> Any:
    of_jobs = (
        readable_jobs(actor)
        .where(jobs.c.status == "failed", *_where(kind, collection))
        .with_only_columns(
            sa.literal_column("'job'").label("what"),
            jobs.c.id.label("job_id"),
            jobs.c.title,
            jobs.c.kind,
            jobs.c.collection_id,
            sa.literal_column("''").label("item_key"),
            sa.cast(sa.null(), sa.Text).label("label"),
            jobs.c.status.label("state"),
            jobs.c.attempt.label("tries"),
            jobs.c.error_class,
            jobs.c.error_code,
            jobs.c.error_message,
            jobs.c.finished_at.label("at"),
        )
    )
    of_items = (
        readable_jobs(actor)
        .join(job_items, job_items.c.job_id == jobs.c.id)
        .where(job_items.c.tenant_id == actor.tenant_id, *dead())
        .where(jobs.c.finished_at.is_not(None), *_where(kind, collection))
        .with_only_columns(
            sa.literal_column("'item'").label("what"),
            jobs.c.id.label("job_id"),
            jobs.c.title,
            jobs.c.kind,
            jobs.c.collection_id,
            job_items.c.item_key,
            job_items.c.label,
            job_items.c.state,
            (job_items.c.attempts + job_items.c.crashes).label("tries"),
            job_items.c.error_class,
            job_items.c.error_code,
            job_items.c.error_message,
            job_items.c.updated_at.label("at"),
        )
    )
    if code is not None:
        of_jobs = of_jobs.where(jobs.c.error_code == code)
        of_items = of_items.where(job_items.c.error_code == code)
    match what:
        case "job":
            return of_jobs
        case "item":
            return of_items
        case _:
            return sa.union_all(of_jobs, of_items)
