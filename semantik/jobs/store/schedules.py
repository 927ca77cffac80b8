"""Schedule rows: compare-and-set on the next time, and a row for each time that fired."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from semantik.jobs.store.clock import db_time
from semantik.kit.database import AsyncSession, Database, insert_ignore
from semantik.kit.database_errors import WriteConflict
from semantik.kit.errors import Conflict
from semantik.tables.jobs import schedule_fires, schedules

Row = Any


class ScheduleNameTaken(Conflict):
    code = "schedule_name_taken"
    default_hint = "Choose another name."


async def due(database: Database, kinds: Sequence[str]) -> list[str]:
    """Schedules whose time has come, of kinds that this process knows."""
    async with database.read() as session:
        statement = sa.select(schedules.c.id).where(
            schedules.c.next_fire_at <= db_time(), schedules.c.paused_at.is_(None), schedules.c.kind.in_(list(kinds))
        )
        return list(await session.scalars(statement.order_by(schedules.c.next_fire_at).limit(100)))


async def get(session: AsyncSession, schedule_id: str) -> Row | None:
    return (await session.execute(sa.select(schedules).where(schedules.c.id == schedule_id))).first()


async def advance(session: AsyncSession, schedule_id: str, *, old: datetime, new: datetime) -> bool:
    """Takes the turn: True for exactly one of all who try with the same `old`."""
    statement = sa.update(schedules).where(schedules.c.id == schedule_id, schedules.c.next_fire_at == old).values(next_fire_at=new)
    return await session.scalar(statement.returning(schedules.c.id)) is not None


async def record_fire(session: AsyncSession, tenant_id: str, schedule_id: str, fire_at: datetime, job_id: str | None) -> None:
    row = {"tenant_id": tenant_id, "schedule_id": schedule_id, "fire_at": fire_at, "job_id": job_id}
    await insert_ignore(session, schedule_fires, [row])


async def set_last_job(session: AsyncSession, schedule_id: str, job_id: str) -> None:
    await session.execute(sa.update(schedules).where(schedules.c.id == schedule_id).values(last_job_id=job_id))


async def add_if_missing(session: AsyncSession, row: dict[str, Any]) -> None:
    """`row` is left out when the tenant has a schedule of that name."""
    await insert_ignore(session, schedules, [row])


async def add(session: AsyncSession, row: dict[str, Any]) -> None:
    """Raises `ScheduleNameTaken` when the tenant has one of that name already."""
    await insert_ignore(session, schedules, [row])
    if await session.scalar(sa.select(schedules.c.id).where(schedules.c.id == row["id"])) is None:
        raise _taken(row["name"])


async def change(session: AsyncSession, before: Row, values: dict[str, Any]) -> None:
    """Raises `WriteConflict` when the schedule fired or changed its rhythm since `before` was read: what was decided is out of date then.

    Raises `ScheduleNameTaken` for the name of another.
    """
    unchanged = [schedules.c[name].is_not_distinct_from(getattr(before, name)) for name in _DECIDING]
    statement = sa.update(schedules).where(schedules.c.id == before.id, *unchanged).values(**values).returning(schedules.c.id)
    try:
        async with session.begin_nested():
            changed = await session.scalar(statement)
    except IntegrityError as error:
        raise _taken(values["name"]) from error
    if changed is None:
        raise WriteConflict("the schedule fired or was changed in between", retry_after_s=1.0)


# What the next time is reckoned from.
_DECIDING = ("cron", "every_s", "timezone", "paused_at", "next_fire_at")


def _taken(name: str) -> ScheduleNameTaken:
    return ScheduleNameTaken(f"there is a schedule named {name!r} already")


async def remove(session: AsyncSession, schedule_id: str) -> None:
    await session.execute(sa.delete(schedules).where(schedules.c.id == schedule_id))
