"""Puts work into the caller's transaction: the job exists if and only if what it is about was committed with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from semantik.auth.actor import Actor
from semantik.jobs import budget as budgets
from semantik.jobs.store.create import NewJob, create
from semantik.jobs.values import Enqueued, JobArgs
from semantik.kit import logs, metrics
from semantik.kit.database import AsyncSession
from semantik.kit.errors import InvalidInput
from semantik.kit.ids import JobId, new_id


async def enqueue(
    session: AsyncSession,
    args: JobArgs,
    *,
    actor: Actor,
    title: str,
    collection_id: str | None = None,
    source_id: str | None = None,
    priority: int = 5,
    dedup_key: str | None = None,
    concurrency_key: str | None = None,
    available_at: datetime | None = None,
    depends_on: Sequence[str] = (),
    dep_policy: str = "all_success",
    parent_id: str | None = None,
    workflow_id: str | None = None,
    total: int | None = None,
    job_id: str | None = None,
    budget: Mapping[str, float] | None = None,
    estimate: Mapping[str, Sequence[float]] | None = None,
) -> Enqueued:
    """Enqueues one job. The commit is the caller's; workers are woken after it, and find the row by themselves if not.

    `priority`: 0 first, 9 last. `dedup_key`: while a job of this kind with this key has not ended, it is the answer.
    `concurrency_key`: jobs with the same key run one after the other, in this order. `depends_on`: starts when these jobs
    succeeded (`dep_policy="all_finished"`: ended in whatever way).
    `job_id`: a derived id, for fan-out that may be repeated after a crash.
    """
    if not 0 <= priority <= 9:
        raise InvalidInput(f"priority {priority} is outside 0..9")
    budgets.check(args, budget or {})
    made = await create(
        session,
        NewJob(
            tenant_id=actor.tenant_id,
            created_by=actor.user_id,
            kind=args.kind,
            title=title,
            queue=args.queue,
            params=args.model_dump(mode="json"),
            params_version=args.version,
            max_attempts=args.max_attempts,
            priority=priority,
            collection_id=collection_id,
            source_id=source_id,
            dedup_key=dedup_key,
            concurrency_key=concurrency_key,
            available_at=available_at,
            total=total,
            parent_id=parent_id,
            workflow_id=workflow_id,
            correlation_id=logs.get_contextvars().get("request_id"),
            depends_on=depends_on,
            dep_policy=dep_policy,
            job_id=job_id,
            budget=dict(budget) if budget else None,
            estimate={meter: list(ends) for meter, ends in estimate.items()} if estimate else None,
        ),
    )
    if made.created:
        metrics.JOBS_CREATED.labels(kind=args.kind).inc()
    return made


async def chain(
    session: AsyncSession, steps: Sequence[tuple[JobArgs, str]], *, actor: Actor, collection_id: str | None = None
) -> list[JobId]:
    """Each (args, title) starts when the one before succeeded. Returns the ids in order."""
    workflow_id, ids = new_id(), list[JobId]()
    for args, title in steps:
        made = await enqueue(
            session, args, actor=actor, title=title, collection_id=collection_id, depends_on=ids[-1:], workflow_id=workflow_id
        )
        ids.append(made.id)
    return ids


async def group(
    session: AsyncSession,
    members: Sequence[tuple[JobArgs, str]],
    *,
    actor: Actor,
    workflow_id: str | None = None,
    collection_id: str | None = None,
) -> list[JobId]:
    """Jobs side by side, told apart from others by their workflow."""
    workflow_id = workflow_id or new_id()
    made = [
        await enqueue(session, args, actor=actor, title=title, collection_id=collection_id, workflow_id=workflow_id)
        for args, title in members
    ]
    return [one.id for one in made]


async def chord(
    session: AsyncSession,
    header: Sequence[tuple[JobArgs, str]],
    body: tuple[JobArgs, str],
    *,
    actor: Actor,
    collection_id: str | None = None,
    dep_policy: str = "all_success",
) -> tuple[list[JobId], JobId]:
    """A group and one job that starts, once, when all of it has ended. Returns the ids of the header and of the body."""
    workflow_id = new_id()
    ids = await group(session, header, actor=actor, workflow_id=workflow_id, collection_id=collection_id)
    args, title = body
    made = await enqueue(
        session, args, actor=actor, title=title, collection_id=collection_id, depends_on=ids, dep_policy=dep_policy, workflow_id=workflow_id
    )
    return ids, made.id
