"""The jobs of ingestion: sync and read a source, remove a source or a document, rebuild the index from SQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from semantik.engines.blobs.base import STRAY_AGE_S
from semantik.engines.chunking import headings
from semantik.engines.connectors.base import LEFT_OUT, Connector, Item
from semantik.engines.embedding import bm25
from semantik.engines.embedding.base import Encoder, Tokenizer
from semantik.engines.vectors.base import Point, Space
from semantik.features.ingestion import checks, estimate, listing, pipeline, repository
from semantik.features.ingestion.embedder import Embedder
from semantik.features.ingestion.job_args import CheckSources, CleanUpStore, IngestSource, RebuildIndex, RemoveDocument, RemoveSource
from semantik.features.ingestion.opening import connector_of, stages_of, target_of
from semantik.features.ingestion.publish import Publisher, failed_item, new_document, payload
from semantik.features.ingestion.stages import Stages
from semantik.features.ingestion.values import Target, Work
from semantik.jobs.context import JobContext
from semantik.jobs.failpoints import fp
from semantik.jobs.handlers import handles
from semantik.jobs.retry import PermanentFailure
from semantik.jobs.store import reading
from semantik.jobs.store.create import open_to_twins
from semantik.jobs.values import ItemOutcome
from semantik.kit import logs
from semantik.kit.clock import now
from semantik.kit.concurrency import cpu_count, run_cpu

T = TypeVar("T")

log = logs.get(__name__)

_ROWS_A_STEP = 500
_REMOVALS_A_STEP = 100
_POINTS_A_STEP = 1000
# A handful of documents is read before an estimate of them would be done.
_LEAST_TO_ESTIMATE = 10
_LOOK_S_A_DOCUMENT = 0.01


class SourceGone(PermanentFailure):
    code = "source_gone"


@handles(IngestSource)
async def ingest_source(ctx: JobContext, args: IngestSource) -> dict[str, Any]:
    """Lists the source, carries out the plan, then reads what is due. Every part repeats harmlessly after a crash.

    Each document that fails is an item of the job, under its id. A retry of failed items lists nothing: it makes those
    documents due and reads.
    """
    async with ctx.read() as session:
        source = await repository.source(session, ctx.actor, args.source_id)
        collection = None if source is None else await repository.collection(session, ctx.actor, source["collection_id"])
    if source is None or collection is None:
        raise SourceGone("the source was deleted")
    target = await target_of(ctx.runtime, source, collection)
    async with ctx.step() as session:
        await open_to_twins(session, ctx.job.id)
    chosen = await reading.chosen_items(ctx.runtime.database, ctx.job)
    connector = await connector_of(ctx.runtime, source)
    try:
        summary: dict[str, Any] = {}
        if chosen is not None:
            await _make_due(ctx, list(chosen))
        elif connector is not None and args.listing:
            summary = await _sync(ctx, target, connector)
        await _read_due(ctx, target, connector)
    finally:
        if connector is not None:
            await connector.close()
    fp("ingest_read")
    await sweep(ctx, target.space)
    fp("ingest_swept")
    if chosen is not None:
        await _tell_fates(ctx, chosen)
    async with ctx.step() as session:
        await repository.source_synced(session, ctx.actor, args.source_id, summary.get("listed"))
    return summary


@handles(RemoveSource)
async def remove_source(ctx: JobContext, args: RemoveSource) -> dict[str, Any]:
    async with ctx.read() as session:
        source = await repository.source_any(session, ctx.actor, args.source_id)
        collection = None if source is None else await repository.collection(session, ctx.actor, source["collection_id"])
    if source is None or collection is None:
        return {"documents": 0}
    target = await target_of(ctx.runtime, source, collection)
    removed = 0
    while True:
        await ctx.check()
        async with ctx.read() as session:
            ids = await repository.document_ids(session, ctx.actor, args.source_id, _REMOVALS_A_STEP)
        if not ids:
            break
        removed += len(ids)
        await _remove(ctx, ids, target.space)
    await sweep(ctx, target.space)
    async with ctx.step() as session:
        await repository.remove_source(session, ctx.actor, args.source_id)
    return {"documents": removed}


@handles(RemoveDocument)
async def remove_document(ctx: JobContext, args: RemoveDocument) -> dict[str, Any]:
    async with ctx.read() as session:
        space = await repository.space_of_buried(session, ctx.actor, args.document_id)
    if space is None:
        return {"documents": 0}
    where = Space(key=space, dimensions=int(space.rpartition("-")[2]))
    await _remove(ctx, [args.document_id], where)
    await sweep(ctx, where)
    return {"documents": 1}


@handles(RebuildIndex)
async def rebuild_index(ctx: JobContext, args: RebuildIndex) -> dict[str, Any]:
    """Points come out as they went in: the stored float16 vectors and the same words; nothing is embedded."""
    space = Space(key=args.space, dimensions=int(args.space.rpartition("-")[2]))
    await ctx.runtime.vectors.ensure(space)
    after, count, missing = str((ctx.job.cursor or {}).get("after", "")), 0, 0
    while True:
        await ctx.check()
        async with ctx.read() as session:
            page = await repository.projection_page(session, ctx.actor, args.space, after, _POINTS_A_STEP)
        if not page:
            break
        encoder = await ctx.runtime.encoder(page[0]["embedding_model"])
        points = await run_cpu(_projection, ctx.actor.tenant_id, page, encoder.tokenizer)
        await ctx.runtime.vectors.upsert(space, points)
        await ctx.runtime.vectors.flush(space)
        after = page[-1]["id"]
        count += len(page)
        missing += sum(row["vector"] is None for row in page)
        async with ctx.step(cursor={"after": after}, done=len(page), message="Filling the index from the database"):
            pass
    await sweep(ctx, space)
    async with ctx.step() as session:
        await repository.rebuilt(session, ctx.actor, args.space)
    return {"points": count, "without_vector": missing, "reason": args.reason}


@handles(CleanUpStore)
async def clean_up_store(ctx: JobContext, args: CleanUpStore) -> dict[str, Any]:
    tenant, removed = ctx.actor.tenant_id, 0
    names = [name async for name in ctx.runtime.blobs.hashes(tenant, older_than_s=args.older_than_s)]
    for batch in _split(names, _ROWS_A_STEP):
        await ctx.check()
        async with ctx.read() as session:
            unused = await repository.unused_blobs(session, ctx.actor, set(batch))
        for name in unused:
            await ctx.runtime.blobs.delete(tenant, name, older_than_s=args.older_than_s)
        removed += len(unused)
    strays = await ctx.runtime.blobs.clean_up(older_than_s=max(args.older_than_s, STRAY_AGE_S))
    vectors = 0
    before = now() - timedelta(seconds=args.older_than_s)
    while True:
        await ctx.check()
        async with ctx.step(message="Forgetting vectors") as session:
            forgotten = await repository.forget_unused_vectors(session, ctx.actor, before=before, limit=_ROWS_A_STEP)
        vectors += forgotten
        if forgotten < _ROWS_A_STEP:
            break
    async with ctx.read() as session:
        spaces = await repository.spaces_with_points(session)
    for key, dimensions, _ in spaces:
        await sweep(ctx, Space(key=key, dimensions=dimensions))
    return {"files_removed": removed, "strays_removed": strays, "vectors_removed": vectors}


@handles(CheckSources)
async def check_sources(ctx: JobContext, args: CheckSources) -> dict[str, Any]:
    return await checks.look_around(ctx)


async def _make_due(ctx: JobContext, document_ids: Sequence[str]) -> None:
    """Makes due what still fails of the documents; once a job, so that one which failed again is not read for ever."""
    if ctx.job.cursor is not None:
        return
    async with ctx.step(cursor={"made_due": True}) as session:
        for batch in _split(document_ids, _ROWS_A_STEP):
            fates = await repository.fates(session, ctx.actor, batch)
            await repository.make_due_again(session, ctx.actor, [id for id, row in fates.items() if row["state"] == "failed"])


async def _tell_fates(ctx: JobContext, chosen: Mapping[str, str | None]) -> None:
    """Writes down what became of the documents that a retry was asked for."""
    for batch in _split(list(chosen), _ROWS_A_STEP):
        async with ctx.read() as session:
            fates = await repository.fates(session, ctx.actor, batch)
        async with ctx.step(items=[_fate(id, chosen[id], fates.get(id)) for id in batch]):
            pass


def _fate(document_id: str, label: str | None, row: Mapping[Any, Any] | None) -> ItemOutcome:
    if row is None:
        return ItemOutcome(document_id, "skipped", label)
    if row["state"] == "failed":
        return failed_item(document_id, row["path"], row["code"], row["reason"])
    return ItemOutcome(document_id, "done", row["path"])


async def _sync(ctx: JobContext, target: Target, connector: Connector) -> dict[str, Any]:
    await ctx.progress(message="Listing the source")
    found = await listing.compare(ctx.runtime.database, ctx.actor, target.source_id, connector, interrupted=ctx.interrupted)
    await ctx.check()
    plan = found.plan()
    fp("ingest_listed")
    items = {item.path: item for item in found.new} | {item.path: item for item, _ in found.touched}
    touched = {item.path: before for item, before in found.touched}
    for pairs in _split(plan.moved, _ROWS_A_STEP):
        async with ctx.step() as session:
            for old, new in pairs:
                item = items[new]
                await repository.move(
                    session, ctx.actor, old_path=old, source_id=target.source_id, new_path=new, name=item.name, signature=item.signature
                )
    for paths in _split(plan.added, _ROWS_A_STEP):
        await ctx.check()
        rows = [_listed_row(ctx, target, items[path]) for path in paths]
        failed = [failed_item(row["id"], row["path"], row["code"], row["reason"]) for row in rows if row["state"] == "failed"]
        skipped = sum(row["state"] == "skipped" for row in rows)
        async with ctx.step(failed=len(failed), skipped=skipped, items=failed) as session:
            await repository.add_documents(session, rows)
    unread = set(plan.modified)
    for batch in _split(list(touched), _ROWS_A_STEP):
        await ctx.check()
        worse = [(touched[path], _problem(items[path])) for path in batch if items[path].problem is not None and path in unread]
        failed = [failed_item(before.id, before.path, why["code"], why["reason"]) for before, why in worse if why["state"] == "failed"]
        async with ctx.step(failed=len(failed), skipped=len(worse) - len(failed), items=failed) as session:
            for path in batch:
                item, before = items[path], touched[path]
                if item.problem is not None:
                    await repository.finish_document(session, ctx.actor, before.id, _problem(item))
                elif path in unread:
                    await repository.mark_due(
                        session, ctx.actor, before.id, due=item.signature or "?", size_bytes=item.size_bytes, modified_at=item.modified_at
                    )
                else:
                    values = {"signature": item.signature, "due": None, "modified_at": item.modified_at}
                    await repository.finish_document(session, ctx.actor, before.id, values)
    gone = set(plan.deleted)
    for ids in _split([known.id for known in found.vanished if known.path in gone], _REMOVALS_A_STEP):
        await ctx.check()
        await _remove(ctx, ids, target.space)
    fp("ingest_planned")
    counts = {
        "added": len(plan.added),
        "modified": len(plan.modified),
        "moved": len(plan.moved),
        "deleted": len(plan.deleted),
        "unchanged": plan.unchanged,
    }
    words = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
    await ctx.log(f"Listed {found.count:,} files: {words or 'the source is empty'}")
    return {"listed": found.count, **counts}


def _listed_row(ctx: JobContext, target: Target, item: Item) -> dict[str, Any]:
    values: dict[str, Any] = {"state": "pending", "due": item.signature or "?"} if item.problem is None else _problem(item)
    return new_document(
        tenant_id=ctx.actor.tenant_id,
        collection_id=target.collection_id,
        source_id=target.source_id,
        path=item.path,
        name=item.name,
        size_bytes=item.size_bytes,
        media_type=item.media_type,
        modified_at=item.modified_at,
        tags=list(item.tags),
        metadata=dict(item.metadata),
        **values,
    )


def _problem(item: Item) -> dict[str, Any]:
    assert item.problem is not None, "only items with a problem come here"
    code, reason = item.problem
    return {
        "state": "skipped" if code in LEFT_OUT else "failed",
        "code": code,
        "reason": reason,
        "due": None,
        "signature": item.signature,
    }


async def _read_due(ctx: JobContext, target: Target, connector: Connector | None) -> None:
    runtime = ctx.runtime
    encoder = await runtime.encoder(target.model)
    await runtime.vectors.ensure(target.space)
    async with ctx.step() as session:
        await repository.note_space(session, target.space.key, target.space.dimensions)
        await repository.mark_all_due(session, ctx.actor, target.source_id, target.pipeline_key)
        due = await repository.due_count(session, ctx.actor, target.source_id)
        generation = await repository.generation(session, ctx.actor, target.collection_id, target.generation)
    async with ctx.step(total=ctx.job.processed + due):
        pass
    embedder = Embedder(encoder, ctx, price=runtime.settings.remote_embedding_price)
    stages = stages_of(runtime, ctx.actor, target, encoder, connector=connector, embedder=embedder)
    publisher = Publisher(ctx, target, runtime.vectors, generation["mean_terms"] if generation else None)
    try:
        if ctx.job.estimate is None and due >= _LEAST_TO_ESTIMATE:
            await _predict(ctx, target, encoder, stages, due)
        await _read_rounds(ctx, target, stages, publisher)
    finally:
        await embedder.close()
    if (speed := embedder.tokens_per_s) is not None:
        async with ctx.step() as session:
            await repository.note_speed(session, estimate.subject_of(encoder), speed)
    await ctx.check()


async def _predict(ctx: JobContext, target: Target, encoder: Encoder, stages: Stages, due: int) -> None:
    """Writes down what the job expects, so that its page can say how right that was. Takes a hundredth of the work at most."""
    population = estimate.Population()
    async for work in _all_due(ctx, target):
        population.add(work, _stored(stages, work))
    seconds = min(estimate.LOOK_S, _LOOK_S_A_DOCUMENT * due)
    found = await estimate.look(ctx.runtime, ctx.actor, target, encoder, stages, population, seconds=seconds)
    async with ctx.step(estimate=found.as_row(), message="Estimated how long it takes"):
        pass


def _stored(stages: Stages, work: Work) -> estimate.Fetch:
    async def fetch(_: Path, held: AsyncExitStack) -> Path:
        # Into the store, where the job needs it anyway.
        return (await stages.fetch(work, held)).path

    return fetch


async def _read_rounds(ctx: JobContext, target: Target, stages: Stages, publisher: Publisher) -> None:
    """Reads until nothing is due: archives and mails bring documents of their own, uploads arrive while others are read."""
    processed = -1
    while not ctx.interrupted.is_set() and ctx.job.processed > processed:
        processed = ctx.job.processed
        await pipeline.run(_due(ctx, target), stages, publisher, readers=2 * cpu_count() + 2, interrupted=ctx.interrupted)
        if (reason := ctx.over(items=1)) is not None:
            async with ctx.read() as session:
                left = await repository.due_count(session, ctx.actor, target.source_id)
            if left:
                ctx.halt(reason)


async def _due(ctx: JobContext, target: Target) -> AsyncIterator[Work]:
    """One round of due documents, by id, as far as the job's budget of documents reaches."""
    begun = ctx.job.processed
    async for work in _all_due(ctx, target):
        begun += 1
        if ctx.over(items=begun - ctx.job.processed) is not None:
            # What was begun is finished first: a job that stops for its budget loses nothing of what it paid for.
            return
        yield work


