"""Statements that ask whether rows, files, vectors and index agree, and that set down what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from semantik.auth import access
from semantik.auth.actor import Actor
from semantik.features.ingestion.repository.removal import bury_points
from semantik.kit.clock import now
from semantik.kit.database import upsert
from semantik.tables.collections import collections, generations
from semantik.tables.documents import chunks, dead_points, documents, embeddings
from semantik.tables.sources import sources

Row = Mapping[Any, Any]

_FILES = (
    documents.c.id, documents.c.path, documents.c.parent_id, documents.c.source_id, documents.c.collection_id, documents.c.content_hash,
    documents.c.text_hash, documents.c.state, documents.c.code, documents.c.due,
)  # fmt: skip


async def documents_with_files(session: AsyncSession, actor: Actor, after: str, limit: int) -> list[Row]:
    """Documents that name an original or a text and that nobody is about to read, by id."""
    statement = (
        access.readable_documents(actor)
        .where(
            documents.c.due.is_(None),
            sa.or_(documents.c.content_hash.is_not(None), documents.c.text_hash.is_not(None)),
            documents.c.id > after,
        )
        .with_only_columns(*_FILES)
        .order_by(documents.c.id)
        .limit(limit)
    )
    return [row._mapping for row in await session.execute(statement)]


async def documents_by_id(session: AsyncSession, actor: Actor, ids: Sequence[str]) -> dict[str, Row]:
    """Of those that are still there, with the kind of their source and the name of their collection."""
    statement = (
        access.readable_documents(actor)
        .join(sources, sources.c.id == documents.c.source_id)
        .where(documents.c.id.in_(ids))
        .with_only_columns(*_FILES, sources.c.kind.label("source_kind"), collections.c.name.label("collection_name"))
    )
    return {row.id: row._mapping for row in await session.execute(statement)}


async def own_spaces(session: AsyncSession, actor: Actor) -> list[tuple[str, str]]:
    """(vector space, model) of the tenant's collections, by space."""
    statement = (
        sa.select(generations.c.space, sa.func.min(collections.c.embedding_model))
        .join(collections, collections.c.id == generations.c.collection_id)
        .where(collections.c.tenant_id == actor.tenant_id)
        .group_by(generations.c.space)
        .order_by(generations.c.space)
    )
    return [tuple(row) for row in await session.execute(statement)]


async def dead_chunks(session: AsyncSession, actor: Actor, after: str, limit: int) -> list[Row]:
    """Chunks that no search can show, now or later: without a document, of a version that is over, or of one that nobody writes."""
    statement = (
        sa.select(chunks.c.id, chunks.c.document_id, generations.c.space)
        .outerjoin(documents, documents.c.id == chunks.c.document_id)
        .outerjoin(generations, sa.and_(generations.c.collection_id == chunks.c.collection_id, generations.c.number == chunks.c.generation))
        .where(
            chunks.c.tenant_id == actor.tenant_id,
            chunks.c.id > after,
            sa.or_(
                documents.c.id.is_(None),
                chunks.c.version < documents.c.version,
                sa.and_(chunks.c.version > documents.c.version, documents.c.due.is_(None)),
            ),
        )
        .order_by(chunks.c.id)
        .limit(limit)
    )
    return [row._mapping for row in await session.execute(statement)]


async def bury_chunks(session: AsyncSession, actor: Actor, ids: Sequence[str], space: str | None) -> None:
    own = sa.and_(chunks.c.tenant_id == actor.tenant_id, chunks.c.id.in_(ids))
    if space is not None:
        await bury_points(session, sa.select(chunks.c.id).where(own), actor, space)
    await session.execute(sa.delete(chunks).where(own))


async def known_chunks(session: AsyncSession, actor: Actor, ids: Sequence[str]) -> dict[str, tuple[str, int, str]]:
    """(collection, generation, document) of those ids that are chunks."""
    statement = sa.select(chunks.c.id, chunks.c.collection_id, chunks.c.generation, chunks.c.document_id).where(
        chunks.c.tenant_id == actor.tenant_id, chunks.c.id.in_(ids)
    )
    return {row.id: (row.collection_id, row.generation, row.document_id) for row in await session.execute(statement)}


async def in_flight(session: AsyncSession, actor: Actor, space: str, points: Mapping[str, str | None]) -> set[str]:
    """Of these points (with the document they say they are of) those that are on their way in or out: no orphans."""
    leaving = sa.select(dead_points.c.point_id).where(
        dead_points.c.tenant_id == actor.tenant_id, dead_points.c.space == space, dead_points.c.point_id.in_(list(points))
    )
    coming = sa.select(documents.c.id).where(
        documents.c.tenant_id == actor.tenant_id,
        documents.c.id.in_({document for document in points.values() if document is not None}),
        documents.c.due.is_not(None),
    )
    being_read = set(await session.scalars(coming))
    return set(await session.scalars(leaving)) | {point for point, document in points.items() if document in being_read}


async def counts_page(session: AsyncSession, actor: Actor, after: str, limit: int) -> list[Row]:
    """Documents that nobody is about to read, by id: how many chunks the row says they have, and how many there are."""
    page = (
        access.readable_documents(actor)
        .where(documents.c.due.is_(None), documents.c.id > after)
        .with_only_columns(
            documents.c.id, documents.c.path, documents.c.version, documents.c.chunk_count, collections.c.generation.label("live")
        )
        .order_by(documents.c.id)
        .limit(limit)
        .subquery()
    )
    there = (
        sa.select(sa.func.count())
        .where(
            chunks.c.document_id == page.c.id,
            chunks.c.version == page.c.version,
            chunks.c.generation == page.c.live,
            chunks.c.tenant_id == actor.tenant_id,
        )
        .scalar_subquery()
    )
    statement = sa.select(page.c.id, page.c.path, page.c.chunk_count, there.label("there")).order_by(page.c.id)
    return [row._mapping for row in await session.execute(statement)]


async def set_chunk_count(session: AsyncSession, actor: Actor, document_id: str, count: int) -> None:
    await session.execute(
        sa.update(documents)
        .where(documents.c.tenant_id == actor.tenant_id, documents.c.id == document_id)
        .values(chunk_count=count, updated_at=now())
    )


async def mark_lost(session: AsyncSession, actor: Actor, document_id: str, *, code: str, reason: str, hint: str) -> None:
    """The document fails and says why. What was read from it stays searchable: nothing else is left of it."""
    await session.execute(
        sa.update(documents)
        .where(documents.c.tenant_id == actor.tenant_id, documents.c.id == document_id, documents.c.due.is_(None))
        .values(state="failed", code=code, reason=reason, hint=hint, updated_at=now())
    )


async def overwrite_vectors(session: AsyncSession, rows: Sequence[Row]) -> None:
    await upsert(session, embeddings, rows, keys=["tenant_id", "model_key", "text_hash"])
