"""HTTP of schedules: jobs that start by the clock."""

from __future__ import annotations

import inspect
from datetime import datetime
from typing import Any

from fastapi import APIRouter

from semantik.auth.actor import Actor
from semantik.features.schedules import repository, schemas, service
from semantik.http.dependencies import Reader, ReadSession, Writer, WriteSession
from semantik.http.idempotency import KEYED
from semantik.http.pagination import Cursor, Limit, Page, decode_cursor, encode_cursor
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


def _schedule(row: Any, now: datetime, last: Any) -> schemas.Schedule:
    start = row.next_fire_at if row.next_fire_at is not None else now
    rhythm = Rhythm(row.cron, row.every_s, row.timezone)
    fields = set(schemas.Schedule.model_fields) - {"next_five", "last_job"}
    five = [] if row.paused_at is not None else [start, *rhythm.following(after=start, count=4)]
    job = None
    if last is not None:
        job = schemas.LastJob(
            job_id=last.id, status=last.status, outcome=last.outcome, created_at=last.created_at, finished_at=last.finished_at
        )
    return schemas.Schedule(**{name: getattr(row, name) for name in fields}, next_five=five, last_job=job)


async def _one(session: AsyncSession, actor: Actor, schedule_id: str) -> schemas.Schedule:
    row = await repository.get(session, actor, schedule_id)
    last = await repository.last_jobs(session, actor, [row.last_job_id] if row.last_job_id else [])
    return _schedule(row, await reading.now(session), last.get(row.last_job_id))


@router.get("")
async def list_schedules(actor: Reader, session: ReadSession) -> Page[schemas.Schedule]:
    """Lists schedules with their next five times"""
    now = await reading.now(session)
    rows = await repository.list_all(session, actor)
    last = await repository.last_jobs(session, actor, [row.last_job_id for row in rows if row.last_job_id])
    items = [_schedule(row, now, last.get(row.last_job_id)) for row in rows]
    return Page(items=items, next_cursor=None, total=len(items))


@router.get("/kinds")
async def list_kinds(actor: Reader) -> Page[schemas.Kind]:
    """Lists what a schedule can start, with what it takes"""
    items = [
        schemas.Kind(kind=args.kind, about=inspect.getdoc(args) or "", queue=args.queue, params=args.model_json_schema())
        for args in schedule.kinds()
    ]
    return Page(items=items, next_cursor=None, total=len(items))


@router.post("/preview")
async def preview_times(body: schemas.Times, actor: Writer, session: ReadSession) -> schemas.NextTimes:
    """Says when a rhythm would fire next, before anything is made"""
    rhythm = Rhythm(body.cron, body.every_s, body.timezone)
    rhythm.check()
    return schemas.NextTimes(next_five=rhythm.following(after=await reading.now(session)))


@router.post("", status_code=201)
async def create_schedule(body: schemas.NewSchedule, actor: Writer, session: WriteSession) -> schemas.Schedule:
    """Makes a schedule from a kind of job, its params and a rhythm"""
    schedule_id = await service.add(session, actor, body.model_dump())
    return await _one(session, actor, schedule_id)


@router.get("/{schedule_id}")
async def get_schedule(schedule_id: str, actor: Reader, session: ReadSession) -> schemas.Schedule:
    """Reads one schedule"""
    return await _one(session, actor, schedule_id)


@router.get("/{schedule_id}/runs")
async def list_runs(schedule_id: str, actor: Reader, session: ReadSession, limit: Limit = 20, cursor: Cursor = None) -> Page[schemas.Run]:
    """Lists the times that came and the jobs they made, newest first"""
    await repository.get(session, actor, schedule_id)
    key = decode_cursor(cursor, datetime)
    found = await repository.runs(session, actor, schedule_id, before=key[0] if key else None, limit=limit + 1)
    items = [
        schemas.Run(
            fire_at=row.fire_at, job_id=row.job_id, status=row.status or ("gone" if row.job_id else "left_out"), outcome=row.outcome
        )
        for row in found[:limit]
    ]
    return Page(items=items, next_cursor=encode_cursor(items[-1].fire_at) if len(found) > limit else None, total=None)


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
