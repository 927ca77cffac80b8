"""How fast the engine follows: recovery after kill -9, and a pause or a cancel of a running job."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import sqlalchemy as sa

from bench import machine
from bench.jobs.places import Items, runtime_of, tenant, wipe
from bench.jobs.throughput import worker
from semantik.auth.actor import Actor
from semantik.engines.events.redis import RedisEvents
from semantik.jobs.dispatch_celery import CeleryDispatcher
from semantik.jobs.dispatch_local import LocalDispatcher
from semantik.jobs.queue import enqueue
from semantik.jobs.states import Status
from semantik.jobs.store import control
from semantik.kit.database import Database
from semantik.tables.jobs import jobs
from tests.jobs.forks import Zygote
from tests.jobs.zygote import EFFECTS, Five

COLUMNS = ["where", "what", "times", "p50 ms", "p95 ms", "most ms", "target p95 ms"]


async def recovery_local(url: str, *, times: int) -> list[object]:
    """From kill -9 to the first checkpoint of the next process, its start included; it holds the folder, so it waits for no lease."""
    database = runtime_of(url).database
    actor = await tenant(database, "recovery")
    await _put(database, actor, Items(items=1_000_000, pace_s=0.02))
    waits = []
    for _ in range(times):
        with worker("alone", url, "none") as process:
            before = await _moves(database)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            killed, fence = time.perf_counter(), before
        with worker("alone", url, "none"):
            while (await _fence(database)) <= fence:
                await asyncio.sleep(0.01)
            waits.append(time.perf_counter() - killed)
            await _moves(database)
    await wipe(database)
    await database.close()
    return _row("in the process, SQLite", "recovery after kill -9, with the start of a new process", waits, 1000)


async def recovery_imported(url: str, *, times: int) -> list[object]:
    """The same by a process that is a fork of one which had imported everything: what the engine itself takes."""
    database, zygote = runtime_of(url).database, Zygote()
    actor = await tenant(database, "recovery")
    async with database.write() as session:
        await session.run_sync(lambda bound: EFFECTS.create(bound.connection(), checkfirst=True))
        await enqueue(session, Five(items=1_000_000, pace_s=0.02), actor=actor, title="bench")
        await session.commit()
    waits = []
    worker_pid = zygote.start(url, forever=True)
    for _ in range(times):
        fence = await _moves(database)
        zygote.kill(worker_pid)
        killed = time.perf_counter()
        worker_pid = zygote.start(url, forever=True)
        while (await _fence(database)) <= fence:
            await asyncio.sleep(0.005)
        waits.append(time.perf_counter() - killed)
    zygote.kill(worker_pid)
    zygote.close()
    await wipe(database)
    await database.close()
    return _row("in the process, SQLite", "recovery after kill -9, by a process with its imports done", waits, 1000)


async def recovery_distributed(url: str, broker: str, *, times: int, ttl_s: int = 5) -> list[object]:
    """From kill -9 of the owner to the claim by a worker that was idle beside it."""
    database = runtime_of(url).database
    actor = await tenant(database, "recovery")
    dispatcher = CeleryDispatcher(runtime_of(url, events=RedisEvents(broker.removesuffix("/0") + "/1")), broker)
    await dispatcher.start()
    waits = []
    for _ in range(times):
        await _put(database, actor, Items(items=1_000_000, pace_s=0.05))
        with worker("semantik", url, broker, ttl_s=ttl_s) as first:
            fence = await _moves(database)
            with worker("semantik", url, broker, ttl_s=ttl_s):
                await asyncio.sleep(4)
                os.killpg(first.pid, signal.SIGKILL)
                killed = time.perf_counter()
                while (await _fence(database)) <= fence:
                    await asyncio.sleep(0.02)
                waits.append(time.perf_counter() - killed)
        await wipe(database)
    await dispatcher.stop()
    await database.close()
    return _row(f"Celery mode, lease of {ttl_s} s", "recovery after kill -9 of the owner", waits, (ttl_s + 2) * 1000)


async def latency(name: str, url: str, *, pace_s: float, times: int) -> list[list[object]]:
    runtime = runtime_of(url)
    database = runtime.database
    actor = await tenant(database, "latency")
    dispatcher = LocalDispatcher(runtime, slots=1)
    await dispatcher.start()
    waits: dict[str, list[float]] = {"pause": [], "cancel": []}
    for number in range(times):
        job_id = await _put(database, actor, Items(items=1_000_000, pace_s=pace_s))
        for verb, status in (("pause", Status.PAUSED), ("cancel", Status.CANCELLED)):
            await _until(database, job_id, Status.RUNNING)
            await asyncio.sleep(0.15 + 0.017 * number)
            started = time.perf_counter()
            async with database.write() as session:
                await getattr(control, verb)(session, job_id, by=None)
                await session.commit()
            await _until(database, job_id, status)
            waits[verb].append(time.perf_counter() - started)
            if verb == "pause":
                async with database.write() as session:
                    await control.resume(session, job_id, by=None)
                    await session.commit()
    await dispatcher.stop()
    await wipe(database)
    await database.close()
    item_ms = pace_s * 1000
    return [_row(f"in the process, {name}", f"{verb}, items of {item_ms:.0f} ms", found, item_ms + 50) for verb, found in waits.items()]


async def _put(database: Database, actor: Actor, args: Items) -> str:
    async with database.write() as session:
        made = await enqueue(session, args, actor=actor, title="bench")
        await session.commit()
    return made.id


async def _fence(database: Database) -> int:
    async with database.read() as session:
        return int(await session.scalar(sa.select(sa.func.max(jobs.c.fence))) or 0)


async def _moves(database: Database) -> int:
    """Waits until the running job has written a checkpoint under its present fence; that fence."""
    async with database.read() as session:
        before = await session.scalar(sa.select(sa.func.max(jobs.c.done)))
    while True:
        async with database.read() as session:
            row = (await session.execute(sa.select(jobs.c.done, jobs.c.fence, jobs.c.status).order_by(jobs.c.fence.desc()))).first()
        if row is not None and row.status == "running" and row.done > (before or 0):
            return int(row.fence)
        await asyncio.sleep(0.02)


async def _until(database: Database, job_id: str, status: Status) -> None:
    while True:
        async with database.read() as session:
            if await session.scalar(sa.select(jobs.c.status).where(jobs.c.id == job_id)) == status:
                return
        await asyncio.sleep(0.003)


def _row(where: str, what: str, seconds: list[float], target: float) -> list[object]:
    found = machine.percentiles(seconds)
    return [where, what, len(seconds), round(found["p50"], 1), round(found["p95"], 1), round(max(seconds) * 1000, 1), target]
