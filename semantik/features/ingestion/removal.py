"""Takes documents out: rows first, then files and points that nothing names any more."""

from __future__ import annotations

from collections.abc import Sequence

from semantik.engines.vectors.base import Space
from semantik.features.ingestion import repository
from semantik.features.ingestion.steps import POINTS_A_STEP
from semantik.jobs.context import JobContext


async def remove(ctx: JobContext, ids: Sequence[str], space: Space) -> None:
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
            dead = await repository.dead_page(session, ctx.actor, space.key, POINTS_A_STEP)
        if not dead:
            return
        await ctx.runtime.vectors.delete(space, dead)
        await ctx.runtime.vectors.flush(space)
        async with ctx.step() as session:
            await repository.forget_dead(session, ctx.actor, space.key, dead)
