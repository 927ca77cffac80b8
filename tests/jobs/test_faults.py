"""Faults that need no killed process: connections that break at the worst moment, busy databases, handlers that hang, users at once."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa

from semantik.engines.events.redis import RedisEvents
from semantik.jobs.context import JobContext
from semantik.jobs.dispatch_local import LocalDispatcher
from semantik.jobs.handlers import handles
from semantik.jobs.outbox import Outbox
from semantik.jobs.states import Status, WrongState
from semantik.jobs.store import control
from semantik.jobs.values import Effect, Item, JobArgs
from semantik.kit.concurrency import Loops
from semantik.kit.database import AsyncSession, Database, open_database
from semantik.kit.database_errors import DatabaseUnavailable
from semantik.runtime import SilentBell
from semantik.tables.jobs import job_attempts
from tests.jobs.conftest import World, runtime_of
from tests.jobs.oracle import check
from tests.jobs.proxy import Proxy
from tests.jobs.zygote import EFFECTS, Five


@pytest.fixture
async def effects(database: Database) -> None:
    async with database.write() as session:
        await session.run_sync(lambda bound: EFFECTS.create(bound.connection()))
        await session.commit()


@pytest.mark.slow
@pytest.mark.parametrize("hit", [2, 4, 7, 10])
async def test_a_commit_whose_answer_is_lost_is_not_done_again(
    world: World, database_url: str, effects: None, tmp_path: Path, hit: int
) -> None:
    if database_url.startswith("sqlite"):
        pytest.skip("there is no connection to lose")
    url = sa.make_url(database_url)
    assert url.host is not None
    assert url.port is not None
    made = await world.put(Five(items=8, pace_s=0.06))
    async with Proxy(url.host, url.port) as proxy:
        # One connection, so that the counted commits are those of the job and its pulse.
        behind = open_database(url.set(host="127.0.0.1", port=proxy.port).render_as_string(), pool_size=1, max_overflow=3)
        proxy.cut = hit
        dispatcher = LocalDispatcher(runtime_of(behind, tmp_path, lease_ttl_s=2), slots=1)
        await dispatcher.start()
        await world.until(made.id, Status.COMPLETED, within_s=40)
        await dispatcher.stop(grace_s=2)
        await behind.close()
        assert proxy.cuts == 1
    seen = await check(world.database)
    assert seen.effects == 8


async def test_a_database_that_is_busy_again_and_again_costs_time_and_no_attempt(
    world: World, database_url: str, effects: None, tmp_path: Path
) -> None:
    """Another writer holds SQLite for a while, or PostgreSQL picks our transaction as the victim of a deadlock."""
    made = await world.put(Five(items=6, pace_s=0.06)) if database_url.startswith("sqlite") else await world.put(Deadlocked())
    dispatcher = LocalDispatcher(runtime_of(world.database, tmp_path), slots=1)
    await dispatcher.start()
    if database_url.startswith("sqlite"):
        for _ in range(4):
            await asyncio.to_thread(_hold, database_url.removeprefix("sqlite:///"), 0.25)
            await asyncio.sleep(0.1)
    job = await world.until(made.id, Status.COMPLETED, within_s=30)
    await dispatcher.stop(grace_s=2)
    assert (job.attempt, job.failed, job.losses, job.outcome) == (1, 0, 0, "ok")


class Unlucky(JobArgs):
    kind: ClassVar[str] = "unlucky"


async def test_a_database_that_goes_away_more_often_than_a_job_may_fail_costs_no_attempt(world: World) -> None:
    tries: list[int] = []

    @handles(Unlucky)
    async def meet(ctx: JobContext, args: Unlucky) -> None:
        tries.append(ctx.lease.fence)
        if len(tries) <= ctx.job.max_attempts + 2:
            raise DatabaseUnavailable("the database server is shutting down or starting")

    made = await world.put(Unlucky())
    before = await world.job(made.id)
    for _ in range(before.max_attempts + 3):
        await world.age(made.id, available_at=before.created_at)
        await world.work(at_most=1)
    job = await world.job(made.id)
    assert (job.status, job.attempt, len(tries)) == (Status.COMPLETED, 1, before.max_attempts + 3)


def _hold(path: str, seconds: float) -> None:
    connection = sqlite3.connect(path, timeout=10)
    connection.isolation_level = None
    connection.execute("BEGIN IMMEDIATE")
    time.sleep(seconds)
    connection.execute("ROLLBACK")
    connection.close()


class Deadlocked(JobArgs):
    kind: ClassVar[str] = "deadlocked"


_lost: list[str] = []


@handles(Deadlocked)
class DeadlockedJob:
    async def items(self, ctx: JobContext, args: Deadlocked, cursor: Any) -> AsyncIterator[Item]:
        for number in range(cursor or 0, 3):
            yield Item(str(number), number, number + 1)

    async def process(self, ctx: JobContext, args: Deadlocked, item: Item) -> Effect:
        async def effect(session: AsyncSession) -> None:
            if item.key not in _lost:
                _lost.append(item.key)
                await session.execute(sa.text("DO $$ BEGIN RAISE EXCEPTION 'deadlock detected' USING ERRCODE = '40P01'; END $$"))

        return effect


class Hangs(JobArgs):
    kind: ClassVar[str] = "hangs"
    stall_timeout_s: ClassVar[float] = 0.6


@handles(Hangs)
class HangsJob:
    """Item 1 never ends, though its process is alive and renews the lease."""

    async def items(self, ctx: JobContext, args: Hangs, cursor: Any) -> AsyncIterator[Item]:
        for number in range(cursor or 0, 3):
            yield Item(str(number), number, number + 1)

    async def process(self, ctx: JobContext, args: Hangs, item: Item) -> Effect | None:
        if item.value == 1:
            await asyncio.Event().wait()
        return None


@pytest.mark.slow
async def test_an_item_that_hangs_is_told_of_cut_off_and_put_aside(world: World, tmp_path: Path) -> None:
    made = await world.put(Hangs())
    dispatcher = LocalDispatcher(runtime_of(world.database, tmp_path), slots=1)
    await dispatcher.start()
    job = await world.until(made.id, Status.COMPLETED, within_s=40)
    await dispatcher.stop(grace_s=2)
    assert (job.done, job.quarantined, job.outcome) == (2, 1, "partial")
    told = [type_ for _, type_ in await world.events(made.id)]
    assert "job.stalled" in told
    assert told.index("job.stalled") < told.index("job.lost")


async def test_users_who_ask_different_things_at_once_get_one_winner(world: World, effects: None) -> None:
    for _ in range(5):
        made = await world.put(Five())
        verbs = [control.pause, control.cancel, control.resume, control.pause, control.cancel]
        answers = await asyncio.gather(*(world.ask(verb, made.id) for verb in verbs), return_exceptions=True)
        assert all(not isinstance(one, BaseException) or isinstance(one, WrongState) for one in answers), answers
        cancelled = [one for one in answers if not isinstance(one, BaseException) and one.status is Status.CANCELLED]
        # Cancelled once, whatever came before; nothing brings it back.
        assert len(cancelled) == 1
        assert (await world.job(made.id)).status is Status.CANCELLED
    await check(world.database)


async def test_no_attempt_is_left_open_when_a_job_is_cancelled_by_force(world: World, effects: None, tmp_path: Path) -> None:
    made = await world.put(Five(items=100))
    dispatcher = LocalDispatcher(runtime_of(world.database, tmp_path), slots=1)
    await dispatcher.start()
    await world.until(made.id, Status.RUNNING)
    await world.ask(control.cancel, made.id, force=True)
    await dispatcher.stop(grace_s=3)
    await check(world.database)
    async with world.database.read() as session:
        assert (await session.scalar(sa.select(job_attempts.c.how))) == "control"


@pytest.mark.parametrize("bus", ["memory", "redis"])
async def test_who_asks_a_running_job_to_pause_wakes_its_worker_by_an_event(
    world: World, effects: None, bus: str, request: pytest.FixtureRequest
) -> None:
    """The worker looks for itself once an hour only; over Redis it is asked by another process, with a bus of its own."""
    url = request.getfixturevalue("redis_url") if bus == "redis" else None
    mine, theirs = (RedisEvents(url), RedisEvents(url)) if url is not None else (world.runtime.events, world.runtime.events)
    world.runtime.events = mine
    runner, outbox = world.runner(look_every_s=3600), Outbox(world.database, theirs, SilentBell(), Loops())
    await runner.start()
    await outbox.start()
    made = await world.put(Five(items=2000, pace_s=0.02))
    working = asyncio.create_task(runner.run_next("cpu"))
    await world.until(made.id, Status.RUNNING)
    await world.ask(control.pause, made.id)
    job = await world.until(made.id, Status.PAUSED, within_s=30)
    assert await working
    assert 0 < job.done + 1 < 2000
    await outbox.stop()
    await runner.stop()
    for one in {mine, theirs}:
        await one.close()
