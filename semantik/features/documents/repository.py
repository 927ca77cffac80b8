"""Statements that list and read documents and their chunks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from semantik.auth import access
from semantik.auth.actor import Actor
from semantik.tables.collections import collections
from semantik.tables.documents import chunks, documents
from semantik.tables.sources import sources

Row = Mapping[Any, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which documents a list shows; None does not narrow."""

    collection_id: str | None = None
    source_id: str | None = None
    parent_id: str | None = None
    states: Sequence[str] = ()
    codes: Sequence[str] = ()
    media_type: str | None = None
    language: str | None = None
    name_contains: str | None = None


async def page(session: AsyncSession, actor: Actor, wanted: Wanted, *, after: str | None, limit: int) -> list[Row]:
    """Up to `limit + 1` documents, in the order in which they were first listed."""
    statement = _narrowed(access.readable_documents(actor), wanted).order_by(documents.c.id).limit(limit + 1)
    if after is not None:
        statement = statement.where(documents.c.id > after)
    return [row._mapping for row in await session.execute(statement)]


async def count(session: AsyncSession, actor: Actor, wanted: Wanted) -> int:
    statement = _narrowed(access.readable_documents(actor), wanted).with_only_columns(sa.func.count())
    return int(await session.scalar(statement) or 0)


async def get(session: AsyncSession, actor: Actor, document_id: str) -> Row | None:
    row = (await session.execute(access.readable_documents(actor).where(documents.c.id == document_id))).one_or_none()
    return None if row is None else row._mapping


async def collection_exists(session: AsyncSession, actor: Actor, collection_id: str) -> bool:
    wanted = access.readable_collections(actor).where(collections.c.id == collection_id).with_only_columns(collections.c.id)
    return await session.scalar(wanted) is not None


async def surroundings(session: AsyncSession, actor: Actor, document: Row) -> tuple[str, str, str, int]:
    """(collection name, source name, source kind, documents inside)."""
    collection = await session.scalar(
        access.readable_collections(actor).where(collections.c.id == document["collection_id"]).with_only_columns(collections.c.name)
    )
    source = (
        await session.execute(
            access.readable_sources(actor).where(sources.c.id == document["source_id"]).with_only_columns(sources.c.name, sources.c.kind)
        )
    ).one_or_none()
    inside = access.readable_documents(actor).where(documents.c.parent_id == document["id"]).with_only_columns(sa.func.count())
    name, kind = (source.name, source.kind) if source is not None else ("", "")
    return str(collection or ""), name, kind, int(await session.scalar(inside) or 0)


async def chunk_page(session: AsyncSession, actor: Actor, document_id: str, *, after: int, limit: int) -> list[Row]:
    """Up to `limit + 1` live chunks with an ordinal above `after`."""
    statement = (
        access.readable_chunks(actor)
        .where(chunks.c.document_id == document_id, chunks.c.ordinal > after)
        .order_by(chunks.c.ordinal)
        .limit(limit + 1)
    )
    return [row._mapping for row in await session.execute(statement)]


async def ordinal_of(session: AsyncSession, actor: Actor, document_id: str, chunk_id: str) -> int | None:
    statement = access.readable_chunks(actor).where(chunks.c.document_id == document_id, chunks.c.id == chunk_id)
    return await session.scalar(statement.with_only_columns(chunks.c.ordinal))


def _narrowed(statement: sa.Select[Any], wanted: Wanted) -> sa.Select[Any]:
    equal = {
        documents.c.collection_id: wanted.collection_id,
        documents.c.source_id: wanted.source_id,
        documents.c.parent_id: wanted.parent_id,
        documents.c.media_type: wanted.media_type,
        documents.c.language: wanted.language,
    }
    statement = statement.where(*(column == value for column, value in equal.items() if value is not None))
    if wanted.states:
        statement = statement.where(documents.c.state.in_(wanted.states))
    if wanted.codes:
        statement = statement.where(documents.c.code.in_(wanted.codes))
    if wanted.name_contains:
        statement = statement.where(sa.func.lower(documents.c.path).contains(wanted.name_contains.lower(), autoescape=True))
    return statement
