"""The one way to change a job row and tell of it: a conditional UPDATE and an event, in one transaction.

Events and wake-ups noted on a session leave the process only after its commit; a rollback forgets them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from semantik.engines.events.base import Event
from semantik.jobs import eta
from semantik.jobs.failpoints import fp
from semantik.jobs.lines import Level, Line
from semantik.jobs.states import Status
from semantik.jobs.store.clock import db_time
from semantik.jobs.values import JOB_FIELDS, Job, Lease, job_of
from semantik.kit.database import AsyncSession
from semantik.kit.errors import Unavailable
from semantik.tables.jobs import job_events, jobs
from semantik.tables.sources import sources

# What a statement may raise when the database is away, busy or full.
DATABASE_ERRORS = (DBAPIError, Unavailable)

_EVENTS = "job_events"
_RINGS = "job_rings"
# The key under which `jobs/outbox.py` puts itself into `Database.info`.
OUTBOX = "job_outbox"

JOB_COLUMNS = [jobs.c[name] for name in JOB_FIELDS]
# Built once: it is part of nearly every transaction of the engine.
_APPEND = sa.insert(job_events).values(created_at=db_time())


class Outlet(Protocol):
    """Takes what a committed transaction wants to tell; never raises and never waits."""

    def deliver(self, events: list[Event], rings: set[str]) -> None: ...


async def fetch(session: AsyncSession, job_id: str) -> Job | None:
    row = (await session.execute(sa.select(*JOB_COLUMNS).where(jobs.c.id == job_id))).mappings().first()
    return job_of(row) if row is not None else None


async def change(
    session: AsyncSession,
    *conditions: sa.ColumnElement[bool],
    event: str | None,
    level: Level = "info",
    metadata: dict[str, Any] | None = None,
    **values: Any,
) -> Job | None:
    """Updates the one row that meets the conditions and appends the event; None when no row met them."""
    if event is not None:
        values["event_seq"] = jobs.c.event_seq + 1
    status = values.get("status")
    if isinstance(status, Status):
        assert ("paused_by" in values) == (status is Status.PAUSED), "who pauses says so"
        values.setdefault("paused_by", None)
    row = (await session.execute(sa.update(jobs).where(*conditions).values(**values).returning(*JOB_COLUMNS))).mappings().first()
    if row is None:
        return None
    job = job_of(row)
    if event is not None:
        await append(session, job, event, level=level, metadata=metadata)
    if job.status is Status.QUEUED:
        ring(session, job.queue)
    return job


def held(lease: Lease) -> list[sa.ColumnElement[bool]]:
    """The conditions under which the holder of a lease may write."""
    return [
        jobs.c.id == lease.job_id,
        jobs.c.fence == lease.fence,
        jobs.c.lease_owner == lease.owner,
        jobs.c.status.in_([Status.RUNNING, Status.PAUSING, Status.CANCELLING]),
    ]


# No longer leased, whatever comes next.
RELEASED: dict[str, Any] = {"lease_owner": None, "lease_expires_at": None, "control": None, "control_by": None, "control_at": None}


async def add_lines(session: AsyncSession, job: Job, lines: Sequence[Line]) -> Job:
    """Appends lines to the history of a job whose row this transaction has locked; returns the job with its newest number."""
    if not lines:
        return job
    statement = sa.update(jobs).where(jobs.c.id == job.id).values(event_seq=jobs.c.event_seq + len(lines)).returning(*JOB_COLUMNS)
    told = job_of((await session.execute(statement)).mappings().one())
    first = told.event_seq - len(lines) + 1
    await _store(session, [(replace(told, event_seq=number), line) for number, line in enumerate(lines, first)])
    return told


async def append(session: AsyncSession, job: Job, type_: str, *, level: Level = "info", metadata: dict[str, Any] | None = None) -> None:
    """Stores the event with the sequence number that the row was just given, and notes it for the bus."""
    await _store(session, [(job, Line(type_, level, metadata or {}))])


async def _store(session: AsyncSession, told: Sequence[tuple[Job, Line]]) -> None:
    """`told`: what happened, each with its job under the number that the event gets."""
    events = [Event(job.tenant_id, job.id, job.event_seq, line.type, described(job, line.metadata)) for job, line in told]
    rows = [
        {"tenant_id": one.tenant_id, "job_id": one.job_id, "seq": one.seq, "type": one.type, "level": line.level, "payload": one.payload}
        for one, (_, line) in zip(events, told, strict=True)
    ]
    await session.execute(_APPEND, rows)
    for event in events:
        note(session, event)


def described(job: Job, metadata: dict[str, Any] | None = None) -> dict[str, Any]:
    """What an event tells of its job: enough to draw a line of the list without asking again."""
    remaining = None
    if job.status is Status.RUNNING:
        remaining = eta.remaining_s(total=job.total, processed=job.processed, rate_per_s=job.rate_per_s)
    return {
        "status": str(job.status),
        "progress": job.progress,
        "counts": job.counts,
        "eta_s": remaining,
        "message": job.message,
        "collection_id": job.collection_id,
        "metadata": {"kind": job.kind, "title": job.title, **(metadata or {})},
    }


def note(session: AsyncSession, event: Event) -> None:
    session.sync_session.info.setdefault(_EVENTS, []).append(event)


def ring(session: AsyncSession, queue: str) -> None:
    """Wakes a worker of the queue after the commit."""
    session.sync_session.info.setdefault(_RINGS, set()).add(queue)


@sa.event.listens_for(Session, "after_commit")
def _tell(session: Session) -> None:
    events: list[Event] = session.info.pop(_EVENTS, [])
    rings: set[str] = session.info.pop(_RINGS, set())
    outlet: Outlet | None = session.info.get(OUTBOX)
    if not events and not rings:
        return
    fp("after_commit_before_ring")
    if outlet is not None:
        outlet.deliver(events, rings)


@sa.event.listens_for(Session, "after_rollback")
def _forget(session: Session) -> None:
    session.info.pop(_EVENTS, None)
    session.info.pop(_RINGS, None)


def of_collection(tenant_id: str, collection_id: str) -> sa.ColumnElement[bool]:
    """Jobs that are about the collection or one of its sources."""
    inside = sa.select(sources.c.id).where(sources.c.collection_id == collection_id)
    return sa.and_(jobs.c.tenant_id == tenant_id, sa.or_(jobs.c.collection_id == collection_id, jobs.c.source_id.in_(inside)))


async def lock(session: AsyncSession, job_id: str) -> Job | None:
    """The row, kept from changing until this transaction ends (SQLite's write transaction is that lock already)."""
    statement = sa.select(*JOB_COLUMNS).where(jobs.c.id == job_id)
    if session.get_bind().dialect.name != "sqlite":
        statement = statement.with_for_update()
    row = (await session.execute(statement)).mappings().first()
    return job_of(row) if row is not None else None


async def advisory_lock(session: AsyncSession, name: str) -> None:
    """One transaction at a time for this name. On SQLite there is one writer anyway."""
    if session.get_bind().dialect.name != "sqlite":
        await session.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(name, 0))))
