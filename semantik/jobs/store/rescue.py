"""Leases of owners that fell silent go back; idempotent, so every process may run it at any time."""

from __future__ import annotations

import sqlalchemy as sa

from semantik.jobs.failpoints import fp
from semantik.jobs.states import Status
from semantik.jobs.store import edges, rows
from semantik.jobs.store.clock import db_time
from semantik.jobs.store.leases import end_attempt
from semantik.jobs.values import Job
from semantik.kit.database import Database
from semantik.tables.jobs import jobs


async def expired(database: Database, *, all_leases: bool = False) -> list[tuple[str, int]]:
    """(job, fence) of leases that ran out; of every lease when this process knows that no other one is alive."""
    async with database.read() as session:
        late = sa.true() if all_leases else jobs.c.lease_expires_at < db_time()
        found = await session.execute(sa.select(jobs.c.id, jobs.c.fence).where(jobs.c.lease_owner.is_not(None), late).limit(500))
        return [(row.id, row.fence) for row in found]


async def take_back(database: Database, job_id: str, fence: int, *, even_valid: bool = False) -> Job | None:
    """Settles one lost lease as its owner would have; None when it was renewed or settled meanwhile.

    What a user had asked is done. A running job goes back to the queue from its cursor, or fails when it was lost too often
    without a checkpoint in between. A loss never counts as an attempt.
    """
    async with database.write() as session:
        job = await rows.lock(session, job_id)
        if job is None or job.fence != fence or job.lease_owner is None:
            return None
        still = [jobs.c.id == job_id, jobs.c.fence == fence, jobs.c.lease_owner == job.lease_owner]
        if not even_valid:
            still.append(jobs.c.lease_expires_at < db_time())
        losses = {"losses": jobs.c.losses + 1, "losses_in_row": jobs.c.losses_in_row + 1}
        match job.status:
            case Status.CANCELLING:
                settled = await rows.change(
                    session, *still, event="job.cancelled", status=Status.CANCELLED, finished_at=db_time(), **rows.RELEASED
                )
            case Status.PAUSING:
                settled = await rows.change(
                    session, *still, event="job.paused", status=Status.PAUSED, paused_by="user", attempt=jobs.c.attempt - 1, **rows.RELEASED
                )
            case _ if job.losses_in_row + 1 >= job.max_losses:
                reason = f"its worker died {job.losses_in_row + 1} times without getting any further"
                error = {"error_class": "lost", "error_code": "worker_lost", "error_message": reason}
                settled = await rows.change(
                    session, *still, event="job.failed", level="error", metadata=error, status=Status.FAILED, finished_at=db_time(),
                    **error, **losses, **rows.RELEASED,
                )  # fmt: skip
            case _:
                crashed = sa.case((jobs.c.inflight_key.is_not(None), jobs.c.inflight_crashes + 1), else_=0)
                settled = await rows.change(
                    session, *still, event="job.lost", level="warning", metadata={"owner": job.lease_owner}, status=Status.QUEUED,
                    attempt=jobs.c.attempt - 1, inflight_crashes=crashed, available_at=db_time(), **losses, **rows.RELEASED,
                )  # fmt: skip
        if settled is None:
            return None
        await end_attempt(session, settled, fence, how="lost")
        await edges.after_end(session, settled)
        fp("in_rescue_before_commit")
        await session.commit()
        return settled


async def lift_the_waiting(database: Database, *, older_than_s: float) -> int:
    """Raises the priority of jobs that have waited long, so that a stream of urgent ones cannot starve them for ever."""
    waiting = (jobs.c.status == Status.QUEUED, jobs.c.priority > 0, jobs.c.available_at < db_time(-older_than_s))
    async with database.read() as session:
        if await session.scalar(sa.select(jobs.c.id).where(*waiting).limit(1)) is None:
            return 0
    async with database.write() as session:
        found = await session.execute(sa.update(jobs).where(*waiting).values(priority=jobs.c.priority - 1).returning(jobs.c.id))
        lifted = len(found.all())
        await session.commit()
        return lifted
