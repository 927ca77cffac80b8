"""Statements on sources, the collections they fill, and how fast this installation reads them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from semantik.auth import access
from semantik.auth.actor import Actor
from semantik.kit.clock import now
from semantik.kit.database import insert_ignore
from semantik.kit.ids import new_id
from semantik.tables.collections import collections, generations
from semantik.tables.jobs import jobs
from semantik.tables.jobs import speeds as measured
from semantik.tables.sources import sources

Row = Mapping[Any, Any]

_EARLY_S = 30


async def source(session: AsyncSession, actor: Actor, source_id: str) -> Row | None:
    row = (await session.execute(access.readable_sources(actor).where(sources.c.id == source_id))).one_or_none()
    return None if row is None else row._mapping


async def source_any(session: AsyncSession, actor: Actor, source_id: str) -> Row | None:
    """Also one that is deleted already: for the job that clears it away."""
    row = (await session.execute(sa.select(sources).where(sources.c.tenant_id == actor.tenant_id, sources.c.id == source_id))).one_or_none()
    return None if row is None else row._mapping


async def collection(session: AsyncSession, actor: Actor, collection_id: str) -> Row | None:
    row = (await session.execute(access.readable_collections(actor).where(collections.c.id == collection_id))).one_or_none()
    return None if row is None else row._mapping


async def generation(session: AsyncSession, actor: Actor, collection_id: str, number: int) -> Row | None:
    row = (
        await session.execute(
            sa.select(generations).where(
                generations.c.tenant_id == actor.tenant_id, generations.c.collection_id == collection_id, generations.c.number == number
            )
        )
    ).one_or_none()
    return None if row is None else row._mapping


async def settle_mean_terms(session: AsyncSession, actor: Actor, collection_id: str, number: int, mean_terms: float) -> None:
    """Fixes the mean once; whoever comes second keeps the first one's."""
    await session.execute(
        sa.update(generations)
        .where(
            generations.c.tenant_id == actor.tenant_id,
            generations.c.collection_id == collection_id,
            generations.c.number == number,
            generations.c.mean_terms.is_(None),
        )
        .values(mean_terms=mean_terms)
    )


async def upload_source(session: AsyncSession, actor: Actor, collection_id: str) -> str:
    """The collection's one source of uploads, made on first use."""
    found = await session.scalar(
        access.readable_sources(actor)
        .where(sources.c.collection_id == collection_id, sources.c.kind == "upload")
        .with_only_columns(sources.c.id)
        .order_by(sources.c.id)
        .limit(1)
    )
    if found is not None:
        return str(found)
    source_id = new_id()
    await session.execute(
        sa.insert(sources).values(
            id=source_id,
            tenant_id=actor.tenant_id,
            collection_id=collection_id,
            kind="upload",
            name="Uploads",
            settings={},
            created_at=now(),
        )
    )
    return source_id


async def source_synced(session: AsyncSession, actor: Actor, source_id: str, listed: int | None, *, held: int | None) -> None:
    """`listed` and `held` are None where nothing was listed."""
    values: dict[str, Any] = {"synced_at": now()} | ({} if listed is None else {"listed": listed, "held_deletions": held or None})
    await session.execute(sa.update(sources).where(sources.c.tenant_id == actor.tenant_id, sources.c.id == source_id).values(**values))


async def source_job(session: AsyncSession, actor: Actor, source_id: str, job_id: str) -> None:
    await session.execute(
        sa.update(sources).where(sources.c.tenant_id == actor.tenant_id, sources.c.id == source_id).values(last_job_id=job_id)
    )


async def to_check(session: AsyncSession, actor: Actor, at: datetime) -> list[Row]:
    """Sources whose turn has come to be looked at, longest ago first; not those that a job is working on or waits to."""
    busy = sa.select(jobs.c.source_id).where(
        jobs.c.tenant_id == actor.tenant_id, jobs.c.source_id.is_not(None), jobs.c.finished_at.is_(None)
    )
    # One that was never synced waits for somebody to say so: it may have been added for a look only.
    statement = access.readable_sources(actor).where(
        sources.c.check_every_s.is_not(None), sources.c.synced_at.is_not(None), sources.c.id.not_in(busy)
    )
    found = [row._mapping for row in await session.execute(statement)]
    due = [
        row
        for row in found
        # The schedule itself comes a little early now and then.
        if row["checked_at"] is None or (at - row["checked_at"]).total_seconds() > row["check_every_s"] - _EARLY_S
    ]
    return sorted(due, key=lambda row: row["checked_at"] or datetime.min.replace(tzinfo=UTC))


async def checked(session: AsyncSession, actor: Actor, source_id: str, note: str | None) -> None:
    await session.execute(
        sa.update(sources)
        .where(sources.c.tenant_id == actor.tenant_id, sources.c.id == source_id)
        .values(checked_at=now(), check_note=note)
    )


# How fast this installation works

_SPEEDS_KEPT = 20


async def speeds(session: AsyncSession, subject: str) -> list[float]:
    """Measured by earlier jobs, newest first."""
    statement = sa.select(measured.c.per_s).where(measured.c.subject == subject).order_by(measured.c.measured_at.desc())
    return list(await session.scalars(statement.limit(_SPEEDS_KEPT)))


async def note_speed(session: AsyncSession, subject: str, per_s: float) -> None:
    """Keeps the newest ones."""
    await insert_ignore(session, measured, [{"subject": subject, "measured_at": now(), "per_s": per_s}])
    newest = sa.select(measured.c.measured_at).where(measured.c.subject == subject).order_by(measured.c.measured_at.desc())
    kept = list(await session.scalars(newest.limit(_SPEEDS_KEPT)))
    await session.execute(sa.delete(measured).where(measured.c.subject == subject, measured.c.measured_at < kept[-1]))
