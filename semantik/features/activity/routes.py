"""HTTP of jobs: list, watch, pause, resume, cancel, restart, retry."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import Field

from semantik.auth.actor import Actor
from semantik.features.activity import live, repository, schemas, service, words
from semantik.features.activity.feed import Feed, Message
from semantik.http import sse
from semantik.http.dependencies import CurrentRuntime, Reader, ReadSession, Writer, WriteSession
from semantik.http.idempotency import KEYED
from semantik.http.pagination import Cursor, Limit, Page, decode_cursor, encode_cursor
from semantik.http.unit_of_work import UnitOfWork
from semantik.jobs import values
from semantik.jobs.lines import LEVELS, Level
from semantik.jobs.states import ENDED, Status, Verb
from semantik.jobs.store import reading
from semantik.kit.concurrency import closing
from semantik.kit.database import AsyncSession
from semantik.runtime import Runtime

router = APIRouter(prefix="/api/v1", tags=["jobs"], route_class=UnitOfWork)
sockets = live.router

Statuses = Annotated[list[Status] | None, Query(description="Any of these; repeat it for more.")]
Text = Annotated[str | None, Query(max_length=100)]

_MOST_NODES = 200


class JobPage(Page[schemas.Job]):
    summary: dict[str, int] = Field(description="Jobs by status, under the same filter but for the status.")
    verbs: dict[str, int] = Field(description="How many of the jobs under the filter are in a state that allows each verb of `bulk`.")
    kinds: list[str] = Field(description="Kinds of which there are jobs.")


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
        session, actor, status=status or (), kind=kind, collection=collection, before=decode_cursor(cursor, datetime, str), limit=limit + 1
    )
    summary = await repository.summary(session, actor, kind=kind, collection=collection)
    now = await reading.now(session)
    last = found[limit - 1] if len(found) > limit else None
    return JobPage(
        items=[schemas.Job.of(job, now) for job in found[:limit]],
        next_cursor=encode_cursor(last.created_at, last.id) if last is not None else None,
        total=sum(count for name, count in summary.items() if not status or name in status),
        summary=summary,
        verbs=service.verbs_for({name: count for name, count in summary.items() if not status or name in status}),
        kinds=await repository.kinds(session, actor),
    )


@router.post("/jobs/bulk", dependencies=[KEYED])
async def bulk(body: schemas.Bulk, actor: Writer, session: WriteSession) -> schemas.BulkAnswer:
    """Applies one verb to all jobs that the filter finds, oldest first"""
    done = await service.ask_many(
        session,
        actor,
        Verb(body.verb),
        status=[*body.status],
        kind=body.kind,
        collection=body.collection,
        workflow=body.workflow,
        priority=body.priority,
        after=decode_cursor(body.cursor, datetime, str),
    )
    cursor = encode_cursor(done.last[1], done.last[0]) if done.last is not None else None
    return schemas.BulkAnswer(changed=len(done.changed), refused=done.refused, job_ids=done.changed, next_cursor=cursor)


@router.get("/jobs/{job_id}")
async def get_job(job_id: str, actor: Reader, session: ReadSession) -> schemas.JobDetail:
    """Reads one job with its checkpoint, parameters and neighbours"""
    job = await repository.get(session, actor, job_id)
    before, behind = await repository.neighbours(session, actor, job_id)
    repeats = await repository.made_from(session, actor, job_id)
    shown = schemas.Job.of(job, await reading.now(session))
    if "retry-failed" in shown.allowed and await repository.retriable_items(session, actor, job_id) == 0:
        shown.allowed.remove("retry-failed")
        shown.why_not["retry-failed"] = (
            "its failed items were taken over by other jobs, which it names"
            if repeats
            else "its failures stand with their documents: retry them there, or all of them from their collection"
        )
    return schemas.JobDetail(
        **shown.model_dump(),
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
            expires=await service.expires(session, actor, job),
        ),
        repeated_in=[schemas.Repeat(job_id=row.id, title=row.title, status=row.status, outcome=row.outcome) for row in repeats],
        waits_for=[_edge(row) for row in before],
        waited_for_by=[_edge(row) for row in behind],
    )


@router.get("/jobs/{job_id}/graph")
async def get_graph(job_id: str, actor: Reader, session: ReadSession) -> schemas.Graph:
    """Draws what the job hangs together with: jobs, and who waits for whom"""
    await repository.get(session, actor, job_id)
    nodes, edges = await repository.graph(session, actor, job_id, most=_MOST_NODES + 1)
    shown = {row.id for row in nodes[:_MOST_NODES]}
    return schemas.Graph(
        nodes=[
            schemas.Node(job_id=row.id, title=row.title, kind=row.kind, status=row.status, outcome=row.outcome)
            for row in nodes[:_MOST_NODES]
        ],
        edges=[
            schemas.GraphEdge(waited_for=row.parent_id, waits=row.child_id, on_end=row.on_end)
            for row in edges
            if row.parent_id in shown and row.child_id in shown
        ],
        complete=len(nodes) <= _MOST_NODES,
    )


def _edge(row: Any) -> schemas.Edge:
    return schemas.Edge(job_id=row.id, title=row.title, status=row.status, outcome=row.outcome, on_end=row.on_end)


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


@router.post("/jobs/{job_id}/restart", dependencies=[KEYED])
async def restart(job_id: str, actor: Writer, session: WriteSession) -> schemas.Job:
    """Starts an ended job from zero; one that completed is started as a new job"""
    return await _answer(session, await service.ask(session, actor, job_id, Verb.RESTART))


@router.post("/jobs/{job_id}/retry", dependencies=[KEYED])
async def retry(job_id: str, actor: Writer, session: WriteSession) -> schemas.Job:
    """Tries a failed or cancelled job again from where it stopped"""
    return await _answer(session, await service.ask(session, actor, job_id, Verb.RETRY))


@router.post("/jobs/{job_id}/retry-failed", dependencies=[KEYED])
async def retry_failed(job_id: str, actor: Writer, session: WriteSession, body: schemas.RetryFailed | None = None) -> schemas.Job:
    """Makes a new job of the failed and quarantined items of this one, or of some of them"""
    keys = body.keys if body is not None else None
    return await _answer(session, await service.ask(session, actor, job_id, Verb.RETRY_FAILED, keys=keys))


@router.post("/jobs/{job_id}/priority")
async def set_priority(job_id: str, body: schemas.Priority, actor: Writer, session: WriteSession) -> schemas.Job:
    """Moves a job that has not ended forward or back"""
    return await _answer(session, await service.set_priority(session, actor, job_id, body.priority))


@router.post("/jobs/{job_id}/budget")
async def set_budget(job_id: str, body: schemas.Budget, actor: Writer, session: WriteSession) -> schemas.Job:
    """Changes what a job that has not ended may use up; a paused one goes on when it is resumed"""
    return await _answer(session, await service.set_budget(session, actor, job_id, body.budget))


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
    found = await repository.items(session, actor, job_id, state=state or (), after=key[0] if key else None, limit=limit + 1)
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
            retried_in=row.retried_in,
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


@router.get("/jobs/{job_id}/logs")
async def list_log(
    job_id: str,
    actor: Reader,
    session: ReadSession,
    level: Annotated[Level, Query(description="Lines of this level and above.")] = "info",
    newest: Annotated[bool, Query(description="Newest first.")] = False,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[schemas.LogLine]:
    """Lists the lines of a job's log: what its handler said, what happened to it, and items that failed"""
    job = await repository.get(session, actor, job_id)
    key = decode_cursor(cursor, int)
    seq = key[0] if key is not None else None
    found = await repository.log(
        session,
        actor,
        job_id,
        levels=LEVELS[LEVELS.index(level) :],
        after=None if newest else seq,
        before=(seq if seq is not None else job.event_seq + 1) if newest else None,
        limit=limit + 1,
    )
    items = [
        schemas.LogLine(
            seq=row.seq,
            at=row.created_at,
            level=row.level,
            type=row.type,
            text=words.of(row.type, row.payload.get("metadata", {}), message=row.payload.get("message")),
            fields=row.payload.get("metadata", {}),
        )
        for row in found[:limit]
    ]
    return Page(items=items, next_cursor=encode_cursor(items[-1].seq) if len(found) > limit else None, total=None)


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
    async with runtime.database.read(actor.tenant_id) as session:
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
        async with runtime.database.read(actor.tenant_id) as session:
            job = await repository.get(session, actor, job_id)
        if job.status in ENDED and job.event_seq <= feed.told[job_id]:
            return
        async with closing(feed.live()) as messages:
            async for message in messages:
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
    told = message.as_json()
    text = words.of(message.type, told["metadata"], message=told["message"])
    return schemas.JobEvent(**told, level=message.level, at=message.at, text=text)
