"""Statements on documents: what is due, what was published, what leaves."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from semantik.auth import access
from semantik.auth.actor import Actor
from semantik.engines.connectors.base import LEFT_OUT
from semantik.features.ingestion.plan import Known
from semantik.features.ingestion.repository.removal import bury_points
from semantik.features.ingestion.values import Work
from semantik.kit.clock import now
from semantik.kit.database import insert_ignore, upsert
from semantik.tables.collections import collections, generations
from semantik.tables.documents import chunks, documents, embeddings

Row = Mapping[Any, Any]


def path_hash(path: str) -> str:
    return hashlib.sha256(path.encode("utf-8", "surrogatepass")).hexdigest()


# Listing


async def known_at(session: AsyncSession, actor: Actor, source_id: str, paths: Sequence[str]) -> dict[str, Known]:
    statement = sa.select(
        documents.c.id,
        documents.c.path,
        documents.c.signature,
        documents.c.content_hash,
        documents.c.size_bytes,
        documents.c.due,
        documents.c.code,
    ).where(
        documents.c.tenant_id == actor.tenant_id,
        documents.c.source_id == source_id,
        documents.c.path_hash.in_([path_hash(path) for path in paths]),
        documents.c.parent_id.is_(None),
    )
    return {row.path: _known(row) for row in await session.execute(statement)}


async def known_page(session: AsyncSession, actor: Actor, source_id: str, after: str, limit: int) -> list[Known]:
    """Documents that the source listed (no members), by id."""
    statement = (
        sa.select(
            documents.c.id,
            documents.c.path,
            documents.c.signature,
            documents.c.content_hash,
            documents.c.size_bytes,
            documents.c.due,
            documents.c.code,
        )
        .where(
            documents.c.tenant_id == actor.tenant_id,
            documents.c.source_id == source_id,
            documents.c.parent_id.is_(None),
            documents.c.id > after,
        )
        .order_by(documents.c.id)
        .limit(limit)
    )
    return [_known(row) for row in await session.execute(statement)]


async def listed_count(session: AsyncSession, actor: Actor, source_id: str) -> int:
    """Documents that the source listed; those inside others do not count."""
    statement = sa.select(sa.func.count()).where(
        documents.c.tenant_id == actor.tenant_id, documents.c.source_id == source_id, documents.c.parent_id.is_(None)
    )
    return int(await session.scalar(statement) or 0)


def _known(row: Any) -> Known:
    # What is due counts as read up to the signature that made it due: listing again must not repeat the work.
    return Known(
        id=row.id,
        path=row.path,
        signature=row.due or row.signature,
        content_hash=row.content_hash,
        size_bytes=row.size_bytes,
        has_problem=row.code in (*LEFT_OUT, "unreadable", "gone"),
    )


async def add_documents(session: AsyncSession, rows: Sequence[Row]) -> None:
    await insert_ignore(session, documents, rows)


async def mark_due(session: AsyncSession, actor: Actor, document_id: str, *, due: str, size_bytes: int | None, modified_at: Any) -> None:
    await session.execute(
        sa.update(documents)
        .where(documents.c.tenant_id == actor.tenant_id, documents.c.id == document_id)
        .values(due=due, size_bytes=size_bytes, modified_at=modified_at, updated_at=now())
    )


async def mark_all_due(session: AsyncSession, actor: Actor, source_id: str, pipeline_key: str) -> int:
    """Makes due what was read by another pipeline (chunking, model, extractor). Returns how many."""
    changed = await session.execute(
        sa.update(documents)
        .where(
            documents.c.tenant_id == actor.tenant_id,
            documents.c.source_id == source_id,
            documents.c.due.is_(None),
            documents.c.pipeline_key.is_not(None),
            documents.c.pipeline_key != pipeline_key,
        )
        .values(due=sa.func.coalesce(documents.c.signature, "pipeline"), updated_at=now())
        .returning(documents.c.id)
    )
    return len(changed.all())


@dataclass(frozen=True, slots=True)
class Move:
    old_path: str
    new_path: str
    name: str
    signature: str | None


async def move(session: AsyncSession, actor: Actor, source_id: str, moves: Sequence[Move]) -> None:
    """The documents keep their ids, chunks and vectors under other paths, where nothing lay; so do the documents inside them."""
    by_path = {one.old_path: one for one in moves}
    hashes = [path_hash(path) for path in by_path]
    listed = sa.select(documents.c.id, documents.c.path.label("root")).where(
        documents.c.tenant_id == actor.tenant_id, documents.c.source_id == source_id, documents.c.path_hash.in_(hashes)
    )
    tree = listed.cte("tree", recursive=True)
    inside = documents.alias("inside")
    tree = tree.union_all(
        sa.select(inside.c.id, tree.c.root).join(tree, inside.c.parent_id == tree.c.id).where(inside.c.tenant_id == actor.tenant_id)
    )
    found = (await session.execute(sa.select(tree.c.root, documents.c.id, documents.c.path).join(tree, documents.c.id == tree.c.id))).all()
    paths = {row.id: by_path[row.root].new_path + row.path.removeprefix(row.root) for row in found}
    outer = {row.id: by_path[row.root] for row in found if row.path == row.root}
    assert len(outer) == len(by_path), "the plan moves only what it found"
    if not outer:
        return
    await session.execute(_SET_PATH, [{"of": of, "to": to, "to_hash": path_hash(to)} for of, to in paths.items()])
    at = now()
    await session.execute(_SET_NAME, [{"of": of, "as": one.name, "signed": one.signature, "at": at} for of, one in outer.items()])


_SET_PATH = (
    sa.update(documents).where(documents.c.id == sa.bindparam("of")).values(path=sa.bindparam("to"), path_hash=sa.bindparam("to_hash"))
)
_SET_NAME = (
    sa.update(documents)
    .where(documents.c.id == sa.bindparam("of"))
    .values(name=sa.bindparam("as"), signature=sa.bindparam("signed"), updated_at=sa.bindparam("at"))
)


# Working through what is due


_WORK = (
    documents.c.id, documents.c.path, documents.c.name, documents.c.due, documents.c.version, documents.c.state, documents.c.content_hash,
    documents.c.pipeline_key, documents.c.parent_id, documents.c.container, documents.c.media_type, documents.c.size_bytes,
    documents.c.sealed_password, documents.c.modified_at, documents.c.tags,
)  # fmt: skip


async def due_page(session: AsyncSession, actor: Actor, source_id: str, after: str, limit: int) -> list[Work]:
    statement = (
        sa.select(*_WORK)
        .where(
            documents.c.tenant_id == actor.tenant_id,
            documents.c.source_id == source_id,
            documents.c.due.is_not(None),
            documents.c.deleted_at.is_(None),
            documents.c.id > after,
        )
        .order_by(documents.c.id)
        .limit(limit)
    )
    return [Work(**{**row._mapping, "tags": tuple(row.tags)}) for row in await session.execute(statement)]


async def due_count(session: AsyncSession, actor: Actor, source_id: str) -> int:
    statement = sa.select(sa.func.count()).where(
        documents.c.tenant_id == actor.tenant_id,
        documents.c.source_id == source_id,
        documents.c.due.is_not(None),
        documents.c.deleted_at.is_(None),
    )
    return int(await session.scalar(statement) or 0)


async def stored_vectors(session: AsyncSession, actor: Actor, model_key: str, hashes: Sequence[str]) -> dict[str, bytes]:
    statement = sa.select(embeddings.c.text_hash, embeddings.c.vector).where(
        embeddings.c.tenant_id == actor.tenant_id, embeddings.c.model_key == model_key, embeddings.c.text_hash.in_(hashes)
    )
    return {row.text_hash: row.vector for row in await session.execute(statement)}


# Publishing


async def store_vectors(session: AsyncSession, rows: Sequence[Row]) -> None:
    await insert_ignore(session, embeddings, rows)


async def store_chunks(session: AsyncSession, rows: Sequence[Row]) -> None:
    await upsert(session, chunks, rows, keys=["id", "collection_id"])


async def retire_chunks(session: AsyncSession, actor: Actor, *, document_id: str, keep_version: int, keep_below: int, space: str) -> None:
    """Takes out every chunk of the document but ordinals below `keep_below` of `keep_version`; their points die with them."""
    gone = sa.and_(
        chunks.c.tenant_id == actor.tenant_id,
        chunks.c.document_id == document_id,
        sa.or_(chunks.c.version != keep_version, chunks.c.ordinal >= keep_below),
    )
    if await bury_points(session, sa.select(chunks.c.id).where(gone), actor, space):
        await session.execute(sa.delete(chunks).where(gone))


async def finish_document(session: AsyncSession, actor: Actor, document_id: str, values: Mapping[str, Any]) -> None:
    await session.execute(
        sa.update(documents)
        .where(documents.c.tenant_id == actor.tenant_id, documents.c.id == document_id)
        .values(**values, updated_at=now())
    )


async def refuse_document(session: AsyncSession, actor: Actor, document_id: str, values: Mapping[str, Any], space: str) -> None:
    """A member that its container no longer gives: its chunks go, its row says why."""
    await retire_chunks(session, actor, document_id=document_id, keep_version=-1, keep_below=0, space=space)
    emptied: dict[str, Any] = {
        "content_hash": None,
        "text_hash": None,
        "text_chars": 0,
        "chunk_count": 0,
        "indexed_at": None,
        "outline": [],
    }
    await finish_document(session, actor, document_id, {**values, **emptied})


async def children(session: AsyncSession, actor: Actor, parent_id: str) -> dict[str, Row]:
    statement = sa.select(documents.c.id, documents.c.path, documents.c.content_hash).where(
        documents.c.tenant_id == actor.tenant_id, documents.c.parent_id == parent_id
    )
    return {row.path: row._mapping for row in await session.execute(statement)}


# Retrying and deleting on request


async def document(session: AsyncSession, actor: Actor, document_id: str) -> Row | None:
    row = (await session.execute(access.readable_documents(actor).where(documents.c.id == document_id))).one_or_none()
    return None if row is None else row._mapping


async def make_due_again(session: AsyncSession, actor: Actor, document_ids: Sequence[str], sealed_password: bytes | None = None) -> None:
    """Has documents read again. In place of a member that its container did not give, the container: the bytes are in there."""
    values: dict[str, Any] = {"due": sa.func.coalesce(documents.c.signature, "retry"), "pipeline_key": None, "updated_at": now()}
    if sealed_password is not None:
        values["sealed_password"] = sealed_password
    wanted = list(document_ids)
    while wanted:
        containers: set[str] = set()
        for start in range(0, len(wanted), 5000):
            asked = access.readable_documents(actor).where(documents.c.id.in_(wanted[start : start + 5000]))
            rows = (await session.execute(asked.with_only_columns(documents.c.id, documents.c.parent_id, documents.c.content_hash))).all()
            containers |= {row.parent_id for row in rows if row.parent_id is not None and row.content_hash is None}
            readable = [row.id for row in rows if row.parent_id is None or row.content_hash is not None]
            await session.execute(sa.update(documents).where(documents.c.id.in_(readable)).values(**values))
        wanted = list(containers)


async def make_failed_due(session: AsyncSession, actor: Actor, collection_id: str, codes: Sequence[str]) -> dict[str, list[str]]:
    """Makes every failed document of the collection due; returns which, for each source."""
    failed = access.readable_documents(actor).where(
        documents.c.collection_id == collection_id, documents.c.state == "failed", documents.c.due.is_(None)
    )
    if codes:
        failed = failed.where(documents.c.code.in_(codes))
    rows = (await session.execute(failed.with_only_columns(documents.c.id, documents.c.source_id))).all()
    await make_due_again(session, actor, [row.id for row in rows])
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row.source_id, []).append(row.id)
    return found


async def fates(session: AsyncSession, actor: Actor, document_ids: Sequence[str]) -> dict[str, Row]:
    """Path, state, code and reason of those that are still there, by id."""
    statement = access.readable_documents(actor).where(documents.c.id.in_(document_ids))
    found = await session.execute(
        statement.with_only_columns(documents.c.id, documents.c.path, documents.c.state, documents.c.code, documents.c.reason)
    )
    return {row.id: row._mapping for row in found}


async def bury_document(session: AsyncSession, actor: Actor, document_id: str) -> None:
    owned = access.readable_documents(actor).where(documents.c.id == document_id).with_only_columns(documents.c.id)
    await session.execute(sa.update(documents).where(documents.c.id.in_(owned)).values(deleted_at=now()))


async def replace_upload(session: AsyncSession, actor: Actor, document_id: str, *, content_hash: str, size_bytes: int) -> None:
    """The new bytes wait to be read; until then the old version answers searches. Equal bytes wait for nothing."""
    await session.execute(
        sa.update(documents)
        .where(
            documents.c.tenant_id == actor.tenant_id,
            documents.c.id == document_id,
            sa.or_(documents.c.content_hash != content_hash, documents.c.deleted_at.is_not(None)),
        )
        .values(
            content_hash=content_hash,
            size_bytes=size_bytes,
            due=content_hash,
            pipeline_key=None,
            modified_at=now(),
            updated_at=now(),
            deleted_at=None,
        )
    )


async def space_of_buried(session: AsyncSession, actor: Actor, document_id: str) -> str | None:
    """The vector space of a deleted document's points; None when it is gone or was uploaded again meanwhile."""
    statement = (
        sa.select(generations.c.space)
        .join(collections, sa.and_(collections.c.id == generations.c.collection_id, collections.c.generation == generations.c.number))
        .join(documents, documents.c.collection_id == collections.c.id)
        .where(documents.c.tenant_id == actor.tenant_id, documents.c.id == document_id, documents.c.deleted_at.is_not(None))
    )
    return await session.scalar(statement)
