"""Takes documents out: rows first, then files and points that nothing names any more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from semantik.engines.blobs.base import NAMED_WITHIN_S
from semantik.engines.vectors.base import Space
from semantik.features.ingestion import repository
from semantik.features.ingestion.steps import POINTS_A_STEP
from semantik.jobs.context import JobContext


async def remove(ctx: JobContext, ids: Sequence[str], space: Space) -> None:
    async with ctx.step() as session:
        blobs = await repository.remove_documents(session, ctx.actor, ids, space.key)
    # Files after the rows that named them: a crash in between leaves strays for the daily sweep, never a row without its file.
    await forget_files(ctx, blobs, older_than_s=NAMED_WITHIN_S)


async def forget_files(ctx: JobContext, hashes: Iterable[str], *, older_than_s: float) -> int:
    """Removes those that no document names; returns how many. The one road by which stored files go.

    An upload stores its file before the row that names it. So a file that was stored since `older_than_s` stays, also where
    it was there before and an equal one was stored anew; the daily sweep looks at it again. While a backup is taken all stay.
    """
    async with ctx.read() as session:
        if await repository.files_held(session):
            return 0
        unused = await repository.unused_blobs(session, ctx.actor, set(hashes))
    for name in unused:
        await ctx.runtime.blobs.delete(ctx.actor.tenant_id, name, older_than_s=older_than_s)
    return len(unused)


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
