"""Making, changing and deleting collections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from semantik.auth.access import CollectionUnknown
from semantik.auth.actor import Actor
from semantik.engines.chunking.base import ChunkingSettings
from semantik.engines.chunking.check import check as check_chunking
from semantik.engines.embedding.base import ModelSpec
from semantik.features.collections import repository
from semantik.features.collections.job_args import DeleteCollection
from semantik.features.collections.schemas import Collection, CollectionChange, Ledger, NewCollection, Reason
from semantik.jobs.queue import enqueue
from semantik.jobs.store import control
from semantik.jobs.values import Enqueued
from semantik.kit.clock import now
from semantik.kit.database import AsyncSession
from semantik.kit.errors import Conflict
from semantik.kit.ids import new_id


class NameTaken(Conflict):
    code = "name_taken"
    title = "The name is taken"


async def create(session: AsyncSession, actor: Actor, wanted: NewCollection, *, spec: ModelSpec, space: str) -> Collection:
    """Raises `NameTaken`, or what does not fit about the chunking."""
    chunking = ChunkingSettings(**wanted.chunking.model_dump())
    check_chunking(chunking, spec)
    if await repository.by_name(session, actor, wanted.name) is not None:
        raise NameTaken(f"there is a collection named {wanted.name!r} already", hint="Choose another name.", name=wanted.name)
    collection_id, at = new_id(), now()
    row = {
        "id": collection_id,
        "tenant_id": actor.tenant_id,
        "name": wanted.name,
        "description": wanted.description,
        "embedding_model": spec.name,
        "chunking": wanted.chunking.model_dump(),
        "language": wanted.language,
        "generation": 1,
        "created_at": at,
        "updated_at": at,
    }
    await repository.insert(session, row, space=space)
    return _shown(row, [], sources=0)


async def get(session: AsyncSession, actor: Actor, collection_id: str) -> Collection:
    row = await repository.get(session, actor, collection_id)
    if row is None:
        raise CollectionUnknown(f"there is no collection {collection_id}")
    return (await shown(session, actor, [row]))[0]


async def change(session: AsyncSession, actor: Actor, collection_id: str, wanted: CollectionChange) -> Collection:
    present = await repository.get(session, actor, collection_id)
    if present is None:
        raise CollectionUnknown(f"there is no collection {collection_id}")
    values = wanted.model_dump(exclude_none=True)
    if wanted.name is not None and wanted.name != present["name"] and await repository.by_name(session, actor, wanted.name) is not None:
        raise NameTaken(f"there is a collection named {wanted.name!r} already", hint="Choose another name.", name=wanted.name)
    if values:
        await repository.change(session, actor, collection_id, values)
    return await get(session, actor, collection_id)


async def delete(session: AsyncSession, actor: Actor, collection_id: str) -> Enqueued:
    """Invisible when the transaction commits, and its jobs cancelled; emptied by a job: vectors first, rows last."""
    present = await get(session, actor, collection_id)
    await control.cancel_for_collection(session, tenant_id=actor.tenant_id, collection_id=collection_id, by=actor.user_id)
    await repository.bury(session, actor, collection_id)
    return await enqueue(
        session,
        DeleteCollection(collection_id=collection_id),
        actor=actor,
        title=f"Delete collection {present.name}",
        collection_id=collection_id,
        priority=3,
        dedup_key=collection_id,
    )


async def shown(session: AsyncSession, actor: Actor, rows: Sequence[Mapping[str, Any]]) -> list[Collection]:
    ids = [row["id"] for row in rows]
    if not ids:
        return []
    states = await repository.states(session, actor, ids)
    sources = await repository.source_counts(session, actor, ids)
    return [_shown(row, [one for one in states if one[0] == row["id"]], sources=sources.get(row["id"], 0)) for row in rows]


def _shown(row: Mapping[str, Any], states: Sequence[tuple[str, str, str | None, int, int]], *, sources: int) -> Collection:
    return Collection(
        **{name: row[name] for name in ("id", "name", "description", "embedding_model", "language", "generation")},
        chunking=row["chunking"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        ledger=ledger((state, code, count) for _, state, code, count, _ in states),
        sources=sources,
        chunks=sum(chunks for *_, chunks in states),
    )


def ledger(counts: Any) -> Ledger:
    """Adds up (state, code, documents). Pure; the sum always equals `listed` because both come from the same rows."""
    totals = dict.fromkeys(("indexed", "partial", "skipped", "failed", "pending"), 0)
    reasons = []
    for state, code, count in counts:
        totals[state] += count
        if code is not None and state in ("partial", "skipped", "failed"):
            reasons.append(Reason(state=state, code=code, count=count))
    return Ledger(
        listed=sum(totals.values()), **totals, reasons=sorted(reasons, key=lambda reason: (-reason.count, reason.state, reason.code))
    )
