"""What worker processes say of themselves, and who of them lives. Of the installation, not of a tenant."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from semantik.jobs.store import rows
from semantik.jobs.store.clock import db_time
from semantik.kit.database import AsyncSession, Database, upsert
from semantik.tables.jobs import workers

# Workers sign every ten seconds.
SILENT_S = 60


class WorkerState(StrEnum):
    """Of a process: what it says itself, but for silent, which is what others see of one that says nothing."""

    UP = "up"
    DRAINING = "draining"
    DOWN = "down"
    SILENT = "silent"


_LIVING = (workers.c.state != WorkerState.DOWN, workers.c.last_seen_at > db_time(-SILENT_S))


@dataclass(frozen=True, slots=True)
class Signs:
    """What a process says of itself. `name`: of the worker that it is part of, the same for all its processes."""

    id: str
    pool: str
    queues: list[str]
    slots: int
    version: str
    state: WorkerState
    name: str


async def sign_in(database: Database, signs: Signs) -> None:
    """Writes the row of the process, and drops those not seen for a day. A worker that drains has its new processes drain too."""
    async with database.write() as session:
        await _one_at_a_time(session, signs.name)
        now = await session.scalar(sa.select(db_time()))
        others = sa.select(sa.func.max(workers.c.drain_asked_at)).where(workers.c.name == signs.name, *_LIVING)
        asked_at = await session.scalar(others)
        row = {
            **{name: getattr(signs, name) for name in signs.__slots__},
            "started_at": now,
            "last_seen_at": now,
            "drain_asked_at": asked_at,
        }
        await upsert(session, workers, [row], keys=["id"])
        await session.execute(sa.delete(workers).where(workers.c.last_seen_at < db_time(-86400)))
        await session.commit()


async def seen(database: Database, worker_id: str, state: WorkerState) -> None:
    async with database.write() as session:
        await session.execute(sa.update(workers).where(workers.c.id == worker_id).values(last_seen_at=db_time(), state=state))
        await session.commit()


async def all_down(database: Database) -> None:
    """For who knows that none of them lives: a killed one would stand as up for a minute."""
    async with database.write() as session:
        await session.execute(sa.update(workers).where(workers.c.state != WorkerState.DOWN).values(state=WorkerState.DOWN))
        await session.commit()


async def asked_to_drain(database: Database, worker_id: str) -> bool:
    async with database.read() as session:
        return await session.scalar(sa.select(workers.c.drain_asked_at).where(workers.c.id == worker_id)) is not None


async def drain(session: AsyncSession, worker_id: str, *, asked: bool) -> bool:
    """Asks every process of the worker to take no more jobs, or to take them again. False when none of them lives."""
    name = await session.scalar(sa.select(workers.c.name).where(workers.c.id == worker_id))
    if name is None:
        return False
    await _one_at_a_time(session, name)
    since = sa.func.coalesce(workers.c.drain_asked_at, db_time()) if asked else None
    statement = sa.update(workers).where(workers.c.name == name, *_LIVING).values(drain_asked_at=since)
    return bool((await session.execute(statement.returning(workers.c.id))).all())


async def _one_at_a_time(session: AsyncSession, name: str) -> None:
    """Until the transaction ends: a process that signs in beside the request to drain would hear nothing of it."""
    await rows.advisory_lock(session, f"worker:{name}")


async def one(session: AsyncSession, worker_id: str) -> Any | None:
    return (await session.execute(sa.select(workers).where(workers.c.id == worker_id))).first()


async def list_all(session: AsyncSession) -> list[Any]:
    """Names of processes and nothing they work on. Newest first."""
    return list((await session.execute(sa.select(workers).order_by(workers.c.started_at.desc()).limit(200))).all())


async def living(session: AsyncSession) -> list[Any]:
    """Processes that take jobs: up, not asked to drain, and seen within the last minute."""
    taking = (workers.c.state == WorkerState.UP, workers.c.drain_asked_at.is_(None), *_LIVING)
    return list((await session.execute(sa.select(workers).where(*taking).order_by(workers.c.id))).all())
