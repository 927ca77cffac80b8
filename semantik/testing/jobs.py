"""What every dispatcher promises. Bind it: subclass `DispatcherContract` and give it a `bench` fixture.

The bench starts the dispatcher under test over a database, and the workers it needs; they import this module, which
registers the kind of job that the contract runs.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

from semantik.auth.actor import Actor
from semantik.jobs.context import JobContext
from semantik.jobs.handlers import handles
from semantik.jobs.queue import chain, chord, enqueue
from semantik.jobs.retry import Transient
from semantik.jobs.states import TRANSITIONS, Status
from semantik.jobs.store import control, reading
from semantik.jobs.values import Item, Job, JobArgs
from semantik.kit.clock import now
from semantik.kit.database import AsyncSession, Database


class CountTo(JobArgs):
    """Counts to `n`, resting at each number; `stumbles` times it fails first, in a way that goes away."""

    kind: ClassVar[str] = "contract_count"
    n: int = 3
    rest_s: float = 0.0
    stumbles: int = 0


@handles(CountTo)
class CountToJob:
    async def total(self, ctx: JobContext, args: CountTo) -> int:
        return args.n

    async def items(self, ctx: JobContext, args: CountTo, cursor: Any) -> AsyncIterator[Item]:
        if ctx.job.attempt <= args.stumbles:
            raise Transient("it stumbled")
        for number in range(cursor or 0, args.n):
            yield Item(str(number), number, number + 1)

    async def process(self, ctx: JobContext, args: CountTo, item: Item) -> None:
        await ctx.sleep(args.rest_s)


@dataclass(frozen=True)
class Bench:
    """A dispatcher at work over `database`; `transaction` opens a session there that commits at its end."""

    database: Database
    actor: Actor
    transaction: Callable[[], AbstractAsyncContextManager[AsyncSession]]

    async def put(self, args: JobArgs, **options: Any) -> str:
        async with self.transaction() as session:
            made = await enqueue(session, args, actor=self.actor, title="contract", **options)
        return made.id

    async def ask(self, verb: Any, job_id: str, **options: Any) -> None:
        async with self.transaction() as session:
            await verb(session, job_id, by=None, **options)

    async def job(self, job_id: str) -> Job:
        job = await reading.job(self.database, job_id)
        assert job is not None
        return job

    async def until(self, job_id: str, *statuses: Status, within_s: float = 30) -> Job:
        end = time.monotonic() + within_s
        while (job := await self.job(job_id)).status not in statuses:
            assert time.monotonic() < end, f"job is {job.status}, not {statuses}, after {within_s} s"
            await asyncio.sleep(0.02)
        return job


class DispatcherContract:
    async def test_a_job_runs_to_its_end_and_tells_of_it_without_a_gap(self, bench: Bench) -> None:
        job_id = await bench.put(CountTo())
        job = await bench.until(job_id, Status.COMPLETED)
        assert (job.done, job.total, job.outcome, job.fence) == (3, 3, "ok", 1)
        events = await reading.events(bench.database, job_id)
        assert [seq for seq, _ in events] == list(range(1, job.event_seq + 1))
        path = [Status(status) for _, status in events]
        assert all(one is two or two in TRANSITIONS[one] for one, two in itertools.pairwise(path))

    async def test_pause_resume_and_cancel_work_within_two_seconds(self, bench: Bench) -> None:
        job_id = await bench.put(CountTo(n=2000, rest_s=0.02))
        await bench.until(job_id, Status.RUNNING)
        await asyncio.sleep(0.3)
        await bench.ask(control.pause, job_id)
        paused = await bench.until(job_id, Status.PAUSED, within_s=2)
        assert 0 < paused.done < 2000
        await bench.ask(control.resume, job_id)
        await bench.until(job_id, Status.RUNNING)
        await asyncio.sleep(0.3)
        await bench.ask(control.cancel, job_id)
        cancelled = await bench.until(job_id, Status.CANCELLED, within_s=2)
        assert cancelled.done >= paused.done
        await bench.ask(control.restart, job_id)
        await bench.until(job_id, Status.RUNNING)
        await bench.ask(control.cancel, job_id, force=True)
        assert (await bench.job(job_id)).status is Status.CANCELLED

    async def test_an_error_that_goes_away_is_tried_again(self, bench: Bench) -> None:
        job_id = await bench.put(CountTo(stumbles=1))
        job = await bench.until(job_id, Status.COMPLETED)
        assert job.attempt == 2

    async def test_a_job_for_later_waits_for_its_time(self, bench: Bench) -> None:
        job_id = await bench.put(CountTo(), available_at=now() + timedelta(seconds=2))
        await asyncio.sleep(1)
        assert (await bench.job(job_id)).status is Status.QUEUED
        job = await bench.until(job_id, Status.COMPLETED)
        assert job.started_at is not None
        assert job.started_at >= job.available_at

    async def test_chains_and_chords_keep_their_order(self, bench: Bench) -> None:
        async with bench.transaction() as session:
            links = await chain(session, [(CountTo(), "one"), (CountTo(), "two")], actor=bench.actor)
            parts, body = await chord(session, [(CountTo(), "part")] * 4, (CountTo(), "body"), actor=bench.actor)
        await bench.until(links[1], Status.COMPLETED)
        last = await bench.until(body, Status.COMPLETED)
        first, second = [await bench.job(one) for one in links]
        assert first.finished_at is not None
        assert second.started_at is not None
        assert last.started_at is not None
        assert first.finished_at <= second.started_at
        ended = [(await bench.job(one)).finished_at for one in parts]
        assert all(at is not None and at <= last.started_at for at in ended)
        assert last.fence == 1
