"""SQL of a tenant's view of its schedules."""

from __future__ import annotations

from typing import Any

from semantik.auth.access import readable_schedules
from semantik.auth.actor import Actor
from semantik.kit.database import AsyncSession
from semantik.kit.errors import NotFound
from semantik.tables.jobs import schedules


class ScheduleUnknown(NotFound):
    code = "schedule_unknown"
    title = "No such schedule"


async def list_all(session: AsyncSession, actor: Actor) -> list[Any]:
    """By name."""
    return list((await session.execute(readable_schedules(actor).order_by(schedules.c.name))).all())


async def get(session: AsyncSession, actor: Actor, schedule_id: str) -> Any:
    """Raises `ScheduleUnknown` for one that is not there or belongs to others."""
    row = (await session.execute(readable_schedules(actor).where(schedules.c.id == schedule_id))).first()
    if row is None:
        raise ScheduleUnknown(f"there is no schedule {schedule_id}")
    return row
