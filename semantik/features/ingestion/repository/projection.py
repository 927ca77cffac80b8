"""Statements on the index as a projection: its spaces, what each should hold, what is dead in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from semantik.auth.actor import Actor
from semantik.kit.clock import now
from semantik.kit.database import insert_ignore
from semantik.kit.walls import see_every_tenant
from semantik.rows import points
from semantik.tables.collections import generations
from semantik.tables.documents import chunks, dead_points, embeddings, vector_spaces
from semantik.tables.jobs import jobs

Row = Mapping[Any, Any]


async def note_space(session: AsyncSession, space: str, dimensions: int) -> None:
    await insert_ignore(session, vector_spaces, [{"space": space, "dimensions": dimensions, "rebuild_reason": None, "updated_at": now()}])


async def set_rebuild_reason(session: AsyncSession, space: str, reason: str | None) -> None:
    await session.execute(sa.update(vector_spaces).where(vector_spaces.c.space == space).values(rebuild_reason=reason, updated_at=now()))


async def spaces_with_points(session: AsyncSession) -> list[tuple[str, int, str | None]]:
    """(space, dimensions, rebuild reason) of every vector space of this installation."""
    return [
        tuple(row)
        for row in await session.execute(sa.select(vector_spaces.c.space, vector_spaces.c.dimensions, vector_spaces.c.rebuild_reason))
    ]


async def tenants_with_points(session: AsyncSession, space: str) -> list[tuple[str, int]]:
    """(tenant, points SQL expects in the space). Serves the index check at start, no request."""
    statement = (
        sa.select(chunks.c.tenant_id, sa.func.count())
        .join(generations, sa.and_(generations.c.collection_id == chunks.c.collection_id, generations.c.number == chunks.c.generation))
        .where(generations.c.space == space)
        .group_by(chunks.c.tenant_id)
    )
    return [tuple(row) for row in await session.execute(statement)]


async def projection_page(
    session: AsyncSession, actor: Actor, space: str, after: str, limit: int, *, ids: Sequence[str] | None = None
) -> list[Row]:
    """Everything a point is made of, by chunk id; of these `ids` only, where they are given."""
    statement = points.page_of(actor.tenant_id, space, after=after, limit=limit)
    if ids is not None:
        statement = statement.where(chunks.c.id.in_(ids))
    return [row._mapping for row in await session.execute(statement)]


async def rebuilt(session: AsyncSession, actor: Actor, space: str) -> None:
    """Clears the mark of a rebuild once no other tenant's rebuild of the space is unfinished."""
    open_rebuilds = sa.select(sa.func.count()).where(
        jobs.c.kind == "rebuild_index", jobs.c.dedup_key == space, jobs.c.finished_at.is_(None), jobs.c.tenant_id != actor.tenant_id
    )
    await see_every_tenant(session)
    if await session.scalar(open_rebuilds) == 0:
        await set_rebuild_reason(session, space, None)


async def unused_vectors(
    session: AsyncSession, actor: Actor, *, before: datetime, after: tuple[str, str] = ("", ""), limit: int
) -> list[tuple[str, str]]:
    """(model key, text hash) of vectors made before then whose text no chunk of the tenant holds, in order."""
    statement = (
        sa.select(embeddings.c.model_key, embeddings.c.text_hash)
        .where(
            embeddings.c.tenant_id == actor.tenant_id,
            embeddings.c.created_at < before,
            sa.tuple_(embeddings.c.model_key, embeddings.c.text_hash) > sa.tuple_(*map(sa.literal, after)),
            ~sa.exists().where(chunks.c.tenant_id == actor.tenant_id, chunks.c.embedding_hash == embeddings.c.text_hash),
        )
        .order_by(embeddings.c.model_key, embeddings.c.text_hash)
        .limit(limit)
    )
    return [(row.model_key, row.text_hash) for row in await session.execute(statement)]


async def forget_vectors(session: AsyncSession, actor: Actor, keys: Sequence[tuple[str, str]]) -> None:
    for model_key in {model_key for model_key, _ in keys}:
        hashes = [text_hash for other, text_hash in keys if other == model_key]
        await session.execute(
            sa.delete(embeddings).where(
                embeddings.c.tenant_id == actor.tenant_id, embeddings.c.model_key == model_key, embeddings.c.text_hash.in_(hashes)
            )
        )


async def dead_page(session: AsyncSession, actor: Actor, space: str, limit: int) -> list[str]:
    statement = (
        sa.select(dead_points.c.point_id).where(dead_points.c.tenant_id == actor.tenant_id, dead_points.c.space == space).limit(limit)
    )
    return list(await session.scalars(statement))


async def forget_dead(session: AsyncSession, actor: Actor, space: str, ids: Sequence[str]) -> None:
    await session.execute(
        sa.delete(dead_points).where(
            dead_points.c.tenant_id == actor.tenant_id, dead_points.c.space == space, dead_points.c.point_id.in_(ids)
        )
    )
