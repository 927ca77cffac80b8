"""Verbs on jobs: ownership first, then the engine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from semantik.auth.actor import Actor
from semantik.features.activity import repository
from semantik.jobs.states import Verb, WrongState
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


async def delete(session: AsyncSession, actor: Actor, job_id: str) -> None:
    await repository.get(session, actor, job_id)
    await control.delete(session, job_id)


async def ask_many(
    session: AsyncSession, actor: Actor, verb: Verb, *, status: list[str], kind: str | None, collection: str | None, workflow: str | None
) -> tuple[list[str], int]:
    """Applies a verb to all that the filter finds; returns (ids it was applied to, number of those it did not fit)."""
    changed, refused = [], 0
    found = await repository.ids(session, actor, status=status, kind=kind, collection=collection, workflow=workflow, limit=_MOST_AT_ONCE)
    for job_id in found:
        try:
            if verb is Verb.DELETE:
                await control.delete(session, job_id)
            else:
                await _VERBS[verb](session, job_id, by=actor.user_id)
        except (WrongState, control.TwinAtWork, control.NoFailedItems):
            refused += 1
        else:
            changed.append(job_id)
    return changed, refused
