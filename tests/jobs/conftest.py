"""A small world for engine tests: a database of each kind, two tenants, a runtime with nothing but what jobs need."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa

from semantik.auth.actor import Actor
from semantik.engines.events.memory import MemoryEvents
from semantik.jobs import handlers
from semantik.jobs.queue import enqueue
from semantik.jobs.runner import Runner
from semantik.jobs.states import Status
from semantik.jobs.store import control, reading
from semantik.jobs.values import Enqueued, Job, JobArgs
from semantik.kit import logs
from semantik.kit.database import Database
from semantik.kit.settings import Settings
from semantik.runtime import Runtime, SilentBell
from semantik.tables.jobs import job_events, jobs
from tests.conftest import make_tenant


@dataclass
class World:
    """What a test touches: `put` enqueues, `work` runs what is ready, `ask` is the user, `job` and `events` look."""

    database: Database
    runtime: Runtime
    actor: Actor
    other: Actor

    def runner(self, **options: Any) -> Runner:
        return Runner(self.runtime, **options)

    async def put(self, args: JobArgs, *, actor: Actor | None = None, **options: Any) -> Enqueued:
        async with self.database.write() as session:
            made = await enqueue(session, args, actor=actor or self.actor, title=options.pop("title", args.kind), **options)
            await session.commit()
        return made

    async def work(self, *, queue: str = "cpu", runner: Runner | None = None, at_most: int = 100) -> int:
        """Runs ready jobs of the queue one after the other; returns how many attempts there were."""
        runner = runner or self.runner()
        for count in range(at_most):
            if not await runner.run_next(queue):
                return count
        return at_most

    async def ask(self, verb: Callable[..., Awaitable[Job]], job_id: str, **options: Any) -> Job:
        async with self.database.write() as session:
            job = await verb(session, job_id, by="user", **options)
            await session.commit()
        return job

    async def job(self, job_id: str) -> Job:
        found = await reading.job(self.database, job_id)
        assert found is not None
        return found

    async def until(self, job_id: str, *statuses: Status, within_s: float = 10) -> Job:
        end = time.monotonic() + within_s
        while (job := await self.job(job_id)).status not in statuses and time.monotonic() < end:
            await asyncio.sleep(0.02)
        if job.status in statuses:
            return job
        raise AssertionError(f"job is {job.status}, not {statuses}, after {within_s} s")

    async def events(self, job_id: str) -> list[tuple[int, str]]:
        async with self.database.read() as session:
            found = await session.execute(
                sa.select(job_events.c.seq, job_events.c.type).where(job_events.c.job_id == job_id).order_by(job_events.c.seq)
            )
            return [(row.seq, row.type) for row in found]

    async def age(self, job_id: str, **columns: Any) -> None:
        """Sets columns of the row behind the engine's back."""
        async with self.database.write() as session:
            await session.execute(sa.update(jobs).where(jobs.c.id == job_id).values(**columns))
            await session.commit()

    pause = staticmethod(control.pause)
    resume = staticmethod(control.resume)
    cancel = staticmethod(control.cancel)
    retry = staticmethod(control.retry)
    restart = staticmethod(control.restart)


def runtime_of(database: Database, folder: Path, *, lease_ttl_s: int = 30) -> Runtime:
    settings = Settings(data_dir=folder, job_lease_ttl_s=lease_ttl_s)
    nothing = cast(Any, None)
    engines = {"keyring": nothing, "blobs": nothing, "vectors": nothing, "extractor": nothing}
    return Runtime(settings=settings, database=database, events=MemoryEvents(), bell=SilentBell(), **engines)


@pytest.fixture
async def world(database: Database, tmp_path: Path) -> World:
    logs.configure("error", "console")
    return World(database, runtime_of(database, tmp_path), await make_tenant(database, "Alpha"), await make_tenant(database, "Beta"))


@pytest.fixture(autouse=True)
def own_kinds() -> Any:
    """Kinds that a test registers are gone after it."""
    before = set(handlers.known_kinds())
    yield
    for kind in set(handlers.known_kinds()) - before:
        handlers.forget(kind)
