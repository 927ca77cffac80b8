"""The best ready row of a queue becomes an attempt of this worker: lease, fence and turn in one short transaction.

Best means: the most urgent priority first; within it the tenant with the fewest jobs running for its weight, and among
equals the one served longest ago; within the tenant the oldest. So 300 jobs of one tenant delay the ten of another by at
most one job each. Tenants are found by a loose index scan (one seek each), never by reading all that is ready.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from semantik.jobs.failpoints import fp
from semantik.jobs.states import Status
from semantik.jobs.store import rows
from semantik.jobs.store.clock import db_time
from semantik.jobs.values import Job
from semantik.kit import logs
from semantik.kit.database import AsyncSession, Database, upsert
from semantik.tables.jobs import job_attempts, jobs, queues, tenant_limits, tenant_turns

log = logs.get(__name__)


async def ready_queues(database: Database, among: Sequence[str], kinds: Sequence[str]) -> list[str]:
    """The queues of `among` that hold a row to claim: a cheap look without the write lock."""
    looks = [sa.select(sa.literal(queue).label("queue")).where(sa.exists().where(*_ready(queue, kinds))) for queue in among]
    if not looks or not kinds:
        return []
    async with database.read() as session:
        return [row.queue for row in await session.execute(sa.union_all(*looks))]


def _ready(queue: Any, kinds: Sequence[str]) -> list[sa.ColumnElement[bool]]:
    return [
        jobs.c.status == sa.literal_column("'queued'"),
        jobs.c.queue == queue,
        jobs.c.available_at <= db_time(),
        jobs.c.kind.in_(list(kinds)),
    ]


async def waiting(database: Database, among: Sequence[str], kinds: Sequence[str]) -> dict[str, int]:
    """The tenants that wait at the best priority of each queue, with that priority."""
    found: dict[str, int] = {}
    async with database.read() as session:
        for queue in among:
            ready = _ready(queue, kinds)
            priority = await session.scalar(sa.select(sa.func.min(jobs.c.priority)).where(*ready))
            if priority is not None:
                for tenant_id in await _tenants(session, [*ready, jobs.c.priority == priority]):
                    found[tenant_id] = min(priority, found.get(tenant_id, 9))
    return found


async def ready_counts(database: Database, among: Sequence[str], kinds: Sequence[str], *, at_most: int) -> dict[str, int]:
    """How many rows each queue holds to claim, counted up to `at_most`; queues without any are left out."""
    looks = [
        sa.select(sa.literal(queue).label("queue"), sa.func.count().label("count")).select_from(
            sa.select(jobs.c.id).where(*_ready(queue, kinds)).limit(at_most).subquery()
        )
        for queue in among
    ]
    if not looks or not kinds:
        return {}
    async with database.read() as session:
        return {row.queue: row[1] for row in await session.execute(sa.union_all(*looks)) if row[1]}


async def claim(database: Database, queue: str, *, owner: str, ttl_s: float, kinds: Sequence[str]) -> Job | None:
    """The claimed job with its new lease, or None when nothing of this queue may run now."""
    async with database.write() as session:
        limit = await _limit(session, queue)
        if limit is not None and limit.paused_at is not None:
            return None
        tenants = {row.tenant_id: row for row in await _tenant_limits(session, queue)}
        if tenants or (limit is not None and limit.max_running is not None):
            # Counting and taking must be one step, or eight claimers overshoot a limit of three.
            await rows.advisory_lock(session, f"claim:{queue}")
        running = await _running(session, queue)
        if limit is not None and limit.max_running is not None and sum(running.values()) >= limit.max_running:
            return None
        try:
            job = await _best(session, queue, running, tenants, owner=owner, ttl_s=ttl_s, kinds=kinds)
            if job is None:
                return None
            await session.execute(
                sa.insert(job_attempts).values(
                    tenant_id=job.tenant_id, job_id=job.id, fence=job.fence, owner=owner, started_at=db_time(), from_cursor=job.cursor
                )
            )
            fp("in_claim_before_commit")
            await session.commit()
        except IntegrityError:
            # The backstop of the concurrency key: a job with the same key runs. Its end frees the chain.
            await session.rollback()
            log.warning("claim met a held concurrency key", queue=queue)
            return None
    fp("after_claim")
    return job


async def _best(
    session: AsyncSession, queue: str, running: dict[str, int], limits: dict[str, Any], *, owner: str, ttl_s: float, kinds: Sequence[str]
) -> Job | None:
    ready = _ready(queue, kinds)
    priority = -1
    while True:
        priority = await session.scalar(sa.select(sa.func.min(jobs.c.priority)).where(*ready, jobs.c.priority > priority))
        if priority is None:
            return None
        tenants = await _tenants(session, [*ready, jobs.c.priority == priority])
        for tenant_id in await _in_turn(session, queue, tenants, running, limits):
            job = await _take(session, [*ready, jobs.c.priority == priority, jobs.c.tenant_id == tenant_id], owner=owner, ttl_s=ttl_s)
            if job is not None:
                turn = {"tenant_id": tenant_id, "queue": queue, "served_at": job.last_progress_at}
                await upsert(session, tenant_turns, [turn], keys=["tenant_id", "queue"])
                return job


async def _tenants(session: AsyncSession, ready: list[sa.ColumnElement[bool]]) -> list[str]:
    """Tenants with a ready row, by one index seek each."""
    first = sa.select(sa.func.min(jobs.c.tenant_id).label("tenant_id")).where(*ready).cte("tenants", recursive=True)
    following = (
        sa.select(sa.func.min(jobs.c.tenant_id)).where(*ready, jobs.c.tenant_id > first.c.tenant_id).correlate(first).scalar_subquery()
    )
    tenants = first.union_all(sa.select(following).where(first.c.tenant_id.is_not(None)))
    return list(await session.scalars(sa.select(tenants.c.tenant_id).where(tenants.c.tenant_id.is_not(None))))


async def _in_turn(session: AsyncSession, queue: str, tenants: list[str], running: dict[str, int], limits: dict[str, Any]) -> list[str]:
    allowed = [
        tenant
        for tenant in tenants
        if tenant not in limits or limits[tenant].max_running is None or running.get(tenant, 0) < limits[tenant].max_running
    ]
    if len(allowed) < 2:
        return allowed
    found = await session.execute(
        sa.select(tenant_turns.c.tenant_id, tenant_turns.c.served_at).where(
            tenant_turns.c.queue == queue, tenant_turns.c.tenant_id.in_(allowed)
        )
    )
    served: dict[str, datetime] = {row.tenant_id: row.served_at for row in found}

    def turn(tenant: str) -> tuple[float, bool, float, str]:
        weight = limits[tenant].weight if tenant in limits else 1.0
        at = served.get(tenant)
        return running.get(tenant, 0) / weight, at is not None, at.timestamp() if at is not None else 0.0, tenant

    return sorted(allowed, key=turn)


async def _take(session: AsyncSession, ready: list[sa.ColumnElement[bool]], *, owner: str, ttl_s: float) -> Job | None:
    pick = sa.select(jobs.c.id).where(*ready).order_by(jobs.c.available_at, jobs.c.id).limit(1)
    if session.get_bind().dialect.name != "sqlite":
        pick = pick.with_for_update(skip_locked=True)
    return await rows.change(
        session,
        jobs.c.id == pick.scalar_subquery(),
        jobs.c.status == Status.QUEUED,
        event="job.started",
        metadata={"owner": owner},
        status=Status.RUNNING,
        control=None,
        lease_owner=owner,
        lease_expires_at=db_time(ttl_s),
        last_progress_at=db_time(),
        started_at=sa.func.coalesce(jobs.c.started_at, db_time()),
        fence=jobs.c.fence + 1,
        attempt=jobs.c.attempt + 1,
        rate_per_s=None,
    )


async def _limit(session: AsyncSession, queue: str) -> Any:
    return (await session.execute(sa.select(queues).where(queues.c.queue == queue))).first()


async def _tenant_limits(session: AsyncSession, queue: str) -> Sequence[Any]:
    return (await session.execute(sa.select(tenant_limits).where(tenant_limits.c.queue == queue))).all()


async def _running(session: AsyncSession, queue: str) -> dict[str, int]:
    found = await session.execute(
        sa.select(jobs.c.tenant_id, sa.func.count())
        .where(jobs.c.lease_owner.is_not(None), jobs.c.queue == queue)
        .group_by(jobs.c.tenant_id)
    )
    return {row[0]: row[1] for row in found}
