"""Celery as transport: real workers on a real Redis, with the table as the only truth."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from semantik.jobs.dispatch_celery import CeleryBell, CeleryDispatcher, make_app
from semantik.jobs.states import Status
from semantik.kit.database import Database
from tests import services
from tests.jobs.conftest import World
from tests.jobs.zygote import EFFECTS, Five

pytestmark = [pytest.mark.slow, pytest.mark.crash]
_ROOT = Path(__file__).parents[2]


@pytest.fixture
def redis() -> Iterator[str]:
    with services.redis() as url:
        yield url


@pytest.fixture
async def effects(database: Database) -> None:
    async with database.write() as session:
        await session.run_sync(lambda bound: EFFECTS.create(bound.connection()))
        await session.commit()


@contextmanager
def worker(database_url: str, redis: str, *, pool: str = "threads", ttl_s: int = 2) -> Iterator[subprocess.Popen[bytes]]:
    env = {
        **os.environ,
        "SEMANTIK_TEST_DATABASE": database_url,
        "SEMANTIK_TEST_BROKER": redis,
        "SEMANTIK_TEST_EVENTS": redis.removesuffix("/0") + "/1",
        "SEMANTIK_TEST_POOL": pool,
        "SEMANTIK_TEST_TTL_S": str(ttl_s),
    }
    command = [sys.executable, "-m", "celery", "-A", "tests.jobs.celery_app", "worker", "-P", pool, "-c", "2", "-Q", "io,cpu,maintenance"]
    command += ["--without-mingle", "--without-gossip", "-l", "WARNING", "-n", f"test-{time.monotonic_ns()}@localhost"]
    process = subprocess.Popen(command, cwd=_ROOT, env=env, start_new_session=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


async def _counts(world: World) -> list[int]:
    async with world.database.read() as session:
        return [row[0] for row in await session.execute(sa.text("SELECT count(*) FROM crash_effects GROUP BY job_id, item_key"))]


@pytest.mark.parametrize("pool", ["threads", "prefork"])
async def test_a_killed_worker_is_replaced_and_every_effect_happens_once(
    world: World, database_url: str, redis: str, effects: None, pool: str
) -> None:
    dispatcher = CeleryDispatcher(world.runtime, redis)
    await dispatcher.start()
    with worker(database_url, redis, pool=pool) as first:
        made = [await world.put(Five(items=20, pace_s=0.06)) for _ in range(4)]
        await world.until(made[0].id, Status.RUNNING, within_s=60)
        os.killpg(first.pid, signal.SIGKILL)
    with worker(database_url, redis, pool=pool) as second:
        for one in made:
            await world.until(one.id, Status.COMPLETED, within_s=60)
        second.terminate()
        second.wait(60)
    await dispatcher.stop()
    counts = await _counts(world)
    assert (len(counts), max(counts)) == (80, 1)
    assert sum([(await world.job(one.id)).losses for one in made]) >= 1


async def test_a_stopped_worker_hands_over_without_a_loss(world: World, database_url: str, redis: str, effects: None) -> None:
    dispatcher = CeleryDispatcher(world.runtime, redis)
    await dispatcher.start()
    with worker(database_url, redis) as first:
        made = await world.put(Five(items=200, pace_s=0.06))
        await world.until(made.id, Status.RUNNING, within_s=60)
        first.terminate()
        first.wait(60)
        handed = await world.job(made.id)
    assert (handed.status, handed.losses, handed.attempt) == (Status.QUEUED, 0, 0)
    assert 0 < handed.done < 200
    await dispatcher.stop()


async def test_without_doorbells_the_workers_find_the_jobs(world: World, database_url: str, redis: str, effects: None) -> None:
    """No ring at all: Redis lost them, or the process that enqueued could not reach it."""
    made = [await world.put(Five(items=2)) for _ in range(3)]
    with worker(database_url, redis):
        for one in made:
            await world.until(one.id, Status.COMPLETED, within_s=60)


async def test_fifty_doorbells_run_a_job_once(world: World, database_url: str, redis: str, effects: None) -> None:
    made = await world.put(Five(items=2))
    bell = CeleryBell(redis)
    bell.ring("cpu", 50)
    bell.ring("nonsense", 2)
    with worker(database_url, redis):
        done = await world.until(made.id, Status.COMPLETED, within_s=60)
    bell.close()
    assert done.fence == 1
    assert max(await _counts(world)) == 1


def test_ringing_a_broker_that_is_gone_takes_no_time_of_the_caller() -> None:
    bell = CeleryBell(f"redis://127.0.0.1:{services.free_port()}/0")
    started = time.monotonic()
    bell.ring("cpu")
    assert time.monotonic() - started < 0.1
    assert bell.depth("cpu") is None
    bell.close()


def test_the_settings_are_those_that_were_measured() -> None:
    conf = make_app("redis://127.0.0.1:1/0").conf
    assert conf.task_acks_late is False
    assert conf.task_ignore_result is True
    assert conf.result_backend is None
    assert conf.accept_content == ["json"]
    assert conf.worker_prefetch_multiplier == 1
    assert conf.worker_cancel_long_running_tasks_on_connection_loss is False
    assert conf.task_default_queue == "semantik"
