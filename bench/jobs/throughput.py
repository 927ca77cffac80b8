"""Jobs a second, and how long a job waits to be begun: in the process, through Celery as we use it, and bare Celery on the same Redis."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis as redis_client
import sqlalchemy as sa

from bench import machine
from bench.jobs.places import Items, Nothing, runtime_of, tenant, wipe
from bench.jobs.workers import bare_app
from semantik.auth.actor import Actor
from semantik.engines.events.redis import RedisEvents
from semantik.jobs.dispatch import Dispatcher
from semantik.jobs.dispatch_celery import CeleryDispatcher
from semantik.jobs.dispatch_local import LocalDispatcher
from semantik.jobs.queue import enqueue
from semantik.jobs.values import JobArgs
from semantik.kit.database import Database
from semantik.tables.jobs import jobs

COLUMNS = ["where", "no-op jobs/s", "10-item jobs/s", "wake-up p50 ms", "wake-up p95 ms", "wake-up p99 ms"]
_BATCH = 25
ROOT = Path(__file__).parents[2]


async def local(name: str, url: str, *, count: int, wakes: int) -> list[object]:
    runtime = runtime_of(url)
    dispatcher = LocalDispatcher(runtime, slots=2)
    return await _measure(f"in the process, {name}, 2 slots", runtime.database, dispatcher, count=count, wakes=wakes)


async def celery(url: str, broker: str, *, count: int, wakes: int) -> list[object]:
    runtime = runtime_of(url, events=RedisEvents(broker.removesuffix("/0") + "/1"))
    with worker("semantik", url, broker):
        dispatcher = CeleryDispatcher(runtime, broker)
        return await _measure("Celery mode, PostgreSQL, prefork of 2", runtime.database, dispatcher, count=count, wakes=wakes)


async def _measure(where: str, database: Database, dispatcher: Dispatcher, *, count: int, wakes: int) -> list[object]:
    await dispatcher.start()
    actor = await tenant(database, where)
    await _finished(database, actor, Nothing(), 20)
    nothing = count / await _finished(database, actor, Nothing(), count)
    items = (count // 3) / await _finished(database, actor, Items(), count // 3)
    waits = [await _wake(database, actor) for _ in range(wakes)]
    await dispatcher.stop()
    await wipe(database)
    await database.close()
    found = machine.percentiles(waits)
    return [where, round(nothing, 1), round(items, 1), round(found["p50"], 1), round(found["p95"], 1), round(found["p99"], 1)]


async def _finished(database: Database, actor: Actor, args: JobArgs, count: int) -> float:
    """Seconds from the first enqueue to the end of the last job."""
    await wipe(database)
    started = time.perf_counter()
    for start in range(0, count, _BATCH):
        async with database.write() as session:
            for _ in range(min(_BATCH, count - start)):
                await enqueue(session, args, actor=actor, title="bench")
            await session.commit()
    while True:
        async with database.read() as session:
            left = await session.scalar(sa.select(sa.func.count()).where(jobs.c.finished_at.is_(None)))
        if not left:
            return time.perf_counter() - started
        await asyncio.sleep(0.02)


async def _wake(database: Database, actor: Actor) -> float:
    """From the commit of an enqueue, with nothing else going on, to the first line of the handler."""
    async with database.write() as session:
        made = await enqueue(session, Nothing(), actor=actor, title="bench")
        await session.commit()
    committed = time.time()
    while True:
        await asyncio.sleep(0.03)
        async with database.read() as session:
            result = await session.scalar(sa.select(jobs.c.result).where(jobs.c.id == made.id))
        if result is not None:
            return max(0.0, float(result["at"]) - committed)


def bare(broker: str, *, count: int, wakes: int) -> list[object]:
    """Celery alone: no row, no result, no checkpoint; what is lost is lost."""
    app, client = bare_app(broker), redis_client.Redis.from_url(broker.removesuffix("/0") + "/2")

    def finished(number: int) -> float:
        client.delete("bench")
        started = time.perf_counter()
        for _ in range(number):
            app.send_task("bench.nothing", ignore_result=True)
        while client.llen("bench") < number:
            time.sleep(0.01)
        return time.perf_counter() - started

    def wake() -> float:
        client.delete("bench")
        app.send_task("bench.nothing", ignore_result=True)
        sent = time.time()
        found: Any = client.blpop(["bench"], timeout=30)
        time.sleep(0.03)
        return max(0.0, float(found[1]) - sent)

    with worker("bare", "", broker):
        finished(20)
        rate = count / finished(count)
        waits = machine.percentiles([wake() for _ in range(wakes)])
    return ["bare Celery, prefork of 2", round(rate, 1), None, round(waits["p50"], 1), round(waits["p95"], 1), round(waits["p99"], 1)]


@contextmanager
def worker(kind: str, url: str, broker: str, *, ttl_s: int = 30) -> Iterator[subprocess.Popen[bytes]]:
    """A worker in a process group of its own, and what it has started, until the block ends."""
    command = [sys.executable, "-m", "bench.jobs.workers", kind, url, broker, str(ttl_s)]
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
