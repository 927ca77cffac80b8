"""PostgreSQL itself crashes, again and again, under workers that go on."""

from __future__ import annotations

import asyncio
import random
import shutil
import tempfile
import time
import traceback
from pathlib import Path

import sqlalchemy as sa

from semantik.jobs.queue import enqueue
from semantik.kit.database import Database, open_database
from semantik.tables.jobs import jobs
from tests.conftest import make_tenant
from tests.crash.lab import Lane, Tally, prepare
from tests.crash.servers import Cluster
from tests.jobs.forks import Zygote, state
from tests.jobs.oracle import check
from tests.jobs.zygote import EFFECTS, Five

_STUCK_S = 60


def outages(*, seed: int, crashes: int = 8, items: int = 600) -> Tally:
    """PostgreSQL dies without a checkpoint and comes back, every fourth time only after the leases have run out."""
    tally = Tally("outages", "postgresql", "local", seed)
    started = time.monotonic()

    async def run(cluster: Cluster) -> None:
        chance = random.Random(seed)
        prepare(cluster.server, "outages")
        url = cluster.server.url("outages")
        database, zygote = open_database(url, pool_size=4), Zygote()
        folder = Path(tempfile.mkdtemp(prefix="lane-"))
        try:
            async with database.write() as session:
                await session.run_sync(lambda bound: EFFECTS.create(bound.connection()))
                await session.commit()
            lane = Lane(zygote, url, database, await make_tenant(database, "Alpha"), folder, None)
            acks = []
            for _ in range(8):
                async with database.write() as session:
                    made = await enqueue(session, Five(items=items, pace_s=0.01), actor=lane.actor, title="five")
                    await session.commit()
                acks.append(f"made {made.id}")
            workers: list[int] = []
            for number in range(crashes):
                _supervise(zygote, url, workers)
                await asyncio.sleep(chance.uniform(2.5, 5))
                down_s = 5.0 if number % 4 == 1 else chance.uniform(0, 0.5)
                cluster.crash(down_s)
                tally.faults["PostgreSQL crashed" if down_s < 1 else "PostgreSQL gone for longer than a lease"] += 1
            # However slow the machine is, they get further all the time.
            end, before = time.monotonic() + _STUCK_S, ""
            while not await lane.settled(2):
                _supervise(zygote, url, workers)
                if (now := await _progress(database)) != before:
                    end, before = time.monotonic() + _STUCK_S, now
                assert time.monotonic() < end, f"nothing moved for {_STUCK_S} s: {before}"
            for pid in workers:
                zygote.kill(pid)
            tally.note(await check(database, acks=acks))
            tally.cases += 1
        finally:
            zygote.close()
            await database.close()
            shutil.rmtree(folder, ignore_errors=True)

    try:
        with Cluster() as cluster:
            asyncio.run(run(cluster))
    except Exception as error:  # noqa: BLE001 (a campaign goes on, and tells of it)
        traceback.print_exc()
        tally.failures.append(f"{type(error).__name__}: {error}"[:500])
    tally.seconds = time.monotonic() - started
    return tally


async def _progress(database: Database) -> str:
    async with database.read() as session:
        rows = (await session.execute(sa.select(jobs.c.status, jobs.c.done, jobs.c.fence, jobs.c.lease_owner).order_by(jobs.c.id))).all()
    return "; ".join(f"{row.status} {row.done} under fence {row.fence} of {row.lease_owner}" for row in rows)


def _supervise(zygote: Zygote, url: str, workers: list[int]) -> None:
    """Starts what is missing of two workers: one that finds no database when it starts ends, and is started anew."""
    for pid in [one for one in workers if state(one) == "Z"]:
        workers.remove(pid)
        zygote.wait(pid)
    while len(workers) < 2:
        workers.append(zygote.start(url, forever=True, alone=False, ttl_s=2, slots=2))
