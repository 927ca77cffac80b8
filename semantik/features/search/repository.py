"""Statements of search: which collections answer, in which languages, and the passages behind hits."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from semantik.auth import access
from semantik.auth.actor import Actor
from semantik.features.search.values import Passage, Searchable
from semantik.kit.database import among
from semantik.tables.collections import collections, generations
from semantik.tables.documents import chunks, documents, vector_spaces
from semantik.tables.sources import sources

# Putting a statement together takes as long as running it, so each is made once for an actor. (How many are kept, each some 30 KB.)
_KEPT = 64


async def searchable(session: AsyncSession, actor: Actor, wanted: Sequence[str] | None) -> list[Searchable]:
    """Readable collections with their answering generation, by id. Raises `CollectionUnknown` for a wanted one that is not there."""
    rows = await session.execute(_searchable(actor, wanted is None), {} if wanted is None else {"wanted": list(wanted)})
    found = [Searchable(row.id, row.name, row.embedding_model, row.generation, row.space, row.rebuild_reason is not None) for row in rows]
    access.refuse_unknown(wanted, {one.id for one in found})
    return found


@lru_cache(_KEPT)
def _searchable(actor: Actor, every: bool) -> sa.Select[Any]:
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
    return statement if every else statement.where(collections.c.id.in_(sa.bindparam("wanted", expanding=True)))


async def folder_sources(session: AsyncSession, actor: Actor, collection_name: str) -> list[tuple[str, str]]:
    """(collection id, folder) of the directory sources in the collection of this name."""
    statement = access.readable_sources(actor).where(sources.c.kind == "directory", collections.c.name == collection_name)
    rows = await session.execute(statement.with_only_columns(sources.c.collection_id, sources.c.settings))
    return [(row.collection_id, str(row.settings["path"])) for row in rows]


async def languages(session: AsyncSession, actor: Actor, ids: Sequence[str]) -> list[str | None]:
    """Languages of the documents in these collections, by the index: one step for each language, however many documents."""
    found: set[str | None] = set()
    for collection_id in ids:
        steps = await session.scalars(_languages(actor), {"collection_id": collection_id})
        found.update(language for language in steps if language is not None)
    return sorted(found, key=str)


@lru_cache(_KEPT)
def _languages(actor: Actor) -> sa.Select[Any]:
    inside = access.readable_documents(actor).where(
        documents.c.collection_id == sa.bindparam("collection_id"), documents.c.language.is_not(None)
    )
    first = inside.with_only_columns(sa.func.min(documents.c.language).label("language"))
    steps = first.cte("steps", recursive=True)
    following = inside.where(documents.c.language > steps.c.language).with_only_columns(sa.func.min(documents.c.language))
    # A correlated scalar, for an aggregate may not stand in the recursive part itself.
    steps = steps.union_all(sa.select(following.correlate(steps).scalar_subquery()).where(steps.c.language.is_not(None)))
    return sa.select(steps.c.language)


async def has_chunks(session: AsyncSession, actor: Actor, ids: Sequence[str]) -> bool:
    statement = access.readable_chunks(actor).where(chunks.c.collection_id.in_(ids)).with_only_columns(sa.literal(1)).limit(1)
    return await session.scalar(statement) is not None


async def documents_of(
    session: AsyncSession, actor: Actor, collection_ids: Sequence[str], chunk_ids: Sequence[str]
) -> dict[str, tuple[str, str | None]]:
    """(document, language) of each chunk of these collections that lives and may be read; what the index holds beyond that is not in it."""
    rows = await _of_chunks(session, actor, collection_ids, chunk_ids, whole=False)
    return {row.id: (row.document_id, row.language) for row in rows}


async def passages(session: AsyncSession, actor: Actor, collection_ids: Sequence[str], chunk_ids: Sequence[str]) -> dict[str, Passage]:
    """The passages of chunks of these collections that live and may be read."""
    rows = await _of_chunks(session, actor, collection_ids, chunk_ids, whole=True)
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


_DOCUMENT = (chunks.c.id, chunks.c.document_id, chunks.c.language)
_PASSAGE = (
    chunks.c.id, chunks.c.text, chunks.c.start, chunks.c.end, chunks.c.page, chunks.c.heading_path, chunks.c.position,
    chunks.c.language, chunks.c.document_id, documents.c.name, documents.c.title, documents.c.path, documents.c.media_type,
    documents.c.collection_id, documents.c.source_id,
)  # fmt: skip
# Of `chunks` on PostgreSQL.
_PARTITIONS = 16


async def _of_chunks(
    session: AsyncSession, actor: Actor, collection_ids: Sequence[str], chunk_ids: Sequence[str], *, whole: bool
) -> sa.Result[Any]:
    # Names the partitions to look into; for many collections that says nothing any more and only makes the statement long.
    narrow = len(collection_ids) <= _PARTITIONS
    statement = _chunks(actor, session.get_bind().dialect.name, narrow=narrow, whole=whole)
    within = {"collection_ids": list(collection_ids)} if narrow else {}
    rows: sa.Result[Any] = await session.execute(statement, {"chunk_ids": list(chunk_ids), **within})
    return rows


@lru_cache(4 * _KEPT)
def _chunks(actor: Actor, dialect: str, *, narrow: bool, whole: bool) -> sa.Select[Any]:
    statement = access.readable_chunks(actor).where(among(dialect, chunks.c.id, "chunk_ids"))
    if narrow:
        statement = statement.where(chunks.c.collection_id.in_(sa.bindparam("collection_ids", expanding=True)))
    return statement.with_only_columns(*(_PASSAGE if whole else _DOCUMENT))
