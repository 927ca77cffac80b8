"""The job that removes what is long over."""

from __future__ import annotations

from typing import Any

from semantik.features.activity.job_args import CleanUpJobs
from semantik.jobs.context import JobContext
from semantik.jobs.handlers import handles
from semantik.jobs.store import cleaning

_BATCH = 200


@handles(CleanUpJobs)
async def clean_up_jobs(ctx: JobContext, args: CleanUpJobs) -> dict[str, Any]:
    tenant_id, total = ctx.job.tenant_id, 0
    while True:
        await ctx.check()
        async with ctx.step(message="removing jobs that ended long ago") as session:
            removed = await cleaning.old_jobs(session, tenant_id, days=args.keep_days, limit=_BATCH)
            if removed < _BATCH:
                await cleaning.old_marks(session, tenant_id, days=args.keep_days)
        total += removed
        if removed < _BATCH:
            await ctx.log(f"{total} jobs removed that ended more than {args.keep_days} days ago")
            return {"removed": total}
