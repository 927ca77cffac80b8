"""THE tenant filter: every statement that serves a request starts from a select made here."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Any, NewType

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from semantik.auth.actor import Actor
from semantik.kit.errors import NotFound
from semantik.kit.ids import CollectionId
from semantik.tables.accounts import api_keys, members, sessions
from semantik.tables.collections import collections
from semantik.tables.documents import chunks, documents
from semantik.tables.jobs import jobs, schedules
from semantik.tables.sources import sources

# A proof: made by `readable` below and nowhere else.
ReadableCollectionId = NewType("ReadableCollectionId", CollectionId)


class CollectionUnknown(NotFound):
    code = "collection_unknown"
    title = "No such collection"
    default_hint = "It may have been deleted. The list of collections shows those there are."


class SourceUnknown(NotFound):
    code = "source_unknown"
    title = "No such source"
    default_hint = "It may have been removed. The list of its collection's sources shows those there are."


class DocumentUnknown(NotFound):
    code = "document_unknown"
    title = "No such document"
    default_hint = "It may have been deleted. The list of documents shows those there are."


def readable_collections(actor: Actor) -> sa.Select[Any]:
    return sa.select(collections).where(collections.c.tenant_id == actor.tenant_id, collections.c.deleted_at.is_(None))


def readable_sources(actor: Actor) -> sa.Select[Any]:
    return (
        sa.select(sources)
        .join(collections, collections.c.id == sources.c.collection_id)
        .where(sources.c.tenant_id == actor.tenant_id, sources.c.deleted_at.is_(None), collections.c.deleted_at.is_(None))
    )


def readable_documents(actor: Actor) -> sa.Select[Any]:
    return (
        sa.select(documents)
        .join(collections, collections.c.id == documents.c.collection_id)
        .where(documents.c.tenant_id == actor.tenant_id, documents.c.deleted_at.is_(None), collections.c.deleted_at.is_(None))
    )


def readable_chunks(actor: Actor) -> sa.Select[Any]:
    """Chunks of the live version of living documents, of the generation that answers."""
    return (
        sa.select(chunks)
        .join(documents, documents.c.id == chunks.c.document_id)
        .join(collections, collections.c.id == chunks.c.collection_id)
        .where(
            chunks.c.tenant_id == actor.tenant_id,
            chunks.c.version == documents.c.version,
            chunks.c.generation == collections.c.generation,
            documents.c.deleted_at.is_(None),
            collections.c.deleted_at.is_(None),
        )
    )


def readable_jobs(actor: Actor) -> sa.Select[Any]:
    return sa.select(jobs).where(jobs.c.tenant_id == actor.tenant_id)


def readable_schedules(actor: Actor) -> sa.Select[Any]:
    return sa.select(schedules).where(schedules.c.tenant_id == actor.tenant_id)


def readable_members(actor: Actor) -> sa.Select[Any]:
    return sa.select(members).where(members.c.tenant_id == actor.tenant_id)


def own_api_keys(actor: Actor) -> sa.Select[Any]:
    return sa.select(api_keys).where(api_keys.c.tenant_id == actor.tenant_id, api_keys.c.user_id == actor.user_id)


def own_sessions(actor: Actor) -> sa.Select[Any]:
    return sa.select(sessions).where(sessions.c.tenant_id == actor.tenant_id, sessions.c.user_id == actor.user_id)


async def readable(session: AsyncSession, actor: Actor, wanted: Sequence[str] | None) -> tuple[ReadableCollectionId, ...]:
    """The collections the actor may read: all of them, or exactly the `wanted` ones.

    Raises `CollectionUnknown` for one that is not there or belongs to others: the answer is the same.
    """
    statement = readable_collections(actor).with_only_columns(collections.c.id).order_by(collections.c.id)
    if wanted is not None:
        statement = statement.where(collections.c.id.in_(list(wanted)))
    found = tuple(ReadableCollectionId(CollectionId(row)) for row in await session.scalars(statement))
    refuse_unknown(wanted, set(found))
    return found


def refuse_unknown(wanted: Sequence[str] | None, found: Set[str]) -> None:
    """Raises `CollectionUnknown` for a wanted collection that is not among those found readable."""
    missing = set(wanted or ()) - found
    if missing:
        raise CollectionUnknown(f"there is no collection {sorted(missing)[0]}")
