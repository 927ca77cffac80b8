"""Binds the contract of dispatchers to the slots of this process and to Celery workers on a real Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from semantik.jobs.dispatch_celery import CeleryDispatcher
from semantik.jobs.dispatch_local import LocalDispatcher
from semantik.kit.database import AsyncSession, Database
from semantik.testing.jobs import Bench, DispatcherContract
from tests import services
from tests.conftest import make_tenant
from tests.jobs.conftest import runtime_of
from tests.jobs.test_celery import worker


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


@pytest.mark.slow
class TestCelery(DispatcherContract):
    @pytest.fixture
    async def bench(self, database: Database, database_url: str, tmp_path: Path) -> AsyncIterator[Bench]:
        with services.redis() as redis:
            dispatcher = CeleryDispatcher(runtime_of(database, tmp_path), redis)
            await dispatcher.start()
            with worker(database_url, redis):
                yield await bench_of(database)
            await dispatcher.stop()
