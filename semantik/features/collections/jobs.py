"""Deleting a collection: its points first, then its rows batch by batch, the collection last."""

from __future__ import annotations

from semantik.engines.vectors.base import Space
from semantik.features.collections import repository
from semantik.features.collections.job_args import DeleteCollection
from semantik.jobs.context import JobContext
from semantik.jobs.handlers import handles

_DOCUMENTS_A_STEP = 200
_EMBEDDINGS_A_STEP = 2000


@handles(DeleteCollection)
async def delete_collection(ctx: JobContext, args: DeleteCollection) -> dict[str, int]:
    """Repeats harmlessly after a crash: every step removes what is still there."""
    async with ctx.read() as session:
        space_key = await repository.buried_space(session, ctx.actor, args.collection_id)
    if space_key is None:
        return {"documents": 0}
    dimensions = int(space_key.rpartition("-")[2])
    space = Space(key=space_key, dimensions=dimensions)
    await ctx.runtime.vectors.ensure(space)
    await ctx.runtime.vectors.delete_where(space, tenant=ctx.actor.tenant_id, collection=args.collection_id)
    await ctx.runtime.vectors.flush(space)
    removed = 0
    while True:
        await ctx.check()
        async with ctx.step(message="Removing documents") as session:
            count, blobs = await repository.remove_documents(session, ctx.actor, args.collection_id, limit=_DOCUMENTS_A_STEP)
            unused = await repository.unused_blobs(session, ctx.actor, blobs)
        # Files after the rows that named them: a crash in between leaves strays for the daily sweep, never a row without its file.
        for blob in unused:
            await ctx.runtime.blobs.delete(ctx.actor.tenant_id, blob)
        removed += count
        if count == 0:
            break
    while True:
        await ctx.check()
        async with ctx.step(message="Forgetting vectors") as session:
            if await repository.remove_unused_embeddings(session, ctx.actor, limit=_EMBEDDINGS_A_STEP) == 0:
                break
    async with ctx.step() as session:
        await repository.remove_collection(session, ctx.actor, args.collection_id)
    return {"documents": removed}
