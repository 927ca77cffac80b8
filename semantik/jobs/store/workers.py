"""What worker processes say of themselves, and who of them lives. Of the installation, not of a tenant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from semantik.jobs.store.clock import db_time
from semantik.kit.database import AsyncSession, Database, upsert
from semantik.tables.jobs import workers

# Workers sign every ten seconds.
SILENT_S = 60


@dataclass(frozen=True, slots=True)
class Signs:
    """What a worker process says of itself."""

    id: str
    pool: str
    queues: list[str]
    slots: int
    version: str
    state: str


async def sign_in(database: Database, signs: Signs) -> None:
    """Writes the worker's row, and drops rows of those not seen for a day."""
    async with database.write() as session:
        now = await session.scalar(sa.select(db_time()))
        row = {**{name: getattr(signs, name) for name in signs.__slots__}, "started_at": now, "last_seen_at": now}
        await upsert(session, workers, [row], keys=["id"])
        await session.execute(sa.delete(workers).where(workers.c.last_seen_at < db_time(-86400)))
        await session.commit()


async def seen(database: Database, worker_id: str, state: str) -> None:
    async with database.write() as session:
        await session.execute(sa.update(workers).where(workers.c.id == worker_id).values(last_seen_at=db_time(), state=state))
        await session.commit()


async def list_all(session: AsyncSession) -> list[Any]:
    """Names of processes and nothing they work on. Newest first."""
    return list((await session.execute(sa.select(workers).order_by(workers.c.started_at.desc()).limit(200))).all())


async def living(session: AsyncSession) -> list[Any]:
    """Workers that take jobs: up, and seen within the last minute."""
    living = sa.and_(workers.c.state == "up", workers.c.last_seen_at > db_time(-SILENT_S))
    return list((await session.execute(sa.select(workers).where(living).order_by(workers.c.id))).all())
