"""Statements on sources and their ledgers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from semantik.auth import access
from semantik.auth.actor import Actor
from semantik.kit.clock import now
from semantik.tables.collections import collections
from semantik.tables.documents import documents
from semantik.tables.sources import sources

Row = Mapping[Any, Any]


async def collection_exists(session: AsyncSession, actor: Actor, collection_id: str) -> bool:
    statement = access.readable_collections(actor).where(collections.c.id == collection_id).with_only_columns(collections.c.id)
    return await session.scalar(statement) is not None


async def page(session: AsyncSession, actor: Actor, collection_id: str, *, after: str | None, limit: int) -> list[Row]:
    """Up to `limit + 1` sources of a collection, oldest first."""
    statement = access.readable_sources(actor).where(sources.c.collection_id == collection_id).order_by(sources.c.id).limit(limit + 1)
    if after is not None:
        statement = statement.where(sources.c.id > after)
    return [row._mapping for row in await session.execute(statement)]


async def get(session: AsyncSession, actor: Actor, source_id: str) -> Row | None:
    row = (await session.execute(access.readable_sources(actor).where(sources.c.id == source_id))).one_or_none()
    return None if row is None else row._mapping


async def insert(session: AsyncSession, values: Mapping[str, Any]) -> None:
    await session.execute(sa.insert(sources).values(**values))


async def change(session: AsyncSession, actor: Actor, source_id: str, values: Mapping[str, Any]) -> None:
    owned = access.readable_sources(actor).where(sources.c.id == source_id).with_only_columns(sources.c.id)
    await session.execute(sa.update(sources).where(sources.c.id.in_(owned)).values(**values))


async def bury(session: AsyncSession, actor: Actor, source_id: str) -> None:
    """The source and its documents leave every list and search at once; a job removes the rest."""
    owned = access.readable_sources(actor).where(sources.c.id == source_id).with_only_columns(sources.c.id)
    await session.execute(sa.update(documents).where(documents.c.source_id.in_(owned)).values(deleted_at=now(), due=None))
    await session.execute(
        sa.update(sources).where(sources.c.id == source_id, sources.c.tenant_id == actor.tenant_id).values(deleted_at=now())
    )


async def states(session: AsyncSession, actor: Actor, source_ids: Sequence[str]) -> list[tuple[str, str, str | None, int]]:
    """(source, state, code, documents)."""
    statement = (
        access.readable_documents(actor)
        .where(documents.c.source_id.in_(source_ids))
        .with_only_columns(documents.c.source_id, documents.c.state, documents.c.code, sa.func.count())
        .group_by(documents.c.source_id, documents.c.state, documents.c.code)
    )
    return [tuple(row) for row in await session.execute(statement)]
