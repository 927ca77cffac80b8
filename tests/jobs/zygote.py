"""Starts worker processes that tests kill: imports everything once, then forks, so that a start costs milliseconds.

Reads a JSON line for each command on stdin: {"do": "start", "url": ..., "failpoints": ..., "pace_s": ..., "ttl_s": ...} answers
{"pid": n}; {"do": "wait", "pid": n} answers {"status": n}. No engine, loop or thread exists before a fork.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import traceback
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, ClassVar, cast

import sqlalchemy as sa

from semantik.auth.actor import system
from semantik.engines.events.memory import MemoryEvents
from semantik.jobs import failpoints, rescue
from semantik.jobs.context import JobContext
from semantik.jobs.dispatch_local import LocalDispatcher
from semantik.jobs.handlers import handles
from semantik.jobs.queue import enqueue
from semantik.jobs.states import ENDED
from semantik.jobs.store import control
from semantik.jobs.values import Effect, Item, JobArgs
from semantik.kit import logs
from semantik.kit.database import AsyncSession, Database, open_database
from semantik.kit.ids import TenantId
from semantik.kit.settings import Settings
from semantik.runtime import Runtime
from semantik.tables.jobs import jobs
from tests.jobs import sabotage

# No key and no uniqueness: a doubled effect must show.
EFFECTS = "CREATE TABLE IF NOT EXISTS crash_effects (job_id TEXT, item_key TEXT, fence BIGINT)"


class Five(JobArgs):
    kind: ClassVar[str] = "five"
    items: int = 5
    pace_s: float = 0.051
    kills: str | None = None


@handles(Five)
class FiveJob:
    async def total(self, ctx: JobContext, args: Five) -> int:
        return args.items

    async def items(self, ctx: JobContext, args: Five, cursor: Any) -> AsyncIterator[Item]:
        for number in range(cursor or 0, args.items):
            yield Item(str(number), number, number + 1)

    async def process(self, ctx: JobContext, args: Five, item: Item) -> Effect:
        await asyncio.sleep(args.pace_s)
        if item.key == args.kills:
            os.kill(os.getpid(), 9)

        async def effect(session: AsyncSession) -> None:
            row = {"job": ctx.job.id, "item": item.key, "fence": ctx.lease.fence}
            await session.execute(sa.text("INSERT INTO crash_effects VALUES (:job, :item, :fence)"), row)

        return effect


async def work(command: dict[str, Any]) -> None:
    """Makes the job if it is not there, pauses and resumes it once, and works until every job has ended."""
    database = open_database(command["url"], pool_size=4, max_overflow=4)
    settings = Settings(data_dir=Path("/nonexistent"), job_lease_ttl_s=command.get("ttl_s", 30), job_concurrency=1)
    nothing = cast(Any, None)
    runtime = Runtime(
        settings=settings, database=database, keyring=nothing, blobs=nothing, vectors=nothing, extractor=nothing, events=MemoryEvents()
    )  # fmt: skip
    if command.get("tenant"):
        await _make(database, command)
    if command.get("alone", True):
        await rescue.take_back_all(database)
    dispatcher = LocalDispatcher(runtime)
    await dispatcher.start()
    while await _open(database):
        await asyncio.sleep(0.02)
    await dispatcher.stop(grace_s=1)
    await database.close()


async def _make(database: Database, command: dict[str, Any]) -> None:
    async with database.read() as session:
        if await session.scalar(sa.select(jobs.c.id)) is not None:
            return
    async with database.write() as session:
        args = Five(pace_s=command.get("pace_s", 0.051), kills=command.get("kills"), items=command.get("items", 5))
        made = await enqueue(session, args, actor=system(TenantId(command["tenant"])), title="five")
        await session.commit()
    for verb in (control.pause, control.resume):
        async with database.write() as session:
            await verb(session, made.id, by=None)
            await session.commit()


async def _open(database: Database) -> bool:
    async with database.read() as session:
        # A job whose maker died between pause and resume is paused for good: that is a state to end in, too.
        settled = [*ENDED, "paused"]
        return await session.scalar(sa.select(jobs.c.id).where(jobs.c.status.not_in(settled)).limit(1)) is not None


def _child(command: dict[str, Any]) -> None:
    logs.configure("error", "console")
    failpoints._plan = failpoints._parse(command.get("failpoints", ""))
    sabotage.apply(command.get("sabotage"))
    try:
        asyncio.run(work(command))
    except BaseException:  # noqa: BLE001 (the end of this process: say why)
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def main() -> None:
    for line in sys.stdin:
        command = json.loads(line)
        if command["do"] == "start":
            pid = os.fork()
            if pid == 0:
                os.close(0)
                _child(command)
            answer = {"pid": pid}
        else:
            answer = {"status": os.waitstatus_to_exitcode(os.waitpid(command["pid"], 0)[1])}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
