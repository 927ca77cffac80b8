"""Items as rows: which of a job's are dead, and how they become the work of another job."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sqlalchemy as sa

from semantik.jobs.store.clock import db_time
from semantik.kit.database import AsyncSession
from semantik.tables.jobs import job_items

# Below what one statement may bind on SQLite.
_KEYS_AT_ONCE = 10_000


def dead() -> list[sa.ColumnElement[bool]]:
    """What makes an item dead: it failed or was quarantined, and no other job took it over."""
    # In the words of the partial index, or the planner does not see that it may use it.
    return [job_items.c.state.in_([sa.literal_column("'failed'"), sa.literal_column("'quarantined'")]), job_items.c.retried_in.is_(None)]


async def dead_items(session: AsyncSession, job_id: str, keys: Sequence[str] | None = None) -> list[tuple[str, str | None]]:
    """(key, label) of the job's dead items."""
    statement = sa.select(job_items.c.item_key, job_items.c.label).where(job_items.c.job_id == job_id, *dead())
    if keys is not None:
        statement = statement.where(job_items.c.item_key.in_(list(keys)))
    return [(row.item_key, row.label) for row in await session.execute(statement)]


async def hand_over(session: AsyncSession, *, tenant_id: str, from_job: str, to_job: str, items: Sequence[tuple[str, str | None]]) -> None:
    """Makes these items the work of another job, and says so at the one that failed them."""
    await _give(session, tenant_id, to_job, items)
    for some in _portions([key for key, _ in items]):
        await session.execute(
            sa.update(job_items).where(job_items.c.job_id == from_job, job_items.c.item_key.in_(some)).values(retried_in=to_job)
        )


async def take_over(session: AsyncSession, *, tenant_id: str, keys: Sequence[str], by_job: str) -> None:
    """Says at the dead items with these keys, whichever other jobs failed them, that this job does their work now by ways of its own."""
    for some in _portions(keys):
        theirs = (job_items.c.tenant_id == tenant_id, job_items.c.item_key.in_(some), job_items.c.job_id != by_job)
        await session.execute(sa.update(job_items).where(*theirs, *dead()).values(retried_in=by_job))


def _portions(keys: Sequence[str]) -> Iterator[list[str]]:
    return (list(keys[start : start + _KEYS_AT_ONCE]) for start in range(0, len(keys), _KEYS_AT_ONCE))


async def repeat_items(session: AsyncSession, *, tenant_id: str, from_job: str, to_job: str) -> int:
    """Gives another job the same items to do. Returns how many."""
    found = await session.execute(sa.select(job_items.c.item_key, job_items.c.label).where(job_items.c.job_id == from_job))
    items = [(row.item_key, row.label) for row in found]
    await _give(session, tenant_id, to_job, items)
    return len(items)


async def _give(session: AsyncSession, tenant_id: str, to_job: str, items: Sequence[tuple[str, str | None]]) -> None:
    fresh = {"tenant_id": tenant_id, "job_id": to_job, "state": "pending", "attempts": 0}
    if items:
        statement = sa.insert(job_items).values(updated_at=db_time())
        await session.execute(statement, [{**fresh, "item_key": key, "label": label} for key, label in items])
