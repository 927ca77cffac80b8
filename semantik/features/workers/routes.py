"""HTTP of what stands behind jobs: queues, workers, and the log of recoveries."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query

from semantik.auth.actor import Actor
from semantik.features.workers import repository, schemas, service
from semantik.http.dependencies import Admin, Reader, ReadSession, WriteSession
from semantik.http.pagination import Page
from semantik.http.unit_of_work import UnitOfWork
from semantik.jobs import handlers, values
from semantik.jobs.store import queues, reading, workers
from semantik.kit.database import AsyncSession
from semantik.kit.errors import Conflict, NotFound

router = APIRouter(prefix="/api/v1", tags=["workers"], route_class=UnitOfWork)

_MOST = 200


class QueueUnknown(NotFound):
    code = "queue_unknown"


class KindUnknown(NotFound):
    code = "job_kind_unknown"


class WorkerUnknown(NotFound):
    code = "worker_unknown"


class WorkerGone(Conflict):
    code = "worker_gone"
    default_hint = "Start it anew; a fresh process takes jobs at once."


@router.get("/queues")
async def list_queues(actor: Reader, session: ReadSession) -> Page[schemas.QueueState]:
    """Shows each queue: your jobs in it, who serves it, and whether it is paused or limited"""
    depths = {row["queue"]: row for row in await repository.depths(session, actor)}
    settings = await queues.settings(session)
    limits = await queues.limits_of_kinds(session)
    alive = await workers.living(session)
    empty = {"ready": 0, "later": 0, "blocked": 0, "paused": 0, "running": 0, "oldest_ready_at": None}
    items = [
        schemas.QueueState(
            **{**empty, "queue": queue, **depths.get(queue, {})},
            paused_at=settings[queue].paused_at if queue in settings else None,
            **_limits(settings.get(queue)),
            kinds=[schemas.KindState(kind=kind, **_limits(limits.get(kind))) for kind in handlers.kinds_of(queue)],
            workers=sum(queue in row.queues for row in alive),
            slots=sum(row.slots for row in alive if queue in row.queues),
        )
        for queue in values.QUEUES
    ]
    return Page(items=items, next_cursor=None, total=len(items))


def _limits(row: Any | None) -> dict[str, int | None]:
    return {"max_running": row.max_running if row else None, "max_per_tenant": row.max_per_tenant if row else None}


@router.patch("/queues/{queue}")
async def change_queue(queue: str, body: schemas.QueueChange, actor: Admin, session: WriteSession) -> schemas.QueueState:
    """Pauses a queue for everybody, or limits how many of its jobs run at once"""
    _check(queue)
    changes: dict[str, Any] = body.model_dump(include={"max_running", "max_per_tenant"}, exclude_unset=True)
    if body.paused is not None:
        changes["paused_at"] = await reading.now(session) if body.paused else None
    if changes:
        await queues.change(session, queue, changes)
    return await _state(queue, actor, session)


@router.patch("/queues/{queue}/kinds/{kind}")
async def limit_kind(queue: str, kind: str, body: schemas.LimitsChange, actor: Admin, session: WriteSession) -> schemas.QueueState:
    """Limits how many jobs of one kind run at once, for everybody, beside the limits of its queue"""
    _check(queue)
    if kind not in handlers.kinds_of(queue):
        raise KindUnknown(f"no kind {kind!r} runs in {queue}", hint=f"There are: {', '.join(handlers.kinds_of(queue)) or 'none'}.")
    if changes := body.model_dump(exclude_unset=True):
        await queues.change_kind(session, kind, changes)
    return await _state(queue, actor, session)


def _check(queue: str) -> None:
    if queue not in values.QUEUES:
        raise QueueUnknown(f"there is no queue {queue!r}", hint=f"There are: {', '.join(values.QUEUES)}.")


async def _state(queue: str, actor: Actor, session: AsyncSession) -> schemas.QueueState:
    return next(one for one in (await list_queues(actor, session)).items if one.queue == queue)


@router.get("/workers")
async def list_workers(actor: Reader, session: ReadSession) -> Page[schemas.Worker]:
    """Shows the processes that run jobs, when they were last seen, and which of your jobs they hold"""
    now = await reading.now(session)
    held = await repository.held_by(session, actor)
    items = [_worker(row, now, held.get(row.id, [])) for row in await workers.list_all(session)]
    return Page(items=items, next_cursor=None, total=len(items))


def _worker(row: Any, now: datetime, held: list[Any]) -> schemas.Worker:
    return schemas.Worker(
        id=row.id,
        name=row.name,
        pool=row.pool,
        queues=row.queues,
        slots=row.slots,
        version=row.version,
        state=service.state_of(row, now),
        drain_asked_at=row.drain_asked_at,
        started_at=row.started_at,
        last_seen_at=row.last_seen_at,
        running=[schemas.HeldJob(job_id=job.id, title=job.title, status=job.status) for job in held],
    )


@router.post("/workers/{worker_id}/drain")
async def drain_worker(worker_id: str, actor: Admin, session: WriteSession) -> schemas.Worker:
    """Has a worker take no more jobs: what it runs goes back to the queue from its next item, for others to go on"""
    return await _drain(worker_id, actor, session, asked=True)


@router.post("/workers/{worker_id}/resume")
async def resume_worker(worker_id: str, actor: Admin, session: WriteSession) -> schemas.Worker:
    """Lets a drained worker take jobs again"""
    return await _drain(worker_id, actor, session, asked=False)


async def _drain(worker_id: str, actor: Actor, session: AsyncSession, *, asked: bool) -> schemas.Worker:
    """All processes of the worker together: one of them alone would leave the others to take what it left."""
    changed = await workers.drain(session, worker_id, asked=asked)
    row = await workers.one(session, worker_id)
    if row is None:
        raise WorkerUnknown(f"there is no worker {worker_id}", hint="`semantik workers` lists them.")
    now = await reading.now(session)
    if not changed:
        raise WorkerGone(f"worker {worker_id} is {service.state_of(row, now)}: it takes no jobs")
    return _worker(row, now, (await repository.held_by(session, actor)).get(row.id, []))


@router.get("/recoveries")
async def list_recoveries(
    actor: Reader, session: ReadSession, days: Annotated[int, Query(ge=1, le=366, description="How far to look back.")] = 7
) -> schemas.Recoveries:
    """Lists the workers that were lost with your jobs, and what became of the jobs"""
    since = await reading.now(session) - timedelta(days=days)
    rows = await repository.recoveries(session, actor, since=since, limit=_MOST)
    items = [
        schemas.Recovery(
            job_id=row.job_id,
            title=row.title,
            status=row.status,
            outcome=row.outcome,
            fence=row.fence,
            owner=row.owner,
            started_at=row.started_at,
            lost_at=row.lost_at,
            resumed_at=row.resumed_at,
            became=service.became(row.status, row.resumed_at is not None),
        )
        for row in rows
    ]
    return schemas.Recoveries(
        items=items,
        lost=len(items),
        resumed=sum(one.became == "resumed" for one in items),
        words=service.in_words([one.became for one in items]),
    )
