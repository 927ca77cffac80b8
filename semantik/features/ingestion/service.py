"""Starting ingestion on request: sync, retry, removal."""

from __future__ import annotations

from collections.abc import Sequence

from semantik.auth.access import CollectionUnknown, DocumentUnknown, SourceUnknown
from semantik.auth.actor import Actor
from semantik.features.ingestion import repository
from semantik.features.ingestion.job_args import IngestSource, RemoveDocument
from semantik.features.ingestion.schemas import Moved, PlanCounts, SyncPlan
from semantik.features.ingestion.values import Plan
from semantik.jobs.queue import enqueue
from semantik.jobs.values import Enqueued
from semantik.kit.database import AsyncSession
from semantik.kit.errors import Conflict
from semantik.kit.secrets import Keyring

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
    priority: int = 5,
) -> Enqueued:
    """One job at a time for a source; another that has not started yet is the answer to the same request."""
    job = await enqueue(
        session,
        IngestSource(source_id=source_id, listing=listing),
        actor=actor,
        title=title,
        collection_id=collection_id,
        source_id=source_id,
        priority=priority,
        dedup_key=f"{source_id}:{'list' if listing else 'due'}",
        concurrency_key=f"source:{source_id}",
    )
    await repository.source_job(session, actor, source_id, job.id)
    return job


async def sync(session: AsyncSession, actor: Actor, source_id: str) -> Enqueued:
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
    )


async def retry(session: AsyncSession, actor: Actor, keyring: Keyring, document_id: str, password: str | None) -> Enqueued:
    document = await repository.document(session, actor, document_id)
    if document is None:
        raise DocumentUnknown(f"there is no document {document_id}")
    sealed = keyring.seal(password.encode()) if password is not None else None
    await repository.make_due_again(session, actor, [document_id], sealed)
    return await enqueue_ingest(
        session,
        actor,
        source_id=document["source_id"],
        collection_id=document["collection_id"],
        title=f"Retry {document['name']}",
        listing=False,
        priority=3,
    )


async def retry_failed(session: AsyncSession, actor: Actor, collection_id: str, codes: Sequence[str]) -> tuple[Enqueued | None, int]:
    """Returns the last job enqueued (one for each source concerned) and the number of documents."""
    collection = await repository.collection(session, actor, collection_id)
    if collection is None:
        raise CollectionUnknown(f"there is no collection {collection_id}")
    counts = await repository.make_failed_due(session, actor, collection_id, codes)
    job = None
    for source_id, count in counts.items():
        title = f"Retry {count:,} failed in {collection['name']}"
        job = await enqueue_ingest(session, actor, source_id=source_id, collection_id=collection_id, title=title, listing=False, priority=4)
    return job, sum(counts.values())


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


def shown_plan(plan: Plan) -> SyncPlan:
    return SyncPlan(
        added=plan.added[:_NAMED_PATHS],
        modified=plan.modified[:_NAMED_PATHS],
        moved=[Moved.model_validate({"from": old, "to": new}) for old, new in plan.moved[:_NAMED_PATHS]],
        deleted=plan.deleted[:_NAMED_PATHS],
        unchanged=plan.unchanged,
        counts=PlanCounts(
            added=len(plan.added), modified=len(plan.modified), moved=len(plan.moved), deleted=len(plan.deleted), unchanged=plan.unchanged
        ),
    )
