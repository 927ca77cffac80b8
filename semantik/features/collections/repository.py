"""Statements on collections and their ledgers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from semantik.auth import access
from semantik.auth.actor import Actor
from semantik.kit.clock import now
from semantik.tables.collections import collections, generations
from semantik.tables.documents import chunks, documents
from semantik.tables.sources import sources

Row = Mapping[Any, Any]


async def page(session: AsyncSession, actor: Actor, *, after: tuple[str, str] | None, limit: int, name_contains: str | None) -> list[Row]:
    """Up to `limit + 1` collections by name."""
    statement = access.readable_collections(actor).order_by(collections.c.name, collections.c.id).limit(limit + 1)
    if name_contains:
        statement = statement.where(sa.func.lower(collections.c.name).contains(name_contains.lower(), autoescape=True))
    if after is not None:
        statement = statement.where(sa.tuple_(collections.c.name, collections.c.id) > sa.tuple_(*map(sa.literal, after)))
    return [row._mapping for row in await session.execute(statement)]


async def count(session: AsyncSession, actor: Actor) -> int:
    return int(await session.scalar(sa.select(sa.func.count()).select_from(access.readable_collections(actor).subquery())) or 0)


async def get(session: AsyncSession, actor: Actor, collection_id: str) -> Row | None:
    row = (await session.execute(access.readable_collections(actor).where(collections.c.id == collection_id))).one_or_none()
    return None if row is None else row._mapping


async def by_name(session: AsyncSession, actor: Actor, name: str) -> Row | None:
    row = (await session.execute(access.readable_collections(actor).where(collections.c.name == name))).one_or_none()
    return None if row is None else row._mapping


async def insert(session: AsyncSession, values: Mapping[str, Any], *, space: str) -> None:
    await session.execute(sa.insert(collections).values(**values))
    await session.execute(
        sa.insert(generations).values(
            tenant_id=values["tenant_id"],
            collection_id=values["id"],
            number=values["generation"],
            space=space,
            state="live",
            created_at=values["created_at"],
        )
    )


async def change(session: AsyncSession, actor: Actor, collection_id: str, values: Mapping[str, Any]) -> None:
    owned = access.readable_collections(actor).where(collections.c.id == collection_id).with_only_columns(collections.c.id)
    await session.execute(sa.update(collections).where(collections.c.id.in_(owned)).values(**values, updated_at=now()))


async def bury(session: AsyncSession, actor: Actor, collection_id: str) -> None:
    """Makes the collection invisible at once; its job removes the rest."""
    owned = access.readable_collections(actor).where(collections.c.id == collection_id).with_only_columns(collections.c.id)
    await session.execute(sa.update(collections).where(collections.c.id.in_(owned)).values(deleted_at=now()))


async def states(session: AsyncSession, actor: Actor, collection_ids: Sequence[str]) -> list[tuple[str, str, str | None, int, int]]:
    """(collection, state, code, documents, their chunks) for the ledgers of several collections."""
    statement = (
        access.readable_documents(actor)
        .where(documents.c.collection_id.in_(collection_ids))
        .with_only_columns(
            documents.c.collection_id,
            documents.c.state,
            documents.c.code,
            sa.func.count(),
            sa.func.coalesce(sa.func.sum(documents.c.chunk_count), 0),
        )
        .group_by(documents.c.collection_id, documents.c.state, documents.c.code)
    )
    return [(row[0], row[1], row[2], row[3], int(row[4])) for row in await session.execute(statement)]


async def source_counts(session: AsyncSession, actor: Actor, collection_ids: Sequence[str]) -> dict[str, int]:
    """Those that have none are left out."""
    statement = (
        access.readable_sources(actor)
        .where(sources.c.collection_id.in_(collection_ids))
        .with_only_columns(sources.c.collection_id, sa.func.count())
        .group_by(sources.c.collection_id)
    )
    return {row[0]: row[1] for row in await session.execute(statement)}


# What the delete job does, batch by batch. The collection is already invisible, so these start from its tombstone.


async def buried_space(session: AsyncSession, actor: Actor, collection_id: str) -> str | None:
    """The vector space of a buried collection; None when nothing of it is left."""
    return await session.scalar(
        sa.select(generations.c.space)
        .join(collections, collections.c.id == generations.c.collection_id)
        .where(collections.c.tenant_id == actor.tenant_id, collections.c.id == collection_id, collections.c.deleted_at.is_not(None))
        .order_by(generations.c.number.desc())
        .limit(1)
    )


async def remove_documents(session: AsyncSession, actor: Actor, collection_id: str, *, limit: int) -> int:
    """Removes up to `limit` documents with their chunks; returns how many."""
    batch = sa.select(documents.c.id).where(documents.c.tenant_id == actor.tenant_id, documents.c.collection_id == collection_id)
    ids = list(await session.scalars(batch.limit(limit)))
    await session.execute(sa.delete(chunks).where(chunks.c.document_id.in_(ids)))
    await session.execute(sa.delete(documents).where(documents.c.id.in_(ids)))
    return len(ids)


async def remove_collection(session: AsyncSession, actor: Actor, collection_id: str) -> None:
    await session.execute(sa.delete(collections).where(collections.c.tenant_id == actor.tenant_id, collections.c.id == collection_id))
