"""HTTP of schedules: jobs that start by the clock."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter

from semantik.auth.actor import Actor
from semantik.features.schedules import repository, schemas, service
from semantik.http.dependencies import Reader, ReadSession, Writer, WriteSession
from semantik.http.idempotency import KEYED
from semantik.http.pagination import Page
from semantik.http.unit_of_work import UnitOfWork
from semantik.jobs import schedule
from semantik.jobs.schedule import Rhythm
from semantik.jobs.store import reading
from semantik.jobs.store import schedules as store
from semantik.kit.database import AsyncSession
from semantik.kit.errors import Conflict

router = APIRouter(prefix="/api/v1/schedules", tags=["schedules"], route_class=UnitOfWork)


class StillRunning(Conflict):
    code = "schedule_still_running"


def _schedule(row: Any, now: datetime) -> schemas.Schedule:
    start = row.next_fire_at if row.next_fire_at is not None else now
    rhythm = Rhythm(row.cron, row.every_s, row.timezone)
    fields = set(schemas.Schedule.model_fields) - {"next_five"}
    five = [] if row.paused_at is not None else [start, *rhythm.following(after=start, count=4)]
    return schemas.Schedule(**{name: getattr(row, name) for name in fields}, next_five=five)


async def _one(session: AsyncSession, actor: Actor, schedule_id: str) -> schemas.Schedule:
    return _schedule(await repository.get(session, actor, schedule_id), await reading.now(session))


@router.get("")
async def list_schedules(actor: Reader, session: ReadSession) -> Page[schemas.Schedule]:
    """Lists schedules with their next five times"""
    now = await reading.now(session)
    items = [_schedule(row, now) for row in await repository.list_all(session, actor)]
    return Page(items=items, next_cursor=None, total=len(items))


@router.post("", status_code=201)
async def create_schedule(body: schemas.NewSchedule, actor: Writer, session: WriteSession) -> schemas.Schedule:
    """Makes a schedule from a kind of job, its params and a rhythm"""
    schedule_id = await service.add(session, actor, body.model_dump())
    return await _one(session, actor, schedule_id)


@router.get("/{schedule_id}")
async def get_schedule(schedule_id: str, actor: Reader, session: ReadSession) -> schemas.Schedule:
    """Reads one schedule"""
    return await _one(session, actor, schedule_id)


@router.patch("/{schedule_id}")
async def change_schedule(schedule_id: str, body: schemas.ScheduleChange, actor: Writer, session: WriteSession) -> schemas.Schedule:
    """Changes a schedule; a new rhythm counts from now"""
    await service.change(session, actor, schedule_id, body.model_dump(exclude_none=True))
    return await _one(session, actor, schedule_id)


@router.delete("/{schedule_id}", status_code=204)
async def delete_schedule(schedule_id: str, actor: Writer, session: WriteSession) -> None:
    """Deletes a schedule; jobs it made stay"""
    await repository.get(session, actor, schedule_id)
    await store.remove(session, schedule_id)


@router.post("/{schedule_id}/pause")
async def pause_schedule(schedule_id: str, actor: Writer, session: WriteSession) -> schemas.Schedule:
    """Keeps a schedule from firing"""
    await service.pause(session, actor, schedule_id)
    return await _one(session, actor, schedule_id)


@router.post("/{schedule_id}/resume")
async def resume_schedule(schedule_id: str, actor: Writer, session: WriteSession) -> schemas.Schedule:
    """Lets a paused schedule fire again, from its next time on"""
    await service.resume(session, actor, schedule_id)
    return await _one(session, actor, schedule_id)


@router.post("/{schedule_id}/run-now", status_code=202, dependencies=[KEYED])
async def run_now(schedule_id: str, actor: Writer, session: WriteSession) -> schemas.Started:
    """Starts the schedule's job now, besides its rhythm"""
    row = await repository.get(session, actor, schedule_id)
    job_id = await schedule.run(session, schedule.of_row(row), actor=actor)
    if job_id is None:
        raise StillRunning("the job of the last time has not ended", hint="Wait for it, or set overlap to allow.", job_id=row.last_job_id)
    return schemas.Started(job_id=job_id)
