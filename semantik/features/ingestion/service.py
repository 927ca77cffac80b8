"""Starting ingestion on request: sync, retry, removal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from semantik.auth.access import CollectionUnknown, DocumentUnknown, SourceUnknown
from semantik.auth.actor import Actor
from semantik.auth.folders import allowed_path
from semantik.engines.connectors.base import Connector, Item
from semantik.features.ingestion import estimate, listing, repository
from semantik.features.ingestion.job_args import Doctor, IngestSource, RemoveDocument
from semantik.features.ingestion.opening import connector_of, stages_of, target_of
from semantik.features.ingestion.plan import held_back
from semantik.features.ingestion.schemas import Estimate, EstimatedRange, FolderPlanRequest, Moved, PlanCounts, SyncPlan
from semantik.features.ingestion.values import Plan, Work
from semantik.jobs.queue import enqueue
from semantik.jobs.store import items
from semantik.jobs.values import Enqueued
from semantik.kit.concurrency import closing, run_cpu
from semantik.kit.database import AsyncSession
from semantik.kit.errors import Conflict
from semantik.kit.ids import new_id
from semantik.kit.secrets import Keyring
from semantik.runtime import Runtime

_NAMED_PATHS = 100


class NotAnUpload(Conflict):
    code = "not_an_upload"
    title = "The document belongs to its source"


async def enqueue_ingest(
    session: AsyncSession,
    actor: Actor,
    *,
    source_id: str,
    collection_id: str,
    title: str,
    listing: bool = True,
    max_delete: int | None = None,
    priority: int = 5,
    budget: Mapping[str, float] | None = None,
) -> Enqueued:
    """One job at a time for a source; another that has not started yet is the answer to the same request."""
    wanted = "due" if not listing else "list" if max_delete is None else f"list:{max_delete}"
    job = await enqueue(
        session,
        IngestSource(source_id=source_id, listing=listing, max_delete=max_delete),
        actor=actor,
        title=title,
        collection_id=collection_id,
        source_id=source_id,
        priority=priority,
        dedup_key=f"{source_id}:{wanted}",
        concurrency_key=f"source:{source_id}",
        budget=budget,
    )
    await repository.source_job(session, actor, source_id, job.id)
    return job


async def sync(
    session: AsyncSession,
    actor: Actor,
    source_id: str,
    *,
    budget: Mapping[str, float] | None = None,
    max_delete: int | None = None,
) -> Enqueued:
    """`budget`: of this sync; None: the one that the source has for all. `max_delete`: see `plan.held_back`."""
    source = await repository.source(session, actor, source_id)
    if source is None:
        raise SourceUnknown(f"there is no source {source_id}")
    return await enqueue_ingest(
        session,
        actor,
        source_id=source_id,
        collection_id=source["collection_id"],
        title=f"Sync {source['name']}",
        listing=source["kind"] != "upload",
        max_delete=max_delete,
        budget=source["budget"] if budget is None else budget,
    )


async def examine(session: AsyncSession, actor: Actor, *, fix: bool, hashes: bool) -> Enqueued:
    """One examination at a time for a tenant; the same one asked for twice is one."""
    return await enqueue(
        session,
        Doctor(fix=fix, hashes=hashes),
        actor=actor,
        title="Mend what does not agree" if fix else "Check that all agrees",
        dedup_key=f"{'fix' if fix else 'look'}:{'deep' if hashes else 'quick'}",
        concurrency_key=f"doctor:{actor.tenant_id}",
    )


async def plan(runtime: Runtime, actor: Actor, source_id: str) -> SyncPlan:
    """What a sync would do and take. Only reads, through sessions of its own: a large folder must not hold the write lock."""
    async with runtime.database.read(actor.tenant_id) as session:
        source = await repository.source(session, actor, source_id)
        collection = None if source is None else await repository.collection(session, actor, source["collection_id"])
    if source is None or collection is None:
        raise SourceUnknown(f"there is no source {source_id}")
    return await _planned(runtime, actor, source, collection)


async def plan_folder(runtime: Runtime, actor: Actor, wanted: FolderPlanRequest) -> SyncPlan:
    """The same for a folder that is no source yet, in a collection or in a new one with the settings it would get. Writes nothing.

    Raises `PathNotAllowed` or `PathUnusable` with the reason.
    """
    path = allowed_path(wanted.path, runtime.settings, owner=actor.via == "local")
    collection: Mapping[str, Any] | None = {
        "id": new_id(),
        "generation": 1,
        "embedding_model": runtime.settings.embedding_model,
        "chunking": {},
        "language": "auto",
    }
    if wanted.collection_id is not None:
        async with runtime.database.read(actor.tenant_id) as session:
            collection = await repository.collection(session, actor, wanted.collection_id)
    if collection is None:
        raise CollectionUnknown(f"there is no collection {wanted.collection_id}")
    settings = {"path": str(path), "include": wanted.include} | ({} if wanted.exclude is None else {"exclude": wanted.exclude})
    # A fresh id: nothing is known of this source, so everything in the folder is new.
    source = {"id": new_id(), "kind": "directory", "settings": settings, "sealed_credentials": None, "held_deletions": None}
    return await _planned(runtime, actor, source, collection)


async def _planned(runtime: Runtime, actor: Actor, source: Mapping[Any, Any], collection: Mapping[Any, Any]) -> SyncPlan:
    connector = await connector_of(runtime, source)
    if connector is None:
        return shown_plan(listing.Listing().plan(), 0, None)
    try:
        found = await listing.compare(runtime.database, actor, source["id"], connector)
        due = found.plan()
        held = held_back(len(due.deleted), found.known, waiting=source["held_deletions"] is not None, most=None)
        listed = {item.path: item for item in found.new} | {item.path: item for item, _ in found.touched}
        population = estimate.Population()
        for path in (*due.added, *due.modified):
            if listed[path].problem is None:
                population.add(_work(listed[path]), _copied(connector, listed[path]))
        if not population.count:
            return shown_plan(due, held, None)
        target = await target_of(runtime, source, collection)
        encoder = await runtime.encoder(target.model)
        stages = stages_of(runtime, actor, target, encoder, connector=connector, embedder=None)
        return shown_plan(due, held, await estimate.look(runtime, actor, target, encoder, stages, population, seconds=estimate.LOOK_S))
    finally:
        await connector.close()


def _work(item: Item) -> Work:
    """The listed item as the document that it would become."""
    return Work(
        id=new_id(), path=item.path, name=item.name, due="", version=0, state="pending", content_hash=None, pipeline_key=None,
        parent_id=None, container=None, media_type=item.media_type, size_bytes=item.size_bytes, sealed_password=None,
        modified_at=None, tags=(),
    )  # fmt: skip


def _copied(connector: Connector, item: Item) -> estimate.Fetch:
    async def fetch(to: Path, _: AsyncExitStack) -> Path:
        with open(to, "wb") as file:
            async with closing(connector.fetch(item)) as pieces:
                async for piece in pieces:
                    await run_cpu(file.write, piece)
        return to

    return fetch


async def retry(session: AsyncSession, actor: Actor, keyring: Keyring, document_id: str, password: str | None) -> Enqueued:
    document = await repository.document(session, actor, document_id)
    if document is None:
        raise DocumentUnknown(f"there is no document {document_id}")
    sealed = keyring.seal(password.encode()) if password is not None else None
    await repository.make_due_again(session, actor, [document_id], sealed)
    job = await enqueue_ingest(
        session,
        actor,
        source_id=document["source_id"],
        collection_id=document["collection_id"],
        title=f"Retry {document['name']}",
        listing=False,
        priority=3,
    )
    # Its dead letter is answered: should it fail again, the new job has one.
    await items.take_over(session, tenant_id=actor.tenant_id, keys=[document_id], by_job=job.id)
    return job


async def retry_failed(session: AsyncSession, actor: Actor, collection_id: str, codes: Sequence[str]) -> tuple[Enqueued | None, int]:
    """Returns the last job enqueued (one for each source concerned) and the number of documents."""
    collection = await repository.collection(session, actor, collection_id)
    if collection is None:
        raise CollectionUnknown(f"there is no collection {collection_id}")
    found = await repository.make_failed_due(session, actor, collection_id, codes)
    job = None
    for source_id, document_ids in found.items():
        title = f"Retry {len(document_ids):,} failed in {collection['name']}"
        job = await enqueue_ingest(session, actor, source_id=source_id, collection_id=collection_id, title=title, listing=False, priority=4)
        await items.take_over(session, tenant_id=actor.tenant_id, keys=document_ids, by_job=job.id)
    return job, sum(map(len, found.values()))


async def delete_document(session: AsyncSession, actor: Actor, document_id: str) -> Enqueued:
    document = await repository.document(session, actor, document_id)
    if document is None:
        raise DocumentUnknown(f"there is no document {document_id}")
    source = await repository.source(session, actor, document["source_id"])
    if source is None or source["kind"] != "upload" or document["parent_id"] is not None:
        raise NotAnUpload(
            f"{document['name']} is listed by its source and would come back with the next sync",
            hint="Remove it where it comes from, or exclude it in the source's settings.",
        )
    await repository.bury_document(session, actor, document_id)
    return await enqueue(
        session,
        RemoveDocument(document_id=document_id),
        actor=actor,
        title=f"Delete {document['name']}",
        collection_id=document["collection_id"],
        priority=3,
        dedup_key=document_id,
    )


def shown_plan(plan: Plan, held: int, expected: estimate.Estimate | None) -> SyncPlan:
    return SyncPlan(
        added=plan.added[:_NAMED_PATHS],
        modified=plan.modified[:_NAMED_PATHS],
        moved=[Moved.model_validate({"from": old, "to": new}) for old, new in plan.moved[:_NAMED_PATHS]],
        deleted=plan.deleted[:_NAMED_PATHS],
        unchanged=plan.unchanged,
        held_deletions=held,
        counts=PlanCounts(
            added=len(plan.added), modified=len(plan.modified), moved=len(plan.moved), deleted=len(plan.deleted), unchanged=plan.unchanged
        ),
        estimate=None if expected is None else _shown_estimate(expected),
    )


def _shown_estimate(expected: estimate.Estimate) -> Estimate:
    ranges = {meter: EstimatedRange(low=low, likely=likely, high=high) for meter, (low, likely, high) in expected.as_row().items()}
    return Estimate(**ranges, sampled=expected.sampled, speed_from=expected.speed_from)
