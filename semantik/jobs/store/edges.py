"""What the end of a job does to those that wait for it, in the transaction that ends it."""

from __future__ import annotations

from collections import deque

import sqlalchemy as sa

from semantik.jobs.states import ENDED, Status
from semantik.jobs.store import rows
from semantik.jobs.store.clock import db_time
from semantik.jobs.values import Job
from semantik.kit.database import AsyncSession
from semantik.tables.jobs import job_edges, jobs

_WAITING = [Status.BLOCKED, Status.PAUSED]


async def after_end(session: AsyncSession, job: Job) -> None:
    """Counts the end down at each waiting child; one whose parent did not succeed is skipped, and so on downwards."""
    ended = deque([job] if job.status in ENDED else [])
    while ended:
        parent = ended.popleft()
        found = await session.execute(
            sa.update(job_edges)
            .where(job_edges.c.parent_id == parent.id, job_edges.c.resolved_at.is_(None))
            .values(resolved_at=db_time())
            .returning(job_edges.c.child_id, job_edges.c.on_end)
        )
        # In one order everywhere, so that two parents ending together never wait for each other.
        for child_id, on_end in sorted((row.child_id, row.on_end) for row in found):
            if on_end == "success" and parent.status is not Status.COMPLETED:
                skipped = await rows.change(
                    session,
                    jobs.c.id == child_id,
                    jobs.c.status.in_(_WAITING),
                    event="job.skipped",
                    metadata={"because": parent.id},
                    status=Status.SKIPPED,
                    finished_at=db_time(),
                )
                if skipped is not None:
                    ended.append(skipped)
                continue
            last = sa.and_(jobs.c.status == Status.BLOCKED, jobs.c.pending_deps == 1)
            await rows.change(
                session,
                jobs.c.id == child_id,
                jobs.c.status.in_(_WAITING),
                jobs.c.pending_deps > 0,
                event="job.unblocked",
                metadata={"ended": parent.id},
                pending_deps=jobs.c.pending_deps - 1,
                status=sa.case((last, sa.literal_column("'queued'")), else_=jobs.c.status),
                available_at=sa.case((sa.and_(last, jobs.c.available_at < db_time()), db_time()), else_=jobs.c.available_at),
            )
