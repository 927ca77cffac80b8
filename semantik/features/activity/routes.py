"""HTTP of jobs: list, watch, pause, resume, cancel, restart, retry; queues and workers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import Field

from semantik.auth.actor import Actor
from semantik.features.activity import live, repository, schemas, service
from semantik.features.activity.feed import Feed, Message
from semantik.http import sse
from semantik.http.dependencies import Admin, CurrentRuntime, Reader, ReadSession, Writer, WriteSession
from semantik.http.pagination import Cursor, Limit, Page, decode_cursor, encode_cursor
from semantik.http.unit_of_work import UnitOfWork
from semantik.jobs import values
from semantik.jobs.states import ENDED, Status, Verb
from semantik.jobs.store import reading
from semantik.kit.database import AsyncSession
from semantik.kit.errors import NotFound
from semantik.runtime import Runtime

router = APIRouter(prefix="/api/v1", tags=["jobs"], route_class=UnitOfWork)
sockets = live.router

Statuses = Annotated[list[Status] | None, Query(description="Any of these; repeat it for more.")]
Text = Annotated[str | None, Query(max_length=100)]


class JobPage(Page[schemas.Job]):
    summary: dict[str, int] = Field(description="Jobs by status, under the same filter but for the status.")


class QueueUnknown(NotFound):
    code = "queue_unknown"


@router.get("/jobs")
async def list_jobs(
    actor: Reader,
    session: ReadSession,
    status: Statuses = None,
    kind: Text = None,
    collection: Text = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> JobPage:
    """Lists jobs, newest first, with their number by status"""
    found = await repository.page(
        session, actor, status=status or (), kind=kind, collection=collection, before=_before(cursor), limit=limit + 1
    )
    summary = await repository.summary(session, actor, kind=kind, collection=collection)
    now = await reading.now(session)
    last = found[limit - 1] if len(found) > limit else None
    return JobPage(
        items=[schemas.Job.of(job, now) for job in found[:limit]],
        next_cursor=encode_cursor(last.created_at.isoformat(), last.id) if last is not None else None,
        total=sum(count for name, count in summary.items() if not status or name in status),
        summary=summary,
    )


def _before(cursor: str | None) -> tuple[datetime, str] | None:
    key = decode_cursor(cursor, str, str)
    if key is None or not isinstance(key[0], str) or not isinstance(key[1], str):
        return None
    try:
        return datetime.fromisoformat(key[0]).astimezone(UTC), key[1]
    except (ValueError, OverflowError):
        return None


@router.post("/jobs/bulk")
async def bulk(body: schemas.Bulk, actor: Writer, session: WriteSession) -> schemas.BulkAnswer:
    """Applies one verb to all jobs that the filter finds"""
    changed, refused = await service.ask_many(
        session, actor, Verb(body.verb), status=[*body.status], kind=body.kind, collection=body.collection, workflow=body.workflow
    )
    return schemas.BulkAnswer(changed=len(changed), refused=refused, job_ids=changed)


@router.get("/jobs/{job_id}")
async def get_job(job_id: str, actor: Reader, session: ReadSession) -> schemas.JobDetail:
    """Reads one job with its checkpoint, parameters and neighbours"""
    job = await repository.get(session, actor, job_id)
    before, behind = await repository.neighbours(session, actor, job_id)
    return schemas.JobDetail(
        **schemas.Job.of(job, await reading.now(session)).model_dump(),
        params=job.params,
        checkpoint=schemas.Checkpoint(
            task_id=job.id,
            name=job.title,
            state=job.status,
            current_index=job.processed,
            total_items=job.total,
            cursor=job.cursor,
            in_hand=job.inflight_key,
            created=job.created_at,
            updated=job.last_progress_at,
        ),
        waits_for=[_edge(row) for row in before],
        waited_for_by=[_edge(row) for row in behind],
    )


def _edge(row: Any) -> schemas.Edge:
    return schemas.Edge(job_id=row.id, title=row.title, status=row.status, on_end=row.on_end)


@router.post("/jobs/{job_id}/pause")
async def pause(job_id: str, actor: Writer, session: WriteSession) -> schemas.Job:
    """Pauses a job; a running one after the item in hand"""
    return await _answer(session, await service.ask(session, actor, job_id, Verb.PAUSE))


@router.post("/jobs/{job_id}/resume")
async def resume(job_id: str, actor: Writer, session: WriteSession) -> schemas.Job:
    """Lets a paused job go on from where it stopped"""
    return await _answer(session, await service.ask(session, actor, job_id, Verb.RESUME))


@router.post("/jobs/{job_id}/cancel")
async def cancel(
    job_id: str, actor: Writer, session: WriteSession, force: Annotated[bool, Query(description="Do not wait for the worker.")] = False
) -> schemas.Job:
    """Cancels a job; a running one after the item in hand, by force at once"""
    return await _answer(session, await service.ask(session, actor, job_id, Verb.CANCEL, force=force))


@router.post("/jobs/{job_id}/restart")
async def restart(job_id: str, actor: Writer, session: WriteSession) -> schemas.Job:
    """Starts an ended job from zero; one that completed is started as a new job"""
    return await _answer(session, await service.ask(session, actor, job_id, Verb.RESTART))


@router.post("/jobs/{job_id}/retry")
async def retry(job_id: str, actor: Writer, session: WriteSession) -> schemas.Job:
    """Tries a failed or cancelled job again from where it stopped"""
    return await _answer(session, await service.ask(session, actor, job_id, Verb.RETRY))


@router.post("/jobs/{job_id}/retry-failed")
async def retry_failed(job_id: str, actor: Writer, session: WriteSession) -> schemas.Job:
    """Makes a new job of the failed and quarantined items of this one"""
    return await _answer(session, await service.ask(session, actor, job_id, Verb.RETRY_FAILED))


@router.post("/jobs/{job_id}/priority")
async def set_priority(job_id: str, body: schemas.Priority, actor: Writer, session: WriteSession) -> schemas.Job:
    """Moves a job that has not ended forward or back"""
    return await _answer(session, await service.set_priority(session, actor, job_id, body.priority))


@router.delete("/jobs/{job_id}", status_code=204)
async def delete_job(job_id: str, actor: Writer, session: WriteSession) -> None:
    """Deletes an ended job with its events"""
    await service.delete(session, actor, job_id)


async def _answer(session: AsyncSession, job: values.Job) -> schemas.Job:
    return schemas.Job.of(job, await reading.now(session))


@router.get("/jobs/{job_id}/items")
async def list_items(
    job_id: str,
    actor: Reader,
    session: ReadSession,
    state: Annotated[list[str] | None, Query(description="failed, quarantined, skipped, pending or done.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[schemas.JobItem]:
    """Lists the items that did not simply succeed"""
    await repository.get(session, actor, job_id)
    key = decode_cursor(cursor, str)
    found = await repository.items(session, actor, job_id, state=state or (), after=str(key[0]) if key else None, limit=limit + 1)
    items = [
        schemas.JobItem(
            key=row.item_key,
            state=row.state,
            label=row.label,
            attempts=row.attempts,
            crashes=row.crashes,
            error=schemas.JobError(code=row.error_code or "internal", message=row.error_message or "", error_class=row.error_class)
            if row.error_class
            else None,
            updated_at=row.updated_at,
        )
        for row in found[:limit]
    ]
    return Page(items=items, next_cursor=encode_cursor(items[-1].key) if len(found) > limit else None, total=None)


@router.get("/jobs/{job_id}/attempts")
async def list_attempts(job_id: str, actor: Reader, session: ReadSession) -> Page[schemas.Attempt]:
    """Lists who worked on it, from when to when, and how each attempt ended"""
    await repository.get(session, actor, job_id)
    found = await repository.attempts(session, actor, job_id)
    fields = tuple(schemas.Attempt.model_fields)
    items = [schemas.Attempt(**{name: getattr(row, name) for name in fields}) for row in found]
    return Page(items=items, next_cursor=None, total=len(items))


@router.get(
    "/jobs/{job_id}/events",
    response_model=Page[schemas.JobEvent],
    responses={200: {"content": {sse.MEDIA_TYPE: {"schema": {"type": "string"}}}, "description": "A page, or the stream of events."}},
)
async def list_events(
    job_id: str,
    request: Request,
    actor: Reader,
    runtime: CurrentRuntime,
    after: Annotated[int, Query(ge=0, le=2**62, description="Number of the last event you have.")] = 0,
    limit: Limit = 100,
) -> Page[schemas.JobEvent] | Response:
    """Lists a job's events in order; as a stream (Accept: text/event-stream) it goes on until the job has ended"""
    async with runtime.database.read() as session:
        job = await repository.get(session, actor, job_id)
        if not sse.wanted(request):
            found = await repository.events(session, actor, job_id, after=after, limit=limit + 1)
            items = [_event(Message(row.type, job_id, row.seq, row.payload, row.level, row.created_at)) for row in found[:limit]]
            return Page(items=items, next_cursor=None, total=job.event_seq)
    last = sse.last_event_id(request)
    return sse.stream(_stream(runtime, actor, job_id, after=max(after, last or 0)))


