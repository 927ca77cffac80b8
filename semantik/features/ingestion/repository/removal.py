"""Statements by which documents, sources and points leave."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from semantik.auth.actor import Actor
from semantik.kit.clock import now
from semantik.kit.database import db_now, insert_ignore
from semantik.tables.documents import chunks, dead_points, documents, file_holds
from semantik.tables.sources import sources


async def remove_documents(session: AsyncSession, actor: Actor, document_ids: Iterable[str], space: str) -> set[str]:
    """Deletes documents, what lies inside them and their chunks; returns the blobs they named. The index follows by `dead_points`."""
    ids = set(document_ids)
    if not ids:
        return set()
    layer = ids
    while layer:
        inside = sa.select(documents.c.id).where(documents.c.tenant_id == actor.tenant_id, documents.c.parent_id.in_(layer))
        layer = set(await session.scalars(inside)) - ids
        ids |= layer
    blobs = (
        await session.execute(
            sa.select(documents.c.content_hash, documents.c.text_hash).where(
                documents.c.tenant_id == actor.tenant_id, documents.c.id.in_(ids)
            )
        )
    ).all()
    await bury_points(
        session, sa.select(chunks.c.id).where(chunks.c.tenant_id == actor.tenant_id, chunks.c.document_id.in_(ids)), actor, space
    )
    await session.execute(sa.delete(documents).where(documents.c.tenant_id == actor.tenant_id, documents.c.id.in_(ids)))
    return {name for row in blobs for name in row if name is not None}


async def remove_source(session: AsyncSession, actor: Actor, source_id: str) -> None:
    await session.execute(sa.delete(sources).where(sources.c.tenant_id == actor.tenant_id, sources.c.id == source_id))


async def document_ids(session: AsyncSession, actor: Actor, source_id: str, limit: int) -> list[str]:
    statement = sa.select(documents.c.id).where(documents.c.tenant_id == actor.tenant_id, documents.c.source_id == source_id).limit(limit)
    return list(await session.scalars(statement))


async def unused_blobs(session: AsyncSession, actor: Actor, hashes: set[str]) -> set[str]:
    """Those that no document of the tenant names any more."""
    used: set[str] = set()
    for column in (documents.c.content_hash, documents.c.text_hash):
        used |= set(await session.scalars(sa.select(column).where(documents.c.tenant_id == actor.tenant_id, column.in_(hashes))))
    return hashes - used


async def files_held(session: AsyncSession) -> bool:
    """Whether a backup is reading stored files, of whichever tenant."""
    held = sa.exists(sa.select(file_holds.c.id).where(file_holds.c.expires_at > await db_now(session)))
    return bool(await session.scalar(sa.select(held)))


async def bury_points(session: AsyncSession, ids: sa.Select[Any], actor: Actor, space: str) -> int:
    """Marks the points of these chunks as dead; returns how many."""
    dead = [{"tenant_id": actor.tenant_id, "space": space, "point_id": row, "created_at": now()} for row in await session.scalars(ids)]
    await insert_ignore(session, dead_points, dead)
    return len(dead)
