"""Looks which sources have changed, by paths and signatures alone, and starts a sync of those: what one schedule does for all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from semantik.features.ingestion import listing, repository, service
from semantik.features.ingestion.opening import connector_of
from semantik.jobs.context import JobContext
from semantik.jobs.store import cleaning
from semantik.kit import logs
from semantik.kit.clock import now
from semantik.kit.errors import SemantikError

log = logs.get(__name__)

_CHECKS_KEPT = 3


async def look_around(ctx: JobContext) -> dict[str, Any]:
    """Looks at the sources whose turn it is. Leaves no trail of checks in the list of jobs, only the last few."""
    async with ctx.read() as session:
        due = await repository.to_check(session, ctx.actor, now())
    started: list[str] = []
    for source in due:
        await ctx.check()
        note: str | None = None
        differs = False
        try:
            differs = await _differs(ctx, source)
        except (SemantikError, OSError) as error:
            note = error.detail if isinstance(error, SemantikError) else f"it cannot be read: {error.strerror or type(error).__name__}"
            log.info("source could not be looked at", source_id=source["id"], error=type(error).__name__)
        await ctx.check()
        async with ctx.step(done=1, message=source["name"]) as session:
            if differs:
                job = await service.sync(session, ctx.actor, source["id"])
                started.append(job.id)
            await repository.checked(session, ctx.actor, source["id"], note)
    async with ctx.step() as session:
        await cleaning.quiet_ones(session, ctx.job.tenant_id, kind=ctx.job.kind, keep=_CHECKS_KEPT, excluding=ctx.job.id)
    return {"looked_at": len(due), "syncs": started}


async def _differs(ctx: JobContext, source: Mapping[Any, Any]) -> bool:
    connector = await connector_of(ctx.runtime, source)
    if connector is None:
        return False
    try:
        held = source["held_deletions"] or 0
        return await listing.differs(ctx.runtime.database, ctx.actor, source["id"], connector, held=held, interrupted=ctx.interrupted)
    finally:
        await connector.close()
