"""SQL of a tenant's view of its schedules."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from semantik.auth.access import readable_jobs, readable_schedules, readable_sources
from semantik.auth.actor import Actor
from semantik.kit.database import AsyncSession
from semantik.kit.errors import NotFound
from semantik.tables.jobs import jobs, schedule_fires, schedules
from semantik.tables.sources import sources


class ScheduleUnknown(NotFound):
    code = "schedule_unknown"
    title = "No such schedule"
    default_hint = "It may have been removed. The list of schedules shows those there are."


async def list_all(session: AsyncSession, actor: Actor) -> list[Any]:
    """By name."""
    return list((await session.execute(readable_schedules(actor).order_by(schedules.c.name))).all())


async def get(session: AsyncSession, actor: Actor, schedule_id: str) -> Any:
    """Raises `ScheduleUnknown` for one that is not there or belongs to others."""
    row = (await session.execute(readable_schedules(actor).where(schedules.c.id == schedule_id))).first()
    if row is None:
        raise ScheduleUnknown(f"there is no schedule {schedule_id}")
    return row


async def has_source(session: AsyncSession, actor: Actor, source_id: str) -> bool:
    statement = readable_sources(actor).where(sources.c.id == source_id).with_only_columns(sources.c.id)
    return await session.scalar(statement) is not None


async def last_jobs(session: AsyncSession, actor: Actor, ids: Sequence[str]) -> dict[str, Any]:
    """Those of these jobs that are still kept, by id."""
    columns = (jobs.c.id, jobs.c.status, jobs.c.outcome, jobs.c.created_at, jobs.c.finished_at)
    found = await session.execute(readable_jobs(actor).where(jobs.c.id.in_(list(ids))).with_only_columns(*columns))
    return {row.id: row for row in found}


async def runs(session: AsyncSession, actor: Actor, schedule_id: str, *, before: datetime | None, limit: int) -> list[Any]:
    """(fire_at, job_id, status, outcome) of the times that came, newest first; status and outcome are None without a job."""
    statement = (
        readable_schedules(actor)
        .where(schedules.c.id == schedule_id)
        .join(schedule_fires, schedule_fires.c.schedule_id == schedules.c.id)
        .outerjoin(jobs, jobs.c.id == schedule_fires.c.job_id)
        .with_only_columns(schedule_fires.c.fire_at, schedule_fires.c.job_id, jobs.c.status, jobs.c.outcome)
    )
    if before is not None:
        statement = statement.where(schedule_fires.c.fire_at < before)
    return list((await session.execute(statement.order_by(schedule_fires.c.fire_at.desc()).limit(limit))).all())
