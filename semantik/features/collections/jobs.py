"""Deleting a collection: its points first, then its rows batch by batch, the collection last; what they named goes in a job."""

from __future__ import annotations

import asyncio

from semantik.engines.vectors.base import Space
from semantik.features.collections import repository
from semantik.features.collections.job_args import DeleteCollection
from semantik.features.ingestion.job_args import CleanUpStore
from semantik.jobs.context import JobContext
from semantik.jobs.handlers import handles
from semantik.jobs.queue import enqueue
from semantik.jobs.store import reading

_DOCUMENTS_A_STEP = 200
_LOOK_S = 0.3


async def _alone(ctx: JobContext, collection_id: str) -> None:
    """Waits until the jobs that were cancelled for it have stopped: one of them could still add points."""
    while True:
        async with ctx.read() as session:
            if not await reading.at_work_for_collection(session, ctx.job, collection_id):
                return
        await ctx.check()
        await ctx.progress(message="Waiting until its other jobs have stopped")
        await asyncio.sleep(_LOOK_S)


@handles(DeleteCollection)
async def delete_collection(ctx: JobContext, args: DeleteCollection) -> dict[str, int]:
    """Repeats harmlessly after a crash: every step removes what is still there."""
    async with ctx.read() as session:
        space_key = await repository.buried_space(session, ctx.actor, args.collection_id)
    if space_key is None:
        return {"documents": 0}
    await _alone(ctx, args.collection_id)
    space = Space.of_key(space_key)
    await ctx.runtime.vectors.ensure(space)
    await ctx.runtime.vectors.delete_where(space, tenant=ctx.actor.tenant_id, collection=args.collection_id)
    await ctx.runtime.vectors.flush(space)
    removed = 0
    while True:
        await ctx.check()
        async with ctx.step(message="Removing documents") as session:
            count = await repository.remove_documents(session, ctx.actor, args.collection_id, limit=_DOCUMENTS_A_STEP)
        removed += count
        if count == 0:
            break
    # What a job of the whole tenant (a rebuild, a mend) had read before its rows were gone.
    await ctx.runtime.vectors.delete_where(space, tenant=ctx.actor.tenant_id, collection=args.collection_id)
    await ctx.runtime.vectors.flush(space)
    async with ctx.step() as session:
        await repository.remove_collection(session, ctx.actor, args.collection_id)
        # Files and vectors may be named by another collection, or by an upload that has no row yet: one job knows how to tell.
        await enqueue(session, CleanUpStore(), actor=ctx.actor, title="Clean up stored files", dedup_key="after a collection")
    return {"documents": removed}