async def _stream(runtime: Runtime, actor: Actor, job_id: str, *, after: int) -> AsyncIterator[sse.Message]:
    feed = Feed(runtime.database, runtime.events, actor, job_id=job_id)
    try:
        feed.told[job_id] = after
        async for message in feed.replay(job_id, after=after):
            yield _sse(message)
        async with runtime.database.read() as session:
            job = await repository.get(session, actor, job_id)
        if job.status in ENDED and job.event_seq <= feed.told[job_id]:
            return
        async for message in feed.live():
            if message.type == "resync":
                continue
            yield _sse(message)
            if message.ends_job:
                return
    finally:
        await feed.close()


def _sse(message: Message) -> sse.Message:
    return sse.Message(message.type, message.as_json(), id=str(message.seq) if message.seq is not None else None)


def _event(message: Message) -> schemas.JobEvent:
    return schemas.JobEvent(**message.as_json(), level=message.level, at=message.at)


@router.get("/queues")
async def list_queues(actor: Reader, session: ReadSession) -> Page[schemas.QueueState]:
    """Shows each queue: your jobs in it, and whether it is paused or limited"""
    depths = {row["queue"]: row for row in await repository.depths(session, actor)}
    settings = await reading.queue_settings(session)
    empty = {"ready": 0, "later": 0, "blocked": 0, "paused": 0, "running": 0, "oldest_ready_at": None}
    items = [
        schemas.QueueState(
            **{**empty, "queue": queue, **depths.get(queue, {})},
            paused_at=settings[queue].paused_at if queue in settings else None,
            max_running=settings[queue].max_running if queue in settings else None,
        )
        for queue in values.QUEUES
    ]
    return Page(items=items, next_cursor=None, total=len(items))


