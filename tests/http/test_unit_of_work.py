"""Two requests that lock each other out: PostgreSQL undoes one of them, and it is done again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import APIRouter

from semantik.http.dependencies import PUBLIC, WriteSession
from semantik.http.unit_of_work import UnitOfWork
from semantik.kit.clock import now
from semantik.kit.database import open_database
from semantik.tables.accounts import tenants
from tests.http.conftest import Spine, build, client_of

# SQLite has one writer: two writes cannot lock each other out, and its pool waits in line by design.
pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


class Crossing:
    """Both hold their first row before either asks for its second; whoever comes again does not wait."""

    def __init__(self) -> None:
        self.router = APIRouter(route_class=UnitOfWork)
        self.tries: list[str] = []
        self._both = asyncio.Barrier(2)

        @self.router.post("/cross/{first}/{second}", dependencies=[PUBLIC])
        async def cross(first: str, second: str, session: WriteSession) -> str:
            self.tries.append(first)
            await self._rename(session, first)
            if self.tries.count(first) == 1:
                await self._both.wait()
            await self._rename(session, second)
            return first

    async def _rename(self, session: Any, row: str) -> None:
        await session.execute(sa.update(tenants).where(tenants.c.id == row).values(name=tenants.c.name + "+"))


async def test_a_deadlock_is_done_again_and_nothing_is_done_twice(spine: Spine) -> None:
    async with spine.database.write() as session:
        await session.execute(sa.insert(tenants), [{"id": one, "name": one, "created_at": now()} for one in ("a", "b")])
        await session.commit()
    crossing = Crossing()
    app = build(spine)
    app.include_router(crossing.router)
    async with client_of(app) as client:
        answers = await asyncio.gather(client.post("/cross/a/b"), client.post("/cross/b/a"))
    assert [one.status_code for one in answers] == [200, 200]
    assert len(crossing.tries) == 3
    async with spine.database.read() as session:
        assert sorted(await session.scalars(sa.select(tenants.c.name))) == ["a++", "b++"]


async def test_a_full_pool_is_said_with_the_time_to_wait_and_recovers(spine: Spine, database_url: str) -> None:
    small = open_database(database_url, pool_size=1, max_overflow=0, pool_timeout_s=0.2)
    async with client_of(build(Spine(spine.settings, small, spine.keyring))) as client, small.read() as holder:
        await holder.execute(sa.select(1))
        refused = await client.get("/probe/tenants")
        assert (refused.status_code, refused.json()["code"]) == (503, "database_busy")
        assert int(refused.headers["retry-after"]) >= 1
        await holder.rollback()
        assert (await client.get("/probe/tenants")).json() == 0
    await small.close()
