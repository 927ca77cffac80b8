"""What the engine itself costs: claims with long queues, and the transaction of a checkpoint."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from bench import machine
from bench.jobs.places import DIALECTS, Items, runtime_of, tenant, wipe
from semantik.auth.actor import Actor
from semantik.jobs.context import JobContext
from semantik.jobs.queue import enqueue
from semantik.jobs.store import claims, leases
from semantik.kit.clock import now
from semantik.kit.database import Database
from semantik.kit.ids import new_id
from semantik.tables.jobs import jobs, queues

CLAIM_LIMITS_MS = {"SQLite": 25.0, "PostgreSQL": 65.0}
CHECKPOINT_LIMITS_MS = {"SQLite": 1.0, "PostgreSQL": 5.0}
COLUMNS = ["database", "what", "times", "p50 ms", "p95 ms", "p99 ms", "mean ms", "CPU ms", "limit ms"]


async def claim(urls: dict[str, str], *, waiting: int, ended: int, tenants: int, times: int, rows: list[list[object]]) -> None:
    """Claims from a queue of `waiting` rows of many tenants, beside rows of jobs that ended."""
    for name in DIALECTS:
        runtime = runtime_of(urls[name])
        database = runtime.database
        actors = [await tenant(database, f"tenant {number}") for number in range(tenants)]
        await _fill(database, actors, waiting=waiting, ended=ended)
        await asyncio.to_thread(_analyze, urls[name])
        for what, limits in (("claim, no limits", None), ("claim, a limit on the queue", 100_000)):
            if limits is not None:
                async with database.write() as session:
                    await session.execute(sa.insert(queues).values(queue="cpu", max_running=limits))
                    await session.commit()
            taken, served, cpu = [], set(), time.process_time()
            for _ in range(times):
                started = time.perf_counter()
                job = await claims.claim(database, "cpu", owner="bench", ttl_s=600, kinds=["bench_items", "bench_nothing"])
                taken.append(time.perf_counter() - started)
                assert job is not None
                served.add(job.tenant_id)
            assert len(served) == min(times, tenants), "tenants take turns"
            cpu_ms = 1000 * (time.process_time() - cpu) / times
            rows.append(_row(name, what, taken, CLAIM_LIMITS_MS[name], cpu_ms=cpu_ms))
        await wipe(database)
        await database.close()


async def _fill(database: Database, actors: list[Actor], *, waiting: int, ended: int) -> None:
    then = now() - timedelta(hours=1)
    for start in range(0, waiting + ended, 1000):
        batch = [_made(number, actors, waiting, then) for number in range(start, min(start + 1000, waiting + ended))]
        async with database.write() as session:
            await session.execute(sa.insert(jobs), batch)
            await session.commit()


def _analyze(url: str) -> None:
    """As the owner of the tables: the role that sessions act as may not."""
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.text("ANALYZE"))
    engine.dispose()


def _made(number: int, actors: list[Actor], waiting: int, then: Any) -> dict[str, Any]:
    ready = number < waiting
    return {
        "id": new_id(),
        "tenant_id": actors[number % len(actors)].tenant_id,
        "kind": "bench_nothing",
        "queue": "cpu",
        "status": "queued" if ready else "completed",
        "params": {},
        "priority": 5 if (number // len(actors)) % 10 else 4,
        "created_at": then,
        "available_at": then,
        "finished_at": None if ready else then,
    }


async def checkpoint(urls: dict[str, str], *, times: int, rows: list[list[object]]) -> None:
    """One step with the cursor, the counts and an event, and nothing of the handler's own: what the engine adds to a commit."""
    for name in DIALECTS:
        runtime = runtime_of(urls[name])
        database = runtime.database
        actor = await tenant(database, "Checkpoint")
        async with database.write() as session:
            await enqueue(session, Items(items=times), actor=actor, title="bench")
            await session.commit()
        job = await claims.claim(database, "cpu", owner="bench", ttl_s=600, kinds=["bench_items"])
        assert job is not None
        ctx = JobContext(job, runtime, ttl_s=600)
        taken, bare = [], []
        for number in range(times + 20):
            started = time.perf_counter()
            async with ctx.step(cursor=number, done=1):
                pass
            taken.append(time.perf_counter() - started)
        # The same commit without an engine: one row of the same table, by its key.
        for number in range(times + 20):
            started = time.perf_counter()
            async with database.write() as session:
                await session.execute(sa.update(jobs).where(jobs.c.id == job.id).values(message=str(number)))
                await session.commit()
            bare.append(time.perf_counter() - started)
        rows.append(_row(name, "checkpoint", taken[20:], None))
        rows.append(_row(name, "a bare commit of one row", bare[20:], None))
        added = machine.percentiles(taken[20:])["p50"] - machine.percentiles(bare[20:])["p50"]
        rows.append(
            [name, "what the checkpoint adds to a commit (p50)", times, round(added, 2), None, None, None, None, CHECKPOINT_LIMITS_MS[name]]
        )
        await leases.settle(database, job.lease, "completed")
        await wipe(database)
        await database.close()


def _row(name: str, what: str, seconds: list[float], limit: float | None, *, cpu_ms: float | None = None) -> list[object]:
    """`cpu_ms`: processor time of this process for one, which a busy machine changes little."""
    found = machine.percentiles(seconds)
    times = (round(found[one], 2) for one in ("p50", "p95", "p99", "mean"))
    return [name, what, len(seconds), *times, round(cpu_ms, 2) if cpu_ms is not None else None, limit]
