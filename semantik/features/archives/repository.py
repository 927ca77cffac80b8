"""Statements of archives: the hold that keeps stored files in place, what belongs to a bundle, and how one comes in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from semantik.auth import access
from semantik.auth.actor import Actor
from semantik.kit.clock import now
from semantik.kit.database import AsyncSession, db_now, insert_ignore
from semantik.rows import files
from semantik.tables.base import metadata
from semantik.tables.collections import collections, generations
from semantik.tables.documents import chunks, documents, embeddings, file_holds, vector_spaces
from semantik.tables.sources import sources

Row = Mapping[Any, Any]


async def hold_files(session: AsyncSession, hold_id: str, *, seconds: float) -> None:
    await session.execute(sa.insert(file_holds).values(id=hold_id, expires_at=await db_now(session) + timedelta(seconds=seconds)))


async def renew_hold(session: AsyncSession, hold_id: str, *, seconds: float) -> bool:
    """False when it ran out meanwhile: files may have gone since."""
    at = await db_now(session)
    renewed = await session.execute(
        sa.update(file_holds)
        .where(file_holds.c.id == hold_id, file_holds.c.expires_at > at)
        .values(expires_at=at + timedelta(seconds=seconds))
        .returning(file_holds.c.id)
    )
    return renewed.one_or_none() is not None


async def drop_holds(session: AsyncSession, hold_id: str) -> None:
    """This one, and those that killed processes left."""
    at = await db_now(session)
    await session.execute(sa.delete(file_holds).where(sa.or_(file_holds.c.id == hold_id, file_holds.c.expires_at <= at)))


def ask_for_rebuilds(connection: sa.Connection, reason: str) -> None:
    """Has the index filled from the rows at the next start: an archive holds none."""
    connection.execute(sa.update(vector_spaces).values(rebuild_reason=reason))


@dataclass(frozen=True, slots=True)
class Part:
    """A table of a bundle: which of its rows go along, and which columns do not."""

    table: sa.Table
    where: sa.ColumnElement[bool]
    leave_out: frozenset[str]


def bundle_parts(tenant_id: str, collection_id: str, generation: int, model_key: str) -> list[Part]:
    """What one collection consists of, in the order in which it is written: living documents and what answers for them."""
    own = chunks.c.tenant_id == tenant_id, chunks.c.collection_id == collection_id, chunks.c.generation == generation
    live = sa.exists().where(
        documents.c.id == chunks.c.document_id, documents.c.version == chunks.c.version, _living(tenant_id, collection_id)
    )
    texts = sa.select(chunks.c.embedding_hash).where(*own, live)
    return [
        Part(
            sources,
            sa.and_(sources.c.tenant_id == tenant_id, sources.c.collection_id == collection_id, sources.c.deleted_at.is_(None)),
            frozenset({"tenant_id", "collection_id", "sealed_credentials", "settings", "last_job_id"}),
        ),
        Part(documents, _living(tenant_id, collection_id), frozenset({"tenant_id", "collection_id", "sealed_password", "path_hash"})),
        Part(
            embeddings,
            sa.and_(embeddings.c.tenant_id == tenant_id, embeddings.c.model_key == model_key, embeddings.c.text_hash.in_(texts)),
            frozenset({"tenant_id", "created_at"}),
        ),
        Part(chunks, sa.and_(*own, live), frozenset({"tenant_id", "collection_id", "generation"})),
    ]


def bundle_files(connection: sa.Connection, tenant_id: str, collection_id: str) -> Iterator[str]:
    for _, blob_hash in files.named(connection, where=_living(tenant_id, collection_id)):
        yield blob_hash


def _living(tenant_id: str, collection_id: str) -> sa.ColumnElement[bool]:
    """Documents that are not on their way out, by themselves or with the archive that they lie in."""
    own = documents.alias("own")
    within = own.c.tenant_id == tenant_id, own.c.collection_id == collection_id
    buried = sa.select(own.c.id).where(*within, own.c.deleted_at.is_not(None)).cte("buried", recursive=True)
    inside = documents.alias("inside")
    buried = buried.union(sa.select(inside.c.id).join(buried, inside.c.parent_id == buried.c.id))
    return sa.and_(
        documents.c.tenant_id == tenant_id, documents.c.collection_id == collection_id, documents.c.id.not_in(sa.select(buried.c.id))
    )


async def collection(session: AsyncSession, actor: Actor, collection_id: str) -> Row | None:
    """With the mean of terms of the generation that answers."""
    live = sa.and_(generations.c.collection_id == collections.c.id, generations.c.number == collections.c.generation)
    statement = (
        access.readable_collections(actor)
        .join(generations, live)
        .where(collections.c.id == collection_id)
        .add_columns(generations.c.mean_terms)
    )
    row = (await session.execute(statement)).one_or_none()
    return None if row is None else row._mapping


# Bringing a bundle in. The collection is under its tombstone until all is there: nobody sees it, and who gives up leaves it to be removed.


async def add_collection(session: AsyncSession, actor: Actor, values: Mapping[str, Any], *, space: str, dimensions: int) -> None:
    at, own = now(), {"tenant_id": actor.tenant_id}
    shown = {name: value for name, value in values.items() if name != "mean_terms"}
    await insert_ignore(session, collections, [{**own, **shown, "created_at": at, "updated_at": at, "deleted_at": at}])
    generation = {"collection_id": values["id"], "number": values["generation"], "space": space, "mean_terms": values["mean_terms"]}
    await insert_ignore(session, generations, [{**own, **generation, "state": "live", "created_at": at}])
    await insert_ignore(session, vector_spaces, [{"space": space, "dimensions": dimensions, "rebuild_reason": None, "updated_at": at}])


async def add_rows(session: AsyncSession, actor: Actor, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows of a bundle's table, with the tenant put to them; those that are there already stay."""
    await insert_ignore(session, metadata.tables[name], [{**row, "tenant_id": actor.tenant_id} for row in rows])


