"""What the holder of a lease may write: a step, a renewal, the end of its attempt. Each statement names the fence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from semantik.engines.events.base import Event
from semantik.jobs.failpoints import fp
from semantik.jobs.lines import COUNTED, Level, Line, Lines
from semantik.jobs.states import Outcome, Status
from semantik.jobs.store import edges, rows
from semantik.jobs.store.clock import db_time
from semantik.jobs.values import Control, Failure, ItemOutcome, Job, Lease
from semantik.kit.database import AsyncSession, Database, upsert
from semantik.tables.jobs import job_attempts, job_events, job_items, jobs

UNSET: Any = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one checkpoint changes. `cursor` left UNSET keeps the old one; counts are what this step adds."""

    cursor: Any = UNSET
    done: int = 0
    failed: int = 0
    skipped: int = 0
    quarantined: int = 0
    total: int | None = None
    message: str | None = None
    absolute_done: int | None = None
    inflight_key: str | None = None
    rate_per_s: float | None = None
    active_s: float = 0.0
    stored_event: bool = False
    estimate: Mapping[str, Sequence[float]] | None = None

    @property
    def moves(self) -> bool:
        """Whether it brings the job forward; a sign of life alone does not."""
        return self.cursor is not UNSET or bool(self.done or self.failed or self.skipped or self.quarantined or self.absolute_done)


async def step(session: AsyncSession, lease: Lease, change: Step, *, ttl_s: float, spent: Mapping[str, float] | None = None) -> Job | None:
    """The first statement of a checkpoint; None when the lease is lost. Also renews the lease and brings the control."""
    values: dict[str, Any] = {
        "lease_expires_at": db_time(ttl_s),
        "last_progress_at": db_time(),
        "active_seconds": jobs.c.active_seconds + change.active_s,
        "rate_per_s": change.rate_per_s,
    }
    for name in ("done", "failed", "skipped", "quarantined"):
        if added := getattr(change, name):
            values[name] = jobs.c[name] + added
    if change.absolute_done is not None:
        values["done"] = change.absolute_done
    if spent is not None:
        # Absolute: nobody but the holder of the lease writes it.
        values["spent"] = dict(spent)
    if change.estimate is not None:
        values["estimate"] = {meter: list(ends) for meter, ends in change.estimate.items()}
    if change.total is not None:
        values["total"] = change.total
    if change.message is not None:
        values["message"] = change.message[:2000]
    if change.cursor is not UNSET:
        values["cursor"] = change.cursor
    if change.moves:
        values.update(inflight_key=change.inflight_key, inflight_crashes=0, losses_in_row=0, waits=0)
    job = await rows.change(session, *rows.held(lease), event="job.progress" if change.stored_event else None, **values)
    if job is not None and not change.stored_event:
        rows.note(session, Event(job.tenant_id, job.id, None, "job.progress", rows.described(job)))
    return job


async def mark_inflight(database: Database, lease: Lease, key: str, *, ttl_s: float) -> bool:
    """Writes down which item is about to be touched, so that one that kills its process is known. False: lease lost."""
    async with database.write() as session:
        crashes = sa.case((jobs.c.inflight_key == key, jobs.c.inflight_crashes), else_=0)
        job = await rows.change(
            session, *rows.held(lease), event=None, inflight_key=key, inflight_crashes=crashes, lease_expires_at=db_time(ttl_s)
        )
        await session.commit()
    return job is not None


async def record_items(session: AsyncSession, job: Job, outcomes: Sequence[ItemOutcome], lines: Lines) -> Job:
    """Keeps the rows of items that did not simply succeed, with a line each for those that failed."""
    now = await session.scalar(sa.select(db_time()))
    await upsert(
        session,
        job_items,
        [
            {
                "tenant_id": job.tenant_id,
                "job_id": job.id,
                "item_key": one.key,
                "state": one.state,
                "label": one.label,
                "attempts": one.attempts,
                "crashes": one.crashes,
                "error_class": one.error_class,
                "error_code": one.error_code,
                "error_message": one.error_message,
                "retried_in": None,
                "updated_at": now,
            }
            for one in outcomes
        ],
        keys=["job_id", "item_key"],
    )
    bad = [one for one in outcomes if one.state in ("failed", "quarantined")]
    return await rows.add_lines(session, job, lines.fit([_line_of(one) for one in bad]))


def _line_of(one: ItemOutcome) -> Line:
    words = {"key": one.key, "label": one.label, "code": one.error_code, "text": one.error_message}
    return Line(f"item.{one.state}", "warning", {name: value for name, value in words.items() if value is not None})


async def say(session: AsyncSession, lease: Lease, lines: Sequence[Line]) -> Job | None:
    """Appends lines in the name of the holder; None when the lease is lost."""
    job = await rows.change(session, *rows.held(lease), event=None, lease_owner=lease.owner)
    return await rows.add_lines(session, job, lines) if job is not None else None


async def lines_of(session: AsyncSession, lease: Lease) -> Lines:
    """How many lines the job has written so far. The holder of the lease is the only one that adds to them."""
    statement = sa.select(sa.func.count()).where(job_events.c.job_id == lease.job_id, job_events.c.type.in_(COUNTED))
    return Lines(await session.scalar(statement) or 0)


@dataclass(frozen=True, slots=True)
class Held:
    """One job of this process as the database sees it: which fence it carries and what is asked."""

    fence: int
    control: Control | None


