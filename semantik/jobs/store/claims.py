"""The best ready row of a queue becomes an attempt of this worker: lease, fence and turn in one short transaction.

Best means: the most urgent priority first; within it the tenant with the fewest jobs running, and among equals the one
served longest ago; within the tenant the oldest. So 300 jobs of one tenant delay the ten of another by at most one job
each. Tenants are found by a loose index scan (one seek each), never by reading all that is ready.

Limits hold for a whole queue or for one kind in it, over all tenants or for each. What decides is read in one statement:
each of them costs a worker of SQLite four trips to the driver's thread, which is more than the reading itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from semantik.jobs.failpoints import fp
from semantik.jobs.states import Status
from semantik.jobs.store import rows
from semantik.jobs.store.clock import db_time
from semantik.jobs.values import Job, job_of
from semantik.kit import logs
from semantik.kit.database import AsyncSession, Database, upsert
from semantik.tables.base import Timestamp
from semantik.tables.jobs import job_attempts, jobs, kind_limits, queues, tenant_turns

log = logs.get(__name__)


async def ready_queues(database: Database, among: Sequence[str], kinds: Sequence[str]) -> list[str]:
    """The queues of `among` that hold a row to claim: a cheap look without the write lock."""
    if not among or not kinds:
        return []
    async with database.read() as session:
        return [row.queue for row in await session.execute(_any_ready(tuple(among), tuple(kinds)))]


@lru_cache(16)
def _any_ready(among: tuple[str, ...], kinds: tuple[str, ...]) -> sa.CompoundSelect[Any]:
    # Built once: every slot looks several times a second, and to build the statement takes longer than to run it.
    return sa.union_all(*(sa.select(sa.literal(queue).label("queue")).where(sa.exists().where(*_ready(queue, kinds))) for queue in among))


def _ready(queue: Any, kinds: Any) -> list[sa.ColumnElement[bool]]:
    return [
        jobs.c.status == sa.literal_column("'queued'"),
        jobs.c.queue == queue,
        jobs.c.available_at <= db_time(),
        jobs.c.kind.in_(kinds),
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
        try:
            job = await _best(session, queue, owner=owner, ttl_s=ttl_s, kinds=kinds)
            if job is None:
                return None
            turn = {"tenant_id": job.tenant_id, "queue": queue, "served_at": job.last_progress_at}
            await upsert(session, tenant_turns, [turn], keys=["tenant_id", "queue"])
            begun = {"tenant_id": job.tenant_id, "job_id": job.id, "fence": job.fence, "owner": owner, "from_cursor": job.cursor}
            await session.execute(_BEGIN_ATTEMPT, begun)
            fp("in_claim_before_commit")
            await session.commit()
        except IntegrityError:
            # The backstop of the concurrency key: a job with the same key runs. Its end frees the chain.
            await session.rollback()
            log.warning("claim met a held concurrency key", queue=queue)
            return None
    fp("after_claim")
    return job


async def _best(session: AsyncSession, queue: str, *, owner: str, ttl_s: float, kinds: Sequence[str]) -> Job | None:
    seen = await _look(session, queue, kinds)
    if seen.paused:
        return None
    if seen.limits and session.get_bind().dialect.name != "sqlite":
        # Counting and taking must be one step, or eight claimers overshoot a limit of three.
        await rows.advisory_lock(session, f"claim:{queue}")
        seen = await _look(session, queue, kinds)
    free = seen.open_kinds(kinds)
    if free and len(free) < len(kinds):
        seen = await _look(session, queue, free)
    while free and seen.priority is not None:
        for tenant_id in seen.in_turn():
            allowed = seen.open_kinds(free, tenant_id)
            wanted = {"of_queue": queue, "of_kinds": allowed, "of_priority": seen.priority, "of_tenant": tenant_id}
            found = (await session.execute(_TAKE, {**wanted, "owner": owner, "ttl_s": ttl_s})).mappings().first() if allowed else None
            if found is not None:
                job = job_of(found)
                await rows.append(session, job, "job.started", metadata={"owner": owner})
                return job
        seen = await _look(session, queue, free, above=seen.priority)
    return None


@dataclass(frozen=True, slots=True)
class _Seen:
    """A queue at one moment. `limits`: (most, most of one tenant) by kind, and under None of the queue as a whole."""

    paused: bool
    limits: dict[str | None, tuple[int | None, int | None]]
    # By (tenant, kind); what runs is never so much that adding it up would matter.
    running: Counter[tuple[str, str]]
    # The most urgent priority with a ready row, and when each tenant that waits in it was served last.
    priority: int | None
    served: dict[str, datetime | None]

    def open_kinds(self, kinds: Sequence[str], tenant_id: str | None = None) -> list[str]:
        """Of these kinds those that may start one more, for anybody or for this tenant."""
        if not self.limits:
            return list(kinds)
        return [] if self._full(None, tenant_id) else [kind for kind in kinds if not self._full(kind, tenant_id)]

    def _full(self, kind: str | None, tenant_id: str | None) -> bool:
        limit = self.limits.get(kind, (None, None))[0 if tenant_id is None else 1]
        return limit is not None and limit <= sum(
            count for (whose, what), count in self.running.items() if kind in (None, what) and tenant_id in (None, whose)
        )

    def in_turn(self) -> list[str]:
        busy = Counter[str]()
        for (tenant_id, _), count in self.running.items():
            busy[tenant_id] += count

        def turn(tenant_id: str) -> tuple[int, float, str]:
            at = self.served[tenant_id]
            return busy[tenant_id], at.timestamp() if at is not None else 0.0, tenant_id

        return sorted(self.served, key=turn)


async def _look(session: AsyncSession, queue: str, kinds: Sequence[str], *, above: int = -1) -> _Seen:
    paused, limits, running, served = False, dict[str | None, tuple[int | None, int | None]](), Counter[tuple[str, str]](), {}
    priority = None
    for what, tenant_id, kind, one, two, at in await session.execute(_LOOK, {"queue": queue, "kinds": list(kinds), "above": above}):
        match what:
            case "limit":
                paused = paused or at is not None
                if one is not None or two is not None:
                    limits[kind] = (one, two)
            case "running":
                running[tenant_id, kind] = one
            case _:
                priority, served[tenant_id] = one, at
    return _Seen(paused, limits, running, priority, served)


def _looking() -> sa.CompoundSelect[Any]:
    """Rows of (what, tenant, kind, two numbers, a time): limits, what runs, and who waits at the best priority above `above`."""
    queue, kinds = sa.bindparam("queue", type_=sa.String), sa.bindparam("kinds", expanding=True, type_=sa.String)
    no_word, no_number, no_time = (sa.cast(sa.null(), kind) for kind in (sa.String(36), sa.Integer, Timestamp))
    ready = _ready(queue, kinds)
    urgent = sa.select(sa.func.min(jobs.c.priority).label("priority")).where(
        *ready, jobs.c.priority > sa.bindparam("above", type_=sa.Integer)
    )
    best = sa.select(urgent.cte("best").c.priority).scalar_subquery()
    first = sa.select(sa.func.min(jobs.c.tenant_id).label("tenant_id")).where(*ready, jobs.c.priority == best)
    tenants = first.cte("tenants", recursive=True)
    following = sa.select(sa.func.min(jobs.c.tenant_id)).where(*ready, jobs.c.priority == best, jobs.c.tenant_id > tenants.c.tenant_id)
    tenants = tenants.union_all(sa.select(following.correlate(tenants).scalar_subquery()).where(tenants.c.tenant_id.is_not(None)))
    turns = tenants.outerjoin(tenant_turns, (tenant_turns.c.tenant_id == tenants.c.tenant_id) & (tenant_turns.c.queue == queue))
    return sa.union_all(
        sa.select(sa.literal_column("'limit'"), no_word, no_word, queues.c.max_running, queues.c.max_per_tenant, queues.c.paused_at).where(
            queues.c.queue == queue
        ),
        sa.select(
            sa.literal_column("'limit'"), no_word, kind_limits.c.kind, kind_limits.c.max_running, kind_limits.c.max_per_tenant, no_time
        ).where(kind_limits.c.kind.in_(kinds)),
        sa.select(sa.literal_column("'running'"), jobs.c.tenant_id, jobs.c.kind, sa.func.count(), no_number, no_time)
        .where(jobs.c.lease_owner.is_not(None), jobs.c.queue == queue)
        .group_by(jobs.c.tenant_id, jobs.c.kind),
        sa.select(sa.literal_column("'waits'"), tenants.c.tenant_id, no_word, best, no_number, tenant_turns.c.served_at)
        .select_from(turns)
        .where(tenants.c.tenant_id.is_not(None)),
    )


def _taking() -> sa.UpdateBase:
    """The oldest ready row of one tenant at one priority becomes a leased one; a row that another claimer has in hand is passed over."""
    ready = _ready(sa.bindparam("of_queue", type_=sa.String), sa.bindparam("of_kinds", expanding=True, type_=sa.String))
    pick = (
        sa.select(jobs.c.id)
        .where(*ready, jobs.c.priority == sa.bindparam("of_priority"), jobs.c.tenant_id == sa.bindparam("of_tenant"))
        .order_by(jobs.c.available_at, jobs.c.id)
        .limit(1)
        # Says nothing on SQLite, whose write transaction is the lock.
        .with_for_update(skip_locked=True)
    )
    taken = sa.update(jobs).where(jobs.c.id == pick.scalar_subquery(), jobs.c.status == sa.literal_column("'queued'"))
    return taken.values(
        status=Status.RUNNING,
        control=None,
        lease_owner=sa.bindparam("owner", type_=sa.String),
        lease_expires_at=db_time(sa.bindparam("ttl_s", type_=sa.Float)),
        last_progress_at=db_time(),
        started_at=sa.func.coalesce(jobs.c.started_at, db_time()),
        fence=jobs.c.fence + 1,
        attempt=jobs.c.attempt + 1,
        rate_per_s=None,
        event_seq=jobs.c.event_seq + 1,
    ).returning(*rows.JOB_COLUMNS)


async def _tenants(session: AsyncSession, ready: list[sa.ColumnElement[bool]]) -> list[str]:
    """Tenants with a ready row, by one index seek each."""
    first = sa.select(sa.func.min(jobs.c.tenant_id).label("tenant_id")).where(*ready).cte("tenants", recursive=True)
    following = (
        sa.select(sa.func.min(jobs.c.tenant_id)).where(*ready, jobs.c.tenant_id > first.c.tenant_id).correlate(first).scalar_subquery()
    )
    tenants = first.union_all(sa.select(following).where(first.c.tenant_id.is_not(None)))
    return list(await session.scalars(sa.select(tenants.c.tenant_id).where(tenants.c.tenant_id.is_not(None))))


# Built once: to build a statement takes longer than to run it.
_LOOK = _looking()
_TAKE = _taking()
_BEGIN_ATTEMPT = sa.insert(job_attempts).values(started_at=db_time())
