"""Enqueue: the job row in the caller's transaction, once, behind what it has to wait for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from semantik.jobs.failpoints import fp
from semantik.jobs.states import ENDED, Status
from semantik.jobs.store import rows
from semantik.jobs.store.clock import db_time
from semantik.jobs.values import Enqueued, job_of
from semantik.kit.database import AsyncSession, insert_into, upsert
from semantik.kit.errors import NotFound
from semantik.kit.ids import JobId, new_id
from semantik.tables.jobs import job_edges, jobs


class JobUnknown(NotFound):
    code = "job_unknown"
    title = "No such job"
    default_hint = "It may have been cleaned up. The list of jobs shows those there are."


@dataclass(frozen=True, slots=True)
class NewJob:
    """What `queue.enqueue` asks for, ready to be written."""

    tenant_id: str
    created_by: str | None
    kind: str
    title: str
    queue: str
    params: dict[str, Any]
    params_version: int
    max_attempts: int
    priority: int = 5
    collection_id: str | None = None
    source_id: str | None = None
    dedup_key: str | None = None
    concurrency_key: str | None = None
    available_at: datetime | None = None
    total: int | None = None
    parent_id: str | None = None
    workflow_id: str | None = None
    correlation_id: str | None = None
    depends_on: Sequence[str] = ()
    dep_policy: str = "all_success"
    job_id: str | None = None
    budget: dict[str, float] | None = None
    estimate: dict[str, list[float]] | None = None


async def create(session: AsyncSession, new: NewJob) -> Enqueued:
    """Writes the job, or finds the one that stands for it already."""
    job_id = JobId(new.job_id or new_id())
    waits = await _waits(session, new, job_id)
    # An unfinished job with the dedup key may end between our insert that met it and our look at it: then we try again.
    while not await _insert(session, new, job_id, waits):
        twin = await session.scalar(
            sa.select(jobs.c.id).where(
                jobs.c.tenant_id == new.tenant_id,
                jobs.c.kind == new.kind,
                jobs.c.dedup_key == new.dedup_key,
                jobs.c.finished_at.is_(None),
            )
        )
        if twin is not None:
            return Enqueued(JobId(twin), created=False)
        if await session.scalar(sa.select(jobs.c.id).where(jobs.c.id == job_id)) is not None:
            # The caller chose the id, and this very job was made before (a fan-out that is repeated after a crash).
            return Enqueued(job_id, created=False)
    await link(session, new.tenant_id, job_id, waits)
    fp("after_insert_before_commit")
    return Enqueued(job_id, created=True)


async def _insert(session: AsyncSession, new: NewJob, job_id: str, waits: Waits) -> bool:
    row = (
        (
            await session.execute(
                insert_into(session, jobs)
                .values(
                    id=job_id,
                    tenant_id=new.tenant_id,
                    collection_id=new.collection_id,
                    source_id=new.source_id,
                    created_by=new.created_by,
                    kind=new.kind,
                    title=new.title[:300],
                    queue=new.queue,
                    priority=new.priority,
                    status=waits.status,
                    pending_deps=waits.pending,
                    params=new.params,
                    params_version=new.params_version,
                    dedup_key=new.dedup_key,
                    concurrency_key=_conc(new.tenant_id, new.concurrency_key),
                    available_at=new.available_at if new.available_at is not None else db_time(),
                    created_at=db_time(),
                    max_attempts=new.max_attempts,
                    total=new.total,
                    parent_id=new.parent_id,
                    workflow_id=new.workflow_id,
                    correlation_id=new.correlation_id,
                    dep_policy=new.dep_policy,
                    budget=new.budget,
                    estimate=new.estimate,
                    event_seq=1,
                )
                .on_conflict_do_nothing()
                .returning(*rows.JOB_COLUMNS)
            )
        )
        .mappings()
        .first()
    )
    if row is None:
        return False
    await rows.append(session, job_of(row), "job.created")
    if waits.status is Status.QUEUED:
        rows.ring(session, new.queue)
    return True


def _conc(tenant_id: str, key: str | None) -> str | None:
    return None if key is None else f"{tenant_id}:{key}"[:200]


@dataclass(frozen=True, slots=True)
class Waits:
    """What a job has to wait for: (parent, success | finished, whether it has ended already)."""

    edges: tuple[tuple[str, str, bool], ...] = ()
    doomed: bool = False

    @property
    def pending(self) -> int:
        return sum(not ended for _, _, ended in self.edges)

    @property
    def status(self) -> Status:
        return Status.BLOCKED if self.pending or self.doomed else Status.QUEUED


async def _waits(session: AsyncSession, new: NewJob, job_id: str) -> Waits:
    on_end = "success" if new.dep_policy == "all_success" else "finished"
    wanted = [(parent, on_end) for parent in dict.fromkeys(new.depends_on)]
    return await weigh(session, new.tenant_id, wanted, concurrency_key=_conc(new.tenant_id, new.concurrency_key), job_id=job_id)


async def weigh(
    session: AsyncSession, tenant_id: str, wanted: Sequence[tuple[str, str]], *, concurrency_key: str | None, job_id: str
) -> Waits:
    """Looks at what is waited for, and at the last unfinished job of the concurrency key; keeps all of it from ending meanwhile."""
    wanted = list(wanted)
    if concurrency_key is not None:
        last = await last_in_chain(session, concurrency_key, excluding=job_id)
        if last is not None and last not in [parent for parent, _ in wanted]:
            wanted.append((last, "finished"))
    edges, doomed = [], False
    for parent_id, on_end in wanted:
        parent = await rows.lock(session, parent_id)
        if parent is None or parent.tenant_id != tenant_id:
            raise JobUnknown(f"there is no job {parent_id} to wait for")
        ended = parent.status in ENDED
        doomed = doomed or (ended and on_end == "success" and parent.status is not Status.COMPLETED)
        edges.append((parent_id, on_end, ended))
    return Waits(tuple(edges), doomed)


async def link(session: AsyncSession, tenant_id: str, job_id: str, waits: Waits) -> None:
    """Writes the edges; a job that waits for one that failed already is skipped at once."""
    edges = [
        {"tenant_id": tenant_id, "parent_id": parent_id, "child_id": job_id, "on_end": on_end, "resolved_at": None}
        for parent_id, on_end, _ in waits.edges
    ]
    await upsert(session, job_edges, edges, keys=["parent_id", "child_id"])
    if over := [parent_id for parent_id, _, ended in waits.edges if ended]:
        await session.execute(
            sa.update(job_edges).where(job_edges.c.child_id == job_id, job_edges.c.parent_id.in_(over)).values(resolved_at=db_time())
        )
    if waits.doomed:
        await rows.change(session, jobs.c.id == job_id, event="job.skipped", status=Status.SKIPPED, finished_at=db_time())


async def last_in_chain(session: AsyncSession, concurrency_key: str, *, excluding: str) -> str | None:
    """The unfinished job with this key that a new one has to follow: the one nobody follows yet."""
    await rows.advisory_lock(session, f"chain:{concurrency_key}")
    follower = (
        sa.select(job_edges.c.child_id)
        .join(jobs, jobs.c.id == job_edges.c.child_id)
        .where(job_edges.c.resolved_at.is_(None), jobs.c.concurrency_key == concurrency_key, jobs.c.finished_at.is_(None))
        .where(jobs.c.id != excluding)
    )
    followed = sa.select(job_edges.c.parent_id).where(job_edges.c.child_id.in_(follower), job_edges.c.resolved_at.is_(None))
    last: str | None = await session.scalar(
        sa.select(jobs.c.id)
        .where(jobs.c.concurrency_key == concurrency_key, jobs.c.finished_at.is_(None), jobs.c.id != excluding, jobs.c.id.not_in(followed))
        .order_by(jobs.c.created_at.desc(), jobs.c.id.desc())
        .limit(1)
    )
    return last


async def open_to_twins(session: AsyncSession, job_id: str) -> None:
    """Gives up the job's dedup key: what is asked from now on is a job of its own, since this one has looked already."""
    await session.execute(sa.update(jobs).where(jobs.c.id == job_id).values(dedup_key=None))
