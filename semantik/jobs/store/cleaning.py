"""What is long over goes: ended jobs with all that hangs on them, keys of old requests, times that fired."""

from __future__ import annotations

import sqlalchemy as sa

from semantik.jobs.states import ENDED
from semantik.jobs.store import requests
from semantik.jobs.store.clock import db_time
from semantik.jobs.store.control import delete_rows
from semantik.kit.database import AsyncSession
from semantik.kit.ids import JobId
from semantik.tables.jobs import idempotency_keys, jobs, schedule_fires

_DAY_S = 86400.0


async def old_jobs(session: AsyncSession, tenant_id: str, *, days: int, limit: int) -> int:
    """Deletes up to `limit` of the tenant's jobs that ended more than `days` ago. Returns how many."""
    statement = sa.select(jobs.c.id).where(
        jobs.c.tenant_id == tenant_id, jobs.c.status.in_(list(ENDED)), jobs.c.finished_at < db_time(-days * _DAY_S)
    )
    found = [JobId(one) for one in await session.scalars(statement.order_by(jobs.c.created_at).limit(limit))]
    if found:
        await delete_rows(session, found)
    return len(found)


async def quiet_ones(session: AsyncSession, tenant_id: str, *, kind: str, keep: int, excluding: str) -> None:
    """Deletes all but the newest `keep` completed jobs of a kind that comes every few minutes and would bury the others."""
    statement = sa.select(jobs.c.id).where(
        jobs.c.tenant_id == tenant_id, jobs.c.kind == kind, jobs.c.status == "completed", jobs.c.id != excluding
    )
    found = [JobId(one) for one in await session.scalars(statement.order_by(jobs.c.created_at.desc()).offset(keep).limit(500))]
    if found:
        await delete_rows(session, found)


async def old_marks(session: AsyncSession, tenant_id: str, *, days: int) -> None:
    """Idempotency keys that have expired, and the record of times that fired more than `days` ago."""
    await session.execute(
        sa.delete(idempotency_keys).where(
            idempotency_keys.c.tenant_id == tenant_id, idempotency_keys.c.created_at < db_time(-requests.KEPT_S)
        )
    )
    await session.execute(
        sa.delete(schedule_fires).where(schedule_fires.c.tenant_id == tenant_id, schedule_fires.c.fire_at < db_time(-days * _DAY_S))
    )