async def _all_due(ctx: JobContext, target: Target) -> AsyncIterator[Work]:
    after = ""
    while True:
        async with ctx.read() as session:
            page = await repository.due_page(session, ctx.actor, target.source_id, after, 200)
        if not page:
            return
        for work in page:
            yield work
        after = page[-1].id


async def _remove(ctx: JobContext, ids: Sequence[str], space: Space) -> None:
    async with ctx.step() as session:
        blobs = await repository.remove_documents(session, ctx.actor, ids, space.key)
        unused = await repository.unused_blobs(session, ctx.actor, blobs)
    # Files after the rows that named them: a crash in between leaves strays for the daily sweep, never a row without its file.
    for blob in unused:
        await ctx.runtime.blobs.delete(ctx.actor.tenant_id, blob)


async def sweep(ctx: JobContext, space: Space) -> None:
    """Takes dead points out of the index; they answered no search since their rows went."""
    while True:
        async with ctx.read() as session:
            dead = await repository.dead_page(session, ctx.actor, space.key, _POINTS_A_STEP)
        if not dead:
            return
        await ctx.runtime.vectors.delete(space, dead)
        await ctx.runtime.vectors.flush(space)
        async with ctx.step() as session:
            await repository.forget_dead(session, ctx.actor, space.key, dead)


def _projection(tenant_id: str, rows: Sequence[Any], tokenizer: Tokenizer) -> list[Point]:
    return [_projected(tenant_id, row, tokenizer) for row in rows]


def _projected(tenant_id: str, row: Any, tokenizer: Tokenizer) -> Point:
    text = headings.embedded_text(row["heading_path"], row["text"], tokenizer, tokens=row["tokens"])
    return Point(
        id=row["id"],
        dense=None if row["vector"] is None else np.frombuffer(row["vector"], dtype="<f2").astype(np.float32),
        sparse=bm25.document_vector(text, row["language"], row["mean_terms"] or bm25.TYPICAL_MEAN_TERMS),
        payload=payload(
            tenant=tenant_id,
            collection=row["collection_id"],
            generation=row["generation"],
            source=row["source_id"],
            document=row["document_id"],
            media_type=row["media_type"],
            language=row["language"],
            tags=row["tags"],
            modified_at=row["modified_at"],
        ),
    )


def _split(rows: Sequence[T], size: int) -> list[Sequence[T]]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]
