"""Starts worker processes that tests kill: imports everything once, then forks, so that a start costs milliseconds.

No engine, loop or thread exists before a fork; the commands are those of `tests/jobs/forks.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
import traceback
from collections.abc import AsyncIterator
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any, ClassVar, cast

import sqlalchemy as sa

from semantik.auth.actor import system
from semantik.engines.events.base import EventBus
from semantik.engines.events.memory import MemoryEvents
from semantik.engines.events.redis import RedisEvents
from semantik.engines.limits.base import Buckets, Rate
from semantik.engines.limits.memory import MemoryBuckets
from semantik.engines.limits.redis import RedisBuckets
from semantik.jobs import failpoints, rescue
from semantik.jobs.context import JobContext
from semantik.jobs.dispatch import Dispatcher
from semantik.jobs.dispatch_celery import CeleryDispatcher
from semantik.jobs.dispatch_local import LocalDispatcher
from semantik.jobs.handlers import handles
from semantik.jobs.queue import enqueue
from semantik.jobs.states import ENDED, Status, WrongState
from semantik.jobs.store import control
from semantik.jobs.store.rows import DATABASE_ERRORS
from semantik.jobs.values import Effect, Item, JobArgs
from semantik.jobs.worker_celery import run
from semantik.jobs.worker_process import Plan
from semantik.kit import clock, logs, redis_place
from semantik.kit.database import AsyncSession, Database, open_database
from semantik.kit.errors import Misconfigured
from semantik.kit.ids import TenantId
from semantik.kit.settings import Settings
from semantik.runtime import Runtime
from semantik.tables.jobs import jobs
from semantik.testing import jobs as contract
from tests.jobs import forks, sabotage

# No key and no uniqueness: a doubled effect must show. `place` tells the order in which effects came to be.
EFFECTS = sa.Table(
    "crash_effects",
    sa.MetaData(),
    sa.Column("place", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("job_id", sa.Text),
    sa.Column("item_key", sa.Text),
    sa.Column("fence", sa.BigInteger),
)


class Five(JobArgs):
    """`kills`: the key of an item that ends its process with `signal`."""

    kind: ClassVar[str] = "five"
    items: int = 5
    pace_s: float = 0.051
    kills: str | None = None
    signal: int = signal.SIGKILL


@handles(Five)
class FiveJob:
    async def total(self, ctx: JobContext, args: Five) -> int:
        return args.items

    async def items(self, ctx: JobContext, args: Five, cursor: Any) -> AsyncIterator[Item]:
        for number in range(cursor or 0, args.items):
            yield Item(str(number), number, number + 1)

    async def process(self, ctx: JobContext, args: Five, item: Item) -> Effect:
        if args.pace_s:
            await asyncio.sleep(args.pace_s)
        if item.key == args.kills:
            os.kill(os.getpid(), args.signal)

        async def effect(session: AsyncSession) -> None:
            await session.execute(sa.insert(EFFECTS).values(job_id=ctx.job.id, item_key=item.key, fence=ctx.lease.fence))

        return effect


# Named, so that a worker started here knows the contract's kind as well.
KINDS = (Five, contract.CountTo)


class Where(JobArgs):
    """Tells in its result which process, event loop and engine it ran on."""

    kind: ClassVar[str] = "where"


@handles(Where)
async def where(ctx: JobContext, args: Where) -> dict[str, Any]:
    await asyncio.sleep(0.01)
    return {"pid": os.getpid(), "loop": id(asyncio.get_running_loop()), "engine": id(ctx.runtime.database.engine)}


class Draw(JobArgs):
    """Draws single tokens from a bucket that `workers` share, as soon as so many are at it.

    `fails`: what they were for fails, and they are given back.
    """

    kind: ClassVar[str] = "draw"
    bucket: str
    per_s: float
    burst: float
    draws: int
    workers: int = 1
    fails: bool = False


@handles(Draw)
async def draw(ctx: JobContext, args: Draw) -> dict[str, Any]:
    rate = Rate(args.per_s, args.burst)
    at_it = sa.select(sa.func.count()).select_from(jobs).where(jobs.c.kind == Draw.kind, jobs.c.started_at.is_not(None))
    while await _scalar(ctx.runtime.database, at_it) < args.workers:
        await ctx.check()
        await asyncio.sleep(0.02)
    for _ in range(args.draws):
        while wait := await ctx.runtime.buckets.take(args.bucket, 1, rate):
            await ctx.check()
            await asyncio.sleep(min(wait, 0.2))
        if args.fails:
            await ctx.runtime.buckets.settle(args.bucket, taken=1, used=0, rate=rate)
    return {"pid": os.getpid()}


async def work(command: dict[str, Any]) -> None:
    """One process of slots: makes the job it was told to, and works until every job has ended, or for ever."""
    runtime = open_runtime(command)
    if command.get("alone", True):
        await rescue.take_back_all(runtime.database)
    dispatcher: Dispatcher = CeleryDispatcher(runtime, command["broker"]) if command.get("api") else LocalDispatcher(runtime)
    if command.get("tenant") and not command.get("api"):
        await _make(runtime.database, command)
    try:
        await dispatcher.start()
    except DATABASE_ERRORS:
        sys.exit(forks.CUT_OFF)
    asked_to_stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked_to_stop.set)
    if command.get("api"):
        await _make(runtime.database, command)
    while not asked_to_stop.is_set() and (command.get("forever") or (not command.get("api") and await _open(runtime.database))):
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asked_to_stop.wait(), 0.5 if command.get("forever") else 0.02)
    await dispatcher.stop(grace_s=1)
    await runtime.database.close()


def celery(command: dict[str, Any]) -> None:
    """A Celery worker, in the way its command line starts one."""

    async def opened() -> Runtime:
        if command.get("misconfigured"):
            raise Misconfigured("a setting names what is not there")
        return open_runtime(command)

    chosen = {name: command[name] for name in ("slots", "deaf_s", "silence_s", "slice_s") if name in command}
    scale = tuple(command["autoscale"]) if "autoscale" in command else None
    plan = Plan(pool=command.get("pool", "threads"), queues=("io", "cpu", "maintenance"), autoscale=scale, **chosen)
    sys.exit(run(command["broker"], opened, plan))


def open_runtime(command: dict[str, Any]) -> Runtime:
    """A runtime with nothing but what jobs need."""
    settings = Settings(data_dir=Path("/nonexistent"), job_lease_ttl_s=command.get("ttl_s", 30), job_concurrency=command.get("slots", 1))
    nothing = cast(Any, None)
    database = open_database(command["url"], pool_size=4, max_overflow=4, idle_transaction_timeout_s=settings.job_lease_ttl_s)
    events: EventBus = MemoryEvents()
    buckets: Buckets = MemoryBuckets()
    if broker := command.get("broker"):
        beside = redis_place.beside(broker)
        events, buckets = RedisEvents(beside), RedisBuckets(beside, workers=4)
    engines = {"keyring": nothing, "blobs": nothing, "vectors": nothing, "extractor": nothing}
    return Runtime(settings=settings, database=database, events=events, buckets=buckets, **engines)


async def _make(database: Database, command: dict[str, Any]) -> None:
    """Makes the job, if it is not there, then pauses and resumes it; each answer that a client would have got goes into `acks`."""
    async with database.read() as session:
        if await session.scalar(sa.select(jobs.c.id)) is not None:
            return
    async with database.write() as session:
        args = Five.model_validate({name: command[name] for name in Five.model_fields if name in command})
        made = await enqueue(session, args, actor=system(TenantId(command["tenant"])), title="five")
        if command.get("sabotage") == "ack_early":
            _acknowledge(command, f"made {made.id}")
        await session.commit()
    _acknowledge(command, f"made {made.id}")
    for verb in (control.pause, control.resume):
        while not await _ask(database, verb, made.id):
            await asyncio.sleep(0.02)
        _acknowledge(command, f"{verb.__name__}d {made.id}")


async def _ask(database: Database, verb: Any, job_id: str) -> bool:
    """False while a worker that has the job already must first follow the verb before."""
    async with database.write() as session:
        try:
            job = await verb(session, job_id, by=None)
            await session.commit()
        except WrongState as refused:
            return refused.data["state"] not in (Status.RUNNING, Status.PAUSING)
    return job is not None


def _acknowledge(command: dict[str, Any], line: str) -> None:
    if path := command.get("acks"):
        with Path(path).open("a") as file:
            file.write(line + "\n")


async def _scalar(database: Database, query: sa.Select[int]) -> int:
    async with database.read() as session:
        return (await session.scalars(query)).one()


async def _open(database: Database) -> bool:
    # A job whose maker died between pause and resume is paused for good: that is a state to end in, too.
    settled = [*ENDED, "paused"]
    try:
        async with database.read() as session:
            return await session.scalar(sa.select(jobs.c.id).where(jobs.c.status.not_in(settled)).limit(1)) is not None
    except DATABASE_ERRORS:
        # Frozen while it looked, it was cut off: it looks again.
        return True


def _skew(seconds: float) -> None:
    """Lets this process's own clocks lie, as on a worker whose time is wrong."""
    true_time = time.time

    class Lying(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Lying:
            return cls.fromtimestamp(true_time() + seconds, tz)

    setattr(time, "time", lambda: true_time() + seconds)  # noqa: B010 - lying is the point
    setattr(clock, "datetime", Lying)  # noqa: B010


def _child(command: dict[str, Any]) -> None:
    # Whatever is printed must not reach the pipe of answers.
    os.dup2(2, 1)
    logs.configure(command.get("log", "critical"), "console")
    failpoints.arm(command.get("failpoints", ""))
    sabotage.apply(command.get("sabotage"))
    if command.get("skew_s"):
        _skew(command["skew_s"])
    try:
        if command.get("celery"):
            celery(command)
        else:
            asyncio.run(work(command))
    except SystemExit as ended:
        os._exit(ended.code if isinstance(ended.code, int) else 0)
    except BaseException:  # noqa: BLE001 (the end of this process: say why)
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    forks.fork_on_command(_child)