async def renew(database: Database, owner: str, job_ids: Sequence[str], *, ttl_s: float) -> dict[str, Held]:
    """Renews the leases of these jobs in one statement; what is missing in the answer is lost."""
    fp("in_heartbeat")
    async with database.write() as session:
        found = await session.execute(
            sa.update(jobs)
            .where(jobs.c.lease_owner == owner, jobs.c.id.in_(list(job_ids)))
            .values(lease_expires_at=db_time(ttl_s))
            .returning(jobs.c.id, jobs.c.fence, jobs.c.control)
        )
        answer = {row.id: _held(row) for row in found}
        await session.commit()
    return answer


async def controls(database: Database, owner: str) -> dict[str, Held]:
    """What is asked of each job this process holds: one read without the write lock."""
    async with database.read() as session:
        found = await session.execute(sa.select(jobs.c.id, jobs.c.fence, jobs.c.control).where(jobs.c.lease_owner == owner))
        return {row.id: _held(row) for row in found}


def _held(row: Any) -> Held:
    return Held(row.fence, Control(row.control) if row.control is not None else None)


Ending = Literal["completed", "failed", "released", "retry", "snoozed", "waiting", "control", "halted"]


async def settle(
    database: Database,
    lease: Lease,
    ending: Ending,
    *,
    result: dict[str, Any] | None = None,
    failure: Failure | None = None,
    delay_s: float = 0.0,
    active_s: float = 0.0,
    reason: str | None = None,
    unwritten: Mapping[str, float] | None = None,
) -> Job | None:
    """Ends the attempt; None when the lease is lost. What a user asked meanwhile wins over going back to the queue.

    completed, failed: the end of the job. released, snoozed: back to the queue with the attempt given back. retry: back to
    the queue after `delay_s`, the attempt spent. waiting: snoozed for want of memory or disk, which is counted. control: the
    handler followed a pause or a cancel. halted: paused by its budget; `reason` tells the user. `unwritten`: what was used
    up since the last checkpoint, which is written whatever the ending.
    """
    fp("before_finish")
    async with database.write() as session:
        now = await rows.lock(session, lease.job_id)
        if now is None or now.fence != lease.fence or now.lease_owner != lease.owner:
            return None
        spent: dict[str, Any] = {"active_seconds": jobs.c.active_seconds + active_s, **rows.RELEASED}
        if unwritten:
            used = now.spent or {}
            spent["spent"] = {**used, **{meter: used.get(meter, 0.0) + amount for meter, amount in unwritten.items()}}
        clean: dict[str, Any] = {"inflight_key": None, "error_class": None, "error_code": None, "error_message": None}
        error = _error(failure)
        held = rows.held(lease)
        if ending == "completed":
            outcome = Outcome.PARTIAL if now.failed_items else Outcome.OK
            job = await rows.change(
                session, *held, event="job.completed", metadata={"outcome": outcome}, status=Status.COMPLETED, outcome=outcome,
                result=result, finished_at=db_time(), **clean, **spent,
            )  # fmt: skip
        elif ending == "failed":
            job = await rows.change(
                session,
                *held,
                event="job.failed",
                level="error",
                metadata=error,
                status=Status.FAILED,
                finished_at=db_time(),
                **error,
                **spent,
            )
        elif now.status is Status.CANCELLING:
            job = await rows.change(session, *held, event="job.cancelled", status=Status.CANCELLED, finished_at=db_time(), **spent)
        elif now.status is Status.PAUSING or ending == "halted":
            why: dict[str, Any] = {"message": reason} if ending == "halted" else {}
            job = await rows.change(
                session,
                *held,
                event="job.paused",
                metadata={"reason": reason} if why else None,
                status=Status.PAUSED,
                paused_by="user" if now.status is Status.PAUSING else "budget",
                attempt=jobs.c.attempt - 1,
                **why,
                **spent,
            )
        else:
            burned = 0 if ending == "retry" else 1
            event = "job.retrying" if ending == "retry" else "job.released"
            waits = {"waits": jobs.c.waits + 1} if ending == "waiting" else {}
            level: Level = "warning" if failure is not None else "info"
            job = await rows.change(
                session, *held, event=event, level=level, metadata={"delay_s": round(delay_s, 1), **error}, status=Status.QUEUED,
                available_at=db_time(delay_s), attempt=jobs.c.attempt - burned, **waits, **error, **spent,
            )  # fmt: skip
        assert job is not None, "the row was locked under this fence"
        await end_attempt(session, job, lease.fence, how=_HOW[ending], error=failure.message if failure is not None else None)
        await edges.after_end(session, job)
        fp("in_finish_before_commit")
        await session.commit()
    fp("after_finish")
    return job


_HOW = {
    "completed": "completed",
    "failed": "error",
    "retry": "error",
    "snoozed": "released",
    "waiting": "released",
    "halted": "control",
    "released": "released",
    "control": "control",
}


def _error(failure: Failure | None) -> dict[str, Any]:
    if failure is None:
        return {}
    return {"error_class": failure.error_class, "error_code": failure.code, "error_message": failure.message[:4000]}


async def end_attempt(session: AsyncSession, job: Job, fence: int, *, how: str, error: str | None = None) -> None:
    await session.execute(
        sa.update(job_attempts)
        .where(job_attempts.c.job_id == job.id, job_attempts.c.fence == fence, job_attempts.c.ended_at.is_(None))
        .values(ended_at=db_time(), how=how, to_cursor=job.cursor, error=error[:4000] if error is not None else None)
    )
