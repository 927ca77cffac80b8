"""Statements of search: which collections answer, in which languages, and the passages behind hits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from semantik.auth import access
from semantik.auth.actor import Actor
from semantik.features.search.values import Passage, Searchable
from semantik.kit.database import among
from semantik.tables.collections import collections, generations
from semantik.tables.documents import chunks, documents, vector_spaces


async def searchable(session: AsyncSession, actor: Actor, wanted: Sequence[str] | None) -> list[Searchable]:
    """Readable collections with their answering generation, by id. Raises `CollectionUnknown` for a wanted one that is not there."""
    statement = (
        access.readable_collections(actor)
        .join(generations, sa.and_(generations.c.collection_id == collections.c.id, generations.c.number == collections.c.generation))
        .outerjoin(vector_spaces, vector_spaces.c.space == generations.c.space)
        .with_only_columns(
            collections.c.id,
            collections.c.name,
            collections.c.embedding_model,
            collections.c.generation,
            generations.c.space,
            vector_spaces.c.rebuild_reason,
        )
        .order_by(collections.c.id)
    )
    if wanted is not None:
        statement = statement.where(collections.c.id.in_(list(wanted)))
    found = [
        Searchable(row.id, row.name, row.embedding_model, row.generation, row.space, row.rebuild_reason is not None)
        for row in await session.execute(statement)
    ]
    access.refuse_unknown(wanted, {one.id for one in found})
    return found


async def languages(session: AsyncSession, actor: Actor, ids: Sequence[str]) -> list[str | None]:
    """Languages of the documents in these collections, by the index: one step for each language, however many documents."""
    found: set[str | None] = set()
    for collection_id in ids:
        inside = access.readable_documents(actor).where(documents.c.collection_id == collection_id, documents.c.language.is_not(None))
        first = inside.with_only_columns(sa.func.min(documents.c.language).label("language"))
        steps = first.cte("steps", recursive=True)
        following = inside.where(documents.c.language > steps.c.language).with_only_columns(sa.func.min(documents.c.language))
        # A correlated scalar, for an aggregate may not stand in the recursive part itself.
        steps = steps.union_all(sa.select(following.correlate(steps).scalar_subquery()).where(steps.c.language.is_not(None)))
        found.update(language for language in await session.scalars(sa.select(steps.c.language)) if language is not None)
    return sorted(found, key=str)


async def has_chunks(session: AsyncSession, actor: Actor, ids: Sequence[str]) -> bool:
    statement = access.readable_chunks(actor).where(chunks.c.collection_id.in_(ids)).with_only_columns(sa.literal(1)).limit(1)
    return await session.scalar(statement) is not None


# Of `chunks` on PostgreSQL.
_PARTITIONS = 16


async def documents_of(session: AsyncSession, actor: Actor, collection_ids: Sequence[str], chunk_ids: Sequence[str]) -> dict[str, str]:
    """Document of each chunk of these collections that lives and may be read; what the index holds beyond that is not in it."""
    statement = _lying_in(access.readable_chunks(actor), collection_ids).where(among(session, chunks.c.id, chunk_ids))
    rows = await session.execute(statement.with_only_columns(chunks.c.id, chunks.c.document_id))
    return dict(rows.tuples().all())


def _lying_in(statement: sa.Select[Any], collection_ids: Sequence[str]) -> sa.Select[Any]:
    """Names the partitions to look into; for many collections that says nothing any more and only makes the statement long."""
    return statement.where(chunks.c.collection_id.in_(collection_ids)) if len(collection_ids) <= _PARTITIONS else statement


async def passages(session: AsyncSession, actor: Actor, collection_ids: Sequence[str], chunk_ids: Sequence[str]) -> dict[str, Passage]:
    """The passages of chunks of these collections that live and may be read."""
    columns: list[sa.Column[Any]] = [
        chunks.c.id, chunks.c.text, chunks.c.start, chunks.c.end, chunks.c.page, chunks.c.heading_path, chunks.c.position,
        chunks.c.language, chunks.c.document_id, documents.c.name, documents.c.title, documents.c.path, documents.c.media_type,
        documents.c.collection_id, documents.c.source_id,
    ]  # fmt: skip
    statement = _lying_in(access.readable_chunks(actor), collection_ids).where(among(session, chunks.c.id, chunk_ids))
    rows = await session.execute(statement.with_only_columns(*columns))
    return {
        row.id: Passage(
            chunk_id=row.id,
            text=row.text,
            start=row.start,
            end=row.end,
            page=row.page,
            heading_path=tuple(row.heading_path),
            position=row.position,
            language=row.language,
            document_id=row.document_id,
            document_name=row.name,
            document_title=row.title,
            document_path=row.path,
            media_type=row.media_type,
            collection_id=row.collection_id,
            source_id=row.source_id,
        )
        for row in rows
    }
