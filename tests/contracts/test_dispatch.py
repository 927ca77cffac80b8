"""Binds the contract of dispatchers to the slots of this process and to Celery workers on a real Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from semantik.jobs.dispatch_celery import CeleryDispatcher
from semantik.jobs.dispatch_local import LocalDispatcher
from semantik.kit.database import AsyncSession, Database
from semantik.testing.jobs import Bench, DispatcherContract
from tests.conftest import make_tenant
from tests.jobs.conftest import runtime_of
from tests.jobs.forks import Zygote


async def bench_of(database: Database) -> Bench:
    @asynccontextmanager
    async def transaction() -> AsyncIterator[AsyncSession]:
        async with database.write() as session:
            yield session
            await session.commit()

    return Bench(database, await make_tenant(database, "Alpha"), transaction)


class TestLocal(DispatcherContract):
    @pytest.fixture
    async def bench(self, database: Database, tmp_path: Path) -> AsyncIterator[Bench]:
        dispatcher = LocalDispatcher(runtime_of(database, tmp_path))
        await dispatcher.start()
        yield await bench_of(database)
        await dispatcher.stop(grace_s=2)


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    opened = Zygote()
    yield opened
    opened.close()


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
class TestCelery(DispatcherContract):
    @pytest.fixture
    async def bench(self, database: Database, database_url: str, redis_url: str, zygote: Zygote, tmp_path: Path) -> AsyncIterator[Bench]:
        dispatcher = CeleryDispatcher(runtime_of(database, tmp_path), redis_url)
        await dispatcher.start()
        worker = zygote.start(database_url, celery=True, broker=redis_url, ttl_s=2, slots=2)
        yield await bench_of(database)
        zygote.kill(worker)
        await dispatcher.stop()
