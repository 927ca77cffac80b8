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
        before = await _predecessor(session, parent)
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
            if before is not None and await _inherits(session, child_id, parent, before):
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


async def _predecessor(session: AsyncSession, job: Job) -> str | None:
    """Behind whom the ended job still stood in the chain of its concurrency key: cancelled or skipped before its turn."""
    if job.concurrency_key is None or job.pending_deps == 0:
        return None
    waited: str | None = await session.scalar(
        sa.select(job_edges.c.parent_id)
        .join(jobs, jobs.c.id == job_edges.c.parent_id)
        .where(job_edges.c.child_id == job.id, job_edges.c.resolved_at.is_(None))
        .where(jobs.c.concurrency_key == job.concurrency_key, jobs.c.finished_at.is_(None))
    )
    return waited


async def _inherits(session: AsyncSession, child_id: str, ended: Job, before: str) -> bool:
    """Puts the next one of the chain behind the predecessor, since the key is not free yet. False for any other child."""
    key = await session.scalar(sa.select(jobs.c.concurrency_key).where(jobs.c.id == child_id))
    there = sa.select(job_edges.c.child_id).where(job_edges.c.parent_id == before, job_edges.c.child_id == child_id)
    if key != ended.concurrency_key or await session.scalar(there) is not None:
        return False
    edge = {"tenant_id": ended.tenant_id, "parent_id": before, "child_id": child_id, "on_end": "finished"}
    await session.execute(sa.insert(job_edges).values(**edge))
    return True
