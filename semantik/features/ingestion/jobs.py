"""The jobs of ingestion: sync and read a source, remove a source or a document, rebuild the index from SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from semantik.engines.blobs.base import STRAY_AGE_S
from semantik.engines.vectors.base import Space
from semantik.features.ingestion import checks, due, projection, repository, sync
from semantik.features.ingestion.doctor import examination
from semantik.features.ingestion.job_args import (
    CheckSources,
    CleanUpStore,
    Doctor,
    IngestSource,
    RebuildIndex,
    RemoveDocument,
    RemoveSource,
)
from semantik.features.ingestion.opening import connector_of, target_of
from semantik.features.ingestion.publish import failed_item
from semantik.features.ingestion.removal import forget_files, remove, sweep
from semantik.features.ingestion.steps import POINTS_A_STEP, REMOVALS_A_STEP, ROWS_A_STEP, batches, split
from semantik.jobs.context import JobContext
from semantik.jobs.failpoints import fp
from semantik.jobs.handlers import handles
from semantik.jobs.retry import PermanentFailure
from semantik.jobs.store import reading
from semantik.jobs.store.create import open_to_twins
from semantik.jobs.values import ItemOutcome
from semantik.kit.clock import now
from semantik.kit.concurrency import run_cpu


class SourceGone(PermanentFailure):
    code = "source_gone"


class DeletionsHeld(PermanentFailure):
    """All else of the sync is done. `held` and `known` in data."""

    code = "deletions_held"
    title = "Deletions wait for a confirmation"


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
            summary = await sync.carry_out(ctx, target, connector, waiting=source["held_deletions"] is not None, max_delete=args.max_delete)
        await due.read_due(ctx, target, connector)
    finally:
        if connector is not None:
            await connector.close()
    fp("ingest_read")
    await sweep(ctx, target.space)
    fp("ingest_swept")
    if chosen is not None:
        await _tell_fates(ctx, chosen)
    async with ctx.step() as session:
        await repository.source_synced(session, ctx.actor, args.source_id, summary.get("listed"), held=summary.get("held"))
    if held := summary.get("held"):
        raise _held(held, summary["known"], str(source["name"]))
    return summary


def _held(held: int, known: int, name: str) -> DeletionsHeld:
    share = f"all {known:,} documents" if held == known else f"{held:,} of {known:,} documents"
    return DeletionsHeld(
        f"{name} no longer lists {share}, and they were kept: bring its folder back and sync again, "
        f"or sync with max_delete {held} if they are to go",
        held=held,
        known=known,
    )


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
            ids = await repository.document_ids(session, ctx.actor, args.source_id, REMOVALS_A_STEP)
        if not ids:
            break
        removed += len(ids)
        await remove(ctx, ids, target.space)
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
    where = Space.of_key(space)
    await remove(ctx, [args.document_id], where)
    await sweep(ctx, where)
    return {"documents": 1}


@handles(RebuildIndex)
async def rebuild_index(ctx: JobContext, args: RebuildIndex) -> dict[str, Any]:
    """Points come out as they went in: the stored float16 vectors and the same words; nothing is embedded."""
    space = Space.of_key(args.space)
    await ctx.runtime.vectors.ensure(space)
    after, count, missing = str((ctx.job.cursor or {}).get("after", "")), 0, 0
    while True:
        await ctx.check()
        async with ctx.read() as session:
            page = await repository.projection_page(session, ctx.actor, args.space, after, POINTS_A_STEP)
        if not page:
            break
        model = await ctx.runtime.text_model(page[0]["embedding_model"])
        points = await run_cpu(projection.points, ctx.actor.tenant_id, page, model.tokenizer)
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
    async for names in batches(ctx.runtime.blobs.hashes(tenant, older_than_s=args.older_than_s), ROWS_A_STEP):
        await ctx.check()
        removed += await forget_files(ctx, names, older_than_s=args.older_than_s)
    strays = await ctx.runtime.blobs.clean_up(older_than_s=max(args.older_than_s, STRAY_AGE_S))
    vectors = 0
    before = now() - timedelta(seconds=args.older_than_s)
    while True:
        await ctx.check()
        async with ctx.step(message="Forgetting vectors") as session:
            unused_vectors = await repository.unused_vectors(session, ctx.actor, before=before, limit=ROWS_A_STEP)
            await repository.forget_vectors(session, ctx.actor, unused_vectors)
        vectors += len(unused_vectors)
        if len(unused_vectors) < ROWS_A_STEP:
            break
    async with ctx.read() as session:
        spaces = await repository.spaces_with_points(session)
    for key, dimensions, _ in spaces:
        await sweep(ctx, Space(key=key, dimensions=dimensions))
    return {"files_removed": removed, "strays_removed": strays, "vectors_removed": vectors}


@handles(CheckSources)
async def check_sources(ctx: JobContext, args: CheckSources) -> dict[str, Any]:
    return await checks.look_around(ctx)


@handles(Doctor)
async def doctor(ctx: JobContext, args: Doctor) -> dict[str, Any]:
    return await examination.examine(ctx, args)


async def _make_due(ctx: JobContext, document_ids: Sequence[str]) -> None:
    """Makes due what still fails of the documents; once a job, so that one which failed again is not read for ever."""
    if ctx.job.cursor is not None:
        return
    async with ctx.step(cursor={"made_due": True}) as session:
        for batch in split(document_ids, ROWS_A_STEP):
            fates = await repository.fates(session, ctx.actor, batch)
            await repository.make_due_again(session, ctx.actor, [id for id, row in fates.items() if row["state"] == "failed"])


async def _tell_fates(ctx: JobContext, chosen: Mapping[str, str | None]) -> None:
    """Writes down what became of the documents that a retry was asked for."""
    for batch in split(list(chosen), ROWS_A_STEP):
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
