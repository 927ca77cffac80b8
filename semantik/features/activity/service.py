"""Verbs on jobs: ownership first, then the engine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from semantik.auth.actor import Actor
from semantik.features.activity import repository
from semantik.features.activity.job_args import CleanUpJobs
from semantik.jobs import budget as budgets
from semantik.jobs import handlers
from semantik.jobs.states import Verb, WrongState, statuses_for
from semantik.jobs.store import control
from semantik.jobs.values import Job
from semantik.kit.database import AsyncSession

_MOST_AT_ONCE = 1000

_VERBS: dict[Verb, Callable[..., Awaitable[Job]]] = {
    Verb.PAUSE: control.pause,
    Verb.RESUME: control.resume,
    Verb.CANCEL: control.cancel,
    Verb.RESTART: control.restart,
    Verb.RETRY: control.retry,
    Verb.RETRY_FAILED: control.retry_failed,
}


async def ask(session: AsyncSession, actor: Actor, job_id: str, verb: Verb, **options: Any) -> Job:
    """Applies a verb to one of the tenant's jobs. Raises `JobUnknown` or `WrongState`."""
    await repository.get(session, actor, job_id)
    return await _VERBS[verb](session, job_id, by=actor.user_id, **options)


async def set_priority(session: AsyncSession, actor: Actor, job_id: str, priority: int) -> Job:
    await repository.get(session, actor, job_id)
    return await control.set_priority(session, job_id, priority, by=actor.user_id)


async def set_budget(session: AsyncSession, actor: Actor, job_id: str, budget: Mapping[str, float]) -> Job:
    """Raises `BadBudget` for a meter that the kind of job does not have."""
    job = await repository.get(session, actor, job_id)
    handler = handlers.handler_of(job.kind)
    if handler is not None:
        budgets.check(handler.args, budget)
    return await control.set_budget(session, job_id, budget, by=actor.user_id)


async def delete(session: AsyncSession, actor: Actor, job_id: str) -> None:
    await repository.get(session, actor, job_id)
    await control.delete(session, job_id)


@dataclass(slots=True)
class Done:
    """What a verb on many did. `last` is where to go on when there were more than one call takes."""

    changed: list[str]
    refused: int = 0
    last: tuple[str, datetime] | None = None


async def ask_many(
    session: AsyncSession,
    actor: Actor,
    verb: Verb,
    *,
    status: list[str],
    kind: str | None,
    collection: str | None,
    workflow: str | None,
    priority: int | None,
    after: tuple[datetime, str] | None,
) -> Done:
    """Applies a verb to all that the filter finds."""
    found = await repository.ids(
        session, actor, status=status, kind=kind, collection=collection, workflow=workflow, after=after, limit=_MOST_AT_ONCE + 1
    )
    done = Done([], last=found[_MOST_AT_ONCE - 1] if len(found) > _MOST_AT_ONCE else None)
    for job_id, _ in found[:_MOST_AT_ONCE]:
        try:
            match verb:
                case Verb.DELETE:
                    await control.delete(session, job_id)
                case Verb.PRIORITY:
                    assert priority is not None, "the schema asks for it"
                    await control.set_priority(session, job_id, priority, by=actor.user_id)
                case _:
                    await _VERBS[verb](session, job_id, by=actor.user_id)
        except (WrongState, control.TwinAtWork, control.NoFailedItems):
            done.refused += 1
        else:
            done.changed.append(job_id)
    return done


def verbs_for(summary: Mapping[str, int]) -> dict[str, int]:
    """How many of so many jobs by status are in a state that allows each verb; verbs that fit none are left out."""
    fitting = {str(verb): sum(summary.get(status, 0) for status in statuses_for(verb)) for verb in Verb}
    return {verb: count for verb, count in fitting.items() if count}


async def expires(session: AsyncSession, actor: Actor, job: Job) -> datetime | None:
    """When the clean-up may delete an ended job; None for one that has not ended, and where nothing cleans up."""
    if job.finished_at is None:
        return None
    kept = [CleanUpJobs.model_validate(params).keep_days for params in await repository.clean_ups(session, actor, CleanUpJobs.kind)]
    return job.finished_at + timedelta(days=min(kept)) if kept else None