@router.patch("/queues/{queue}")
async def change_queue(queue: str, body: schemas.QueueChange, actor: Admin, session: WriteSession) -> schemas.QueueState:
    """Pauses a queue for everybody, or limits how many of its jobs run at once"""
    if queue not in values.QUEUES:
        raise QueueUnknown(f"there is no queue {queue!r}", hint=f"There are: {', '.join(values.QUEUES)}.")
    changes: dict[str, Any] = {}
    if body.paused is not None:
        changes["paused_at"] = await reading.now(session) if body.paused else None
    if body.max_running is not None or body.unlimited:
        changes["max_running"] = None if body.unlimited else body.max_running
    if changes:
        await reading.set_queue(session, queue, changes)
    return next(one for one in (await list_queues(actor, session)).items if one.queue == queue)


@router.get("/workers")
async def list_workers(actor: Reader, session: ReadSession) -> Page[schemas.Worker]:
    """Shows the processes that run jobs, when they were last seen, and which of your jobs they hold"""
    now = await reading.now(session)
    held = await repository.held_by(session, actor)
    items = [
        schemas.Worker(
            id=row.id,
            pool=row.pool,
            queues=row.queues,
            slots=row.slots,
            version=row.version,
            state="silent" if row.state != "down" and (now - row.last_seen_at).total_seconds() > 60 else row.state,
            started_at=row.started_at,
            last_seen_at=row.last_seen_at,
            running=held.get(row.id, []),
        )
        for row in await reading.all_workers(session)
    ]
    return Page(items=items, next_cursor=None, total=len(items))
