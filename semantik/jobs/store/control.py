"""What a user asks of a job: each verb is one conditional change in the caller's transaction, or 409."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from semantik.jobs.failpoints import fp
from semantik.jobs.states import ENDED, LEASED, Status, Verb, WrongState, why_not, wrong_state
from semantik.jobs.store import edges, rows
from semantik.jobs.store.clock import db_time
from semantik.jobs.store.create import JobUnknown, NewJob, create, link, weigh
from semantik.jobs.store.items import dead_items, hand_over, repeat_items
from semantik.jobs.store.leases import end_attempt
from semantik.jobs.values import Control, Job
from semantik.kit.database import AsyncSession
from semantik.kit.errors import Conflict
from semantik.kit.ids import JobId
from semantik.tables.jobs import job_edges, job_events, job_items, jobs


class TwinAtWork(Conflict):
    code = "twin_job_at_work"
    title = "Another job does the same already"
    default_hint = "Wait for that job, or cancel it."


class NoFailedItems(Conflict):
    code = "no_failed_items"


async def _locked(session: AsyncSession, job_id: str, verb: Verb) -> Job:
    job = await rows.lock(session, job_id)
    if job is None:
        raise JobUnknown(f"there is no job {job_id}")
    if why_not(job, verb) is not None:
        raise wrong_state(job, verb)
    return job


def _asked(control: Control, by: str | None) -> dict[str, Any]:
    return {"control": control, "control_by": by, "control_at": db_time()}


async def _set(session: AsyncSession, job: Job, event: str, *, by: str | None, told: dict[str, Any] | None = None, **values: Any) -> Job:
    metadata = {"by": by, **(told or {})}
    changed = await rows.change(
        session, jobs.c.id == job.id, jobs.c.status == job.status, jobs.c.fence == job.fence, event=event, metadata=metadata, **values
    )
    assert changed is not None, "the row was locked"
    fp("in_control_before_commit")
    return changed


async def pause(session: AsyncSession, job_id: str, *, by: str | None) -> Job:
    job = await _locked(session, job_id, Verb.PAUSE)
    if job.status in LEASED:
        return await _set(session, job, "job.pausing", by=by, status=Status.PAUSING, **_asked(Control.PAUSE, by))
    return await _set(session, job, "job.paused", by=by, status=Status.PAUSED, paused_by="user")


async def resume(session: AsyncSession, job_id: str, *, by: str | None) -> Job:
    job = await _locked(session, job_id, Verb.RESUME)
    if job.pending_deps > 0:
        return await _set(session, job, "job.resumed", by=by, status=Status.BLOCKED)
    return await _set(session, job, "job.resumed", by=by, status=Status.QUEUED, available_at=db_time(), losses_in_row=0)


async def cancel(session: AsyncSession, job_id: str, *, by: str | None, force: bool = False) -> Job:
    """Forced, a leased job is cancelled in this very transaction: its owner can write nothing more."""
    job = await rows.lock(session, job_id)
    if job is None:
        raise JobUnknown(f"there is no job {job_id}")
    if force and job.status in LEASED:
        cancelled = await _set(
            session, job, "job.cancelled", by=by, status=Status.CANCELLED, finished_at=db_time(), fence=jobs.c.fence + 1, **rows.RELEASED
        )
        await end_attempt(session, cancelled, job.fence, how="control", error="cancelled by force")
        await edges.after_end(session, cancelled)
        return cancelled
    if why_not(job, Verb.CANCEL) is not None:
        raise wrong_state(job, Verb.CANCEL)
    if job.status in LEASED:
        return await _set(session, job, "job.cancelling", by=by, status=Status.CANCELLING, **_asked(Control.CANCEL, by))
    cancelled = await _set(session, job, "job.cancelled", by=by, status=Status.CANCELLED, finished_at=db_time())
    await edges.after_end(session, cancelled)
    return cancelled


async def cancel_for_collection(session: AsyncSession, *, tenant_id: str, collection_id: str, by: str | None) -> None:
    """Cancels what is still to be done for a collection; what runs ends at its next item."""
    unfinished = rows.of_collection(tenant_id, collection_id), jobs.c.finished_at.is_(None)
    for job_id in list(await session.scalars(sa.select(jobs.c.id).where(*unfinished).order_by(jobs.c.id))):
        with contextlib.suppress(WrongState):
            await cancel(session, job_id, by=by)


# A fresh budget of attempts and losses; the history stays in attempts and events.
_FRESH: dict[str, Any] = {
    "finished_at": None,
    "attempt": 0,
    "losses_in_row": 0,
    "error_class": None,
    "error_code": None,
    "error_message": None,
    "outcome": None,
    "result": None,
    "inflight_key": None,
    "inflight_crashes": 0,
    "waits": 0,
}
_FROM_ZERO: dict[str, Any] = {
    "cursor": None,
    "done": 0,
    "failed": 0,
    "skipped": 0,
    "quarantined": 0,
    "total": None,
    "message": None,
    "active_seconds": 0.0,
    "spent": None,
    "estimate": None,
    "started_at": None,
}


async def retry(session: AsyncSession, job_id: str, *, by: str | None) -> Job:
    """Another try from the cursor."""
    job = await _locked(session, job_id, Verb.RETRY)
    return await _again(session, job, "job.retried", by=by)


async def restart(session: AsyncSession, job_id: str, *, by: str | None) -> Job:
    """From zero. A job that ended well is history: its restart is a new job that names it as its parent."""
    job = await _locked(session, job_id, Verb.RESTART)
    if job.status in (Status.COMPLETED, Status.SKIPPED):
        copy = await _copy(session, job, by=by)
        if not job.only_items:
            return copy
        return await _only(session, copy, await repeat_items(session, tenant_id=job.tenant_id, from_job=job.id, to_job=copy.id))
    mine = job_items.c.job_id == job.id
    if job.only_items:
        # Its items are what it was asked to do: they wait again, instead of being forgotten.
        fresh = {"state": "pending", "attempts": 0, "crashes": 0, "error_class": None, "error_code": None, "error_message": None}
        total = await session.scalar(sa.select(sa.func.count()).select_from(job_items).where(mine))
        await session.execute(sa.update(job_items).where(mine).values(**fresh, retried_in=None, updated_at=db_time()))
        return await _again(session, job, "job.restarted", by=by, **{**_FROM_ZERO, "total": total})
    await session.execute(sa.delete(job_items).where(mine))
    return await _again(session, job, "job.restarted", by=by, **_FROM_ZERO)


async def retry_failed(session: AsyncSession, job_id: str, *, by: str | None, keys: Sequence[str] | None = None) -> Job:
    """A new job of the same kind for the failed and quarantined items that no other job took over; for these `keys` only.

    Raises `NoFailedItems`, with nothing written, when there is none.
    """
    job = await _locked(session, job_id, Verb.RETRY_FAILED)
    found = await dead_items(session, job.id, keys)
    if not found:
        raise NoFailedItems(
            f"job {job.id} keeps no failed items that could be retried" if keys is None else "none of these items waits to be retried",
            hint="Those it had were taken over by other jobs, or stand with their documents.",
        )
    copy = await _copy(session, job, by=by, dedup=False)
    await hand_over(session, tenant_id=job.tenant_id, from_job=job.id, to_job=copy.id, items=found)
    return await _only(session, copy, len(found))


async def _only(session: AsyncSession, copy: Job, total: int) -> Job:
    changed = await rows.change(session, jobs.c.id == copy.id, event=None, total=total, only_items=True)
    assert changed is not None
    return changed


async def _again(session: AsyncSession, job: Job, event: str, *, by: str | None, **values: Any) -> Job:
    if job.dedup_key is not None:
        twin = await session.scalar(
            sa.select(jobs.c.id).where(
                jobs.c.tenant_id == job.tenant_id, jobs.c.kind == job.kind, jobs.c.dedup_key == job.dedup_key, jobs.c.finished_at.is_(None)
            )
        )
        if twin is not None:
            raise TwinAtWork(
                f"job {twin} does the same as job {job.id} and has not ended", hint=f"Wait for job {twin}, or cancel it.", job_id=twin
            )
    waits = await weigh(session, job.tenant_id, await _still_needed(session, job), concurrency_key=job.concurrency_key, job_id=job.id)
    fresh = {**_FRESH, **values, "pending_deps": waits.pending}
    changed = await _set(session, job, event, by=by, status=waits.status, available_at=db_time(), **fresh)
    await link(session, job.tenant_id, job.id, waits)
    return changed


async def _still_needed(session: AsyncSession, job: Job) -> list[tuple[str, str]]:
    """What a job that was cancelled while it waited still has to wait for; its old place in a chain is given up."""
    edge = (job_edges.c.child_id == job.id, job_edges.c.resolved_at.is_(None))
    chained = sa.select(jobs.c.id).where(jobs.c.concurrency_key == job.concurrency_key)
    await session.execute(sa.delete(job_edges).where(*edge, job_edges.c.on_end == "finished", job_edges.c.parent_id.in_(chained)))
    found = await session.execute(sa.select(job_edges.c.parent_id, job_edges.c.on_end).where(*edge).order_by(job_edges.c.parent_id))
    return [(row.parent_id, row.on_end) for row in found]


async def _copy(session: AsyncSession, job: Job, *, by: str | None, dedup: bool = True) -> Job:
    made = await create(
        session,
        NewJob(
            tenant_id=job.tenant_id,
            created_by=by,
            kind=job.kind,
            title=job.title,
            queue=job.queue,
            params=job.params,
            params_version=job.params_version,
            max_attempts=job.max_attempts,
            priority=job.priority,
            budget=job.budget,
            collection_id=job.collection_id,
            source_id=job.source_id,
            dedup_key=job.dedup_key if dedup else None,
            concurrency_key=job.concurrency_key.removeprefix(f"{job.tenant_id}:") if job.concurrency_key is not None else None,
            parent_id=job.id,
            workflow_id=job.workflow_id,
            correlation_id=job.correlation_id,
        ),
    )
    if not made.created:
        raise TwinAtWork(f"job {made.id} does the same as job {job.id} and has not ended", job_id=made.id)
    copy = await rows.fetch(session, made.id)
    assert copy is not None
    return copy


async def set_priority(session: AsyncSession, job_id: str, priority: int, *, by: str | None) -> Job:
    job = await _locked(session, job_id, Verb.PRIORITY)
    return await _set(session, job, "job.priority", by=by, told={"priority": priority}, priority=priority)


async def set_budget(session: AsyncSession, job_id: str, budget: Mapping[str, float], *, by: str | None) -> Job:
    """Replaces the budget of a job that has not ended; a running one keeps to it from its next checkpoint on."""
    job = await _locked(session, job_id, Verb.BUDGET)
    return await _set(session, job, "job.budget", by=by, budget=dict(budget) or None)


async def delete(session: AsyncSession, job_id: str) -> None:
    """A job that ended, with its items, attempts, edges and events."""
    job = await _locked(session, job_id, Verb.DELETE)
    await delete_rows(session, [job.id])


async def delete_rows(session: AsyncSession, job_ids: list[JobId]) -> None:
    for table, column in ((job_events, "job_id"), (job_items, "job_id"), (job_edges, "parent_id"), (job_edges, "child_id")):
        await session.execute(sa.delete(table).where(table.c[column].in_(job_ids)))
    await session.execute(sa.delete(jobs).where(jobs.c.id.in_(job_ids), jobs.c.status.in_(list(ENDED))))
