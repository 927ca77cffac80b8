"""Tries dead letters again: failed jobs from their cursor, dead items as jobs of their own."""

from __future__ import annotations

from dataclasses import dataclass, field

from semantik.auth.actor import Actor
from semantik.features.dead_letters import repository
from semantik.jobs.states import WrongState
from semantik.jobs.store import control
from semantik.kit.database import AsyncSession

_MOST_AT_ONCE = 1000


@dataclass(slots=True)
class Retried:
    failed_jobs: int = 0
    failed_items: int = 0
    job_ids: list[str] = field(default_factory=list)
    refused: int = 0
    more: bool = False


async def retry(
    session: AsyncSession, actor: Actor, *, what: str | None, kind: str | None, collection: str | None, code: str | None
) -> Retried:
    """Items first: a failed job that is queued again would no longer give its items away."""
    found = await repository.page(
        session, actor, what=what, kind=kind, collection=collection, code=code, before=None, limit=_MOST_AT_ONCE + 1
    )
    done = Retried(more=len(found) > _MOST_AT_ONCE)
    items: dict[str, list[str]] = {}
    for letter in found[:_MOST_AT_ONCE]:
        if letter.what == "item":
            items.setdefault(letter.job_id, []).append(letter.item_key)
    for job_id, keys in items.items():
        try:
            job = await control.retry_failed(session, job_id, by=actor.user_id, keys=keys)
        except (WrongState, control.NoFailedItems):
            done.refused += 1
        else:
            done.failed_items += len(keys)
            done.job_ids.append(job.id)
    for letter in found[:_MOST_AT_ONCE]:
        if letter.what != "job":
            continue
        try:
            job = await control.retry(session, letter.job_id, by=actor.user_id)
        except (WrongState, control.TwinAtWork):
            done.refused += 1
        else:
            done.failed_jobs += 1
            done.job_ids.append(job.id)
    return done