async def free_name(session: AsyncSession, actor: Actor, wanted: str) -> str:
    """The name, or with a number behind it the first one that no collection has."""
    name, number = wanted, 1
    while await session.scalar(access.readable_collections(actor).where(collections.c.name == name).with_only_columns(collections.c.id)):
        number += 1
        name = f"{wanted[:190]} ({number})"
    return name


async def there(session: AsyncSession, actor: Actor, name: str, ids: Set[str]) -> set[str]:
    """Those of the ids that are rows of the table."""
    table = metadata.tables[name]
    return set(await session.scalars(sa.select(table.c.id).where(table.c.tenant_id == actor.tenant_id, table.c.id.in_(sorted(ids)))))


@dataclass(frozen=True, slots=True)
class Text:
    """Of a document that came in; version 0: it is read again here, or was never read."""

    version: int
    chars: int


async def texts(session: AsyncSession, actor: Actor, ids: Set[str]) -> dict[str, Text]:
    """Of those of the documents that are there, by id."""
    columns = documents.c.id, documents.c.version, documents.c.text_chars
    found = await session.execute(sa.select(*columns).where(documents.c.tenant_id == actor.tenant_id, documents.c.id.in_(sorted(ids))))
    return {row.id: Text(row.version, row.text_chars) for row in found}


async def sized(session: AsyncSession, actor: Actor, collection_id: str, blob_hash: str, *, size_bytes: int) -> bool:
    """Gives documents the size that their original has; False when one has more characters than its text has bytes."""
    own = documents.c.tenant_id == actor.tenant_id, documents.c.collection_id == collection_id
    wrong = *own, documents.c.content_hash == blob_hash, documents.c.size_bytes != size_bytes
    await session.execute(sa.update(documents).where(*wrong).values(size_bytes=size_bytes))
    longer = sa.select(documents.c.id).where(*own, documents.c.text_hash == blob_hash, documents.c.text_chars > size_bytes)
    return await session.scalar(longer.limit(1)) is None


async def settle(session: AsyncSession, actor: Actor, collection_id: str, *, coming: str, to_read: str, limit: int) -> int:
    """Takes the marks off up to `limit` documents: they are read next, or need nothing. Returns how many.

    Their chunks are counted: what the bundle says of them is not believed.
    """
    own = documents.c.tenant_id == actor.tenant_id, documents.c.collection_id == collection_id
    marked = sa.select(documents.c.id).where(*own, documents.c.due.in_((coming, to_read))).limit(limit)
    ids = list(await session.scalars(marked))
    there = sa.select(sa.func.count()).where(
        chunks.c.tenant_id == actor.tenant_id,
        chunks.c.collection_id == collection_id,
        chunks.c.document_id == documents.c.id,
        chunks.c.version == documents.c.version,
    )
    due = sa.case((documents.c.due == to_read, documents.c.content_hash), else_=sa.null())
    await session.execute(sa.update(documents).where(*own, documents.c.id.in_(ids)).values(due=due, chunk_count=there.scalar_subquery()))
    return len(ids)


async def publish(session: AsyncSession, actor: Actor, collection_id: str, name: str) -> list[str]:
    """Shows the collection; returns the sources with documents to read."""
    own = collections.c.tenant_id == actor.tenant_id, collections.c.id == collection_id
    await session.execute(sa.update(collections).where(*own).values(name=name, deleted_at=None, updated_at=now()))
    waiting = access.readable_documents(actor).where(documents.c.collection_id == collection_id, documents.c.due.is_not(None))
    return sorted(await session.scalars(waiting.with_only_columns(documents.c.source_id).distinct()))
