"""Workers killed, terminated and frozen at random while they run thousands of items, chords, and what users ask."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
import traceback
from typing import Any

import sqlalchemy as sa

from semantik.jobs.queue import chord, enqueue
from semantik.jobs.states import WrongState
from semantik.jobs.store import control
from semantik.kit.database_errors import DatabaseUnavailable
from semantik.tables.jobs import jobs
from tests.crash.lab import SETTLED, Lab, Lane, Tally, in_lanes
from tests.jobs.forks import CUT_OFF, freeze, state
from tests.jobs.oracle import check
from tests.jobs.zygote import Five

_STARVED = "a user told to come again: SQLite's lock was never free"
_MOST_STARVED = 5


def storm(lab: Lab, dialect: str, mode: str, *, seed: int, kills: int, effects: int, workers: int = 2) -> Tally:
    tally = Tally("storm", dialect, mode, seed)
    started = time.monotonic()

    async def work(lane: Lane, _: Any) -> None:
        try:
            await _Storm(lane, tally, seed, workers).run(kills, effects)
        except Exception as error:  # noqa: BLE001 (a campaign goes on, and tells of it)
            traceback.print_exc()
            tally.failures.append(f"{type(error).__name__}: {error}"[:500])

    in_lanes(lab, dialect, mode, 1, [None], work)
    tally.seconds = time.monotonic() - started
    return tally


class _Storm:
    def __init__(self, lane: Lane, tally: Tally, seed: int, workers: int) -> None:
        self.lane = lane
        self.tally = tally
        self.chance = random.Random(seed)
        self.size = workers
        self.alive: list[int] = []
        self.born: dict[int, float] = {}
        # A Celery worker takes seconds to start; killed before, it would have done nothing to lose.
        self.grown_s = 3.0 if lane.broker is not None else 0.3
        self.frozen: dict[int, float] = {}
        self.woken: set[int] = set()
        self.dying: dict[int, float] = {}
        self.acks: list[str] = []
        self.paused: dict[str, float] = {}

    async def run(self, kills: int, effects: int) -> None:
        # Beside what users ask: they may wait for a row that a frozen one holds.
        waking = asyncio.create_task(self._wake())
        try:
            await self._run(kills, effects)
        finally:
            waking.cancel()

    async def _run(self, kills: int, effects: int) -> None:
        await self._enqueue(12)
        await self._chords(3)
        until = time.monotonic() + 900
        wiped = time.monotonic()
        while self.tally.kills < kills or await self._written() < effects:
            assert time.monotonic() < until, f"{self.tally.kills} kills and {await self._written()} effects after 900 s"
            self._fill()
            await asyncio.sleep(self.chance.uniform(0.2, 0.7))
            self._settle_signals()
            if self.tally.kills < kills:
                self._hurt()
            await self._users()
            if self.lane.broker is not None and time.monotonic() - wiped > 10:
                self.lane.broker.wipe()
                self.tally.faults["Redis killed, all its data lost"] += 1
                wiped = time.monotonic()
            if await self._open() < 8:
                await self._enqueue(6)
        await self._calm()
        self.tally.note(await check(self.lane.database, acks=self.acks))
        self.tally.cases += 1

    def _fill(self) -> None:
        for pid in [one for one in self.alive if state(one) == "Z"]:
            self.alive.remove(pid)
            status = self.lane.zygote.wait(pid)
            self.frozen.pop(pid, None)
            # One that was frozen inside a transaction of its start was cut off by the database.
            cut_off = status == CUT_OFF and pid in self.woken
            if self.dying.pop(pid, None) is None and not cut_off:
                self.tally.failures.append(f"a worker ended by itself with {status}")
        while len(self.alive) < self.size:
            pid = self._start()
            self.alive.append(pid)
            self.born[pid] = time.monotonic()

    def _start(self) -> int:
        given: dict[str, Any] = {"ttl_s": 1, "alone": False, "slots": 2}
        if self.lane.broker is not None:
            pool = self.chance.choice(["threads", "threads", "prefork"])
            return self.lane.zygote.start(self.lane.url, celery=True, broker=self.lane.broker.url, pool=pool, **given)
        return self.lane.zygote.start(self.lane.url, forever=True, **given)

    async def _wake(self) -> None:
        while True:
            await asyncio.sleep(0.1)
            now = time.monotonic()
            for pid in [one for one, at in self.frozen.items() if at < now]:
                del self.frozen[pid]
                self.woken.add(pid)
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGCONT)

    def _settle_signals(self) -> None:
        now = time.monotonic()
        for pid in [one for one, at in self.dying.items() if at < now and one in self.alive]:
            self.alive.remove(pid)
            del self.dying[pid]
            self.lane.zygote.kill(pid)
            self.tally.faults["kill -9 while it was stopping"] += 1

    def _hurt(self) -> None:
        now = time.monotonic()
        able = [pid for pid in self.alive if pid not in self.frozen and pid not in self.dying and now - self.born[pid] > self.grown_s]
        if not able:
            return
        pid, dice = self.chance.choice(able), self.chance.random()
        if dice < 0.75:
            self.alive.remove(pid)
            self.lane.zygote.kill(pid)
            self.tally.faults["kill -9 at random"] += 1
        elif dice < 0.90:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            self.dying[pid] = now + self.chance.uniform(0.0, 1.0)
            self.tally.faults["SIGTERM"] += 1
        elif self.lane.broker is None:
            freeze(pid, self.lane.url)
            self.frozen[pid] = now + self.chance.uniform(1.5, 2.5)
            self.tally.faults["frozen beyond its lease, then woken"] += 1

    async def _enqueue(self, count: int) -> None:
        for _ in range(count):
            args = Five(items=self.chance.choice([5, 200, 400, 800]), pace_s=0.0)
            priority = self.chance.randint(3, 6)
            try:
                async with self.lane.database.write() as session:
                    made = await enqueue(session, args, actor=self.lane.actor, title="five", priority=priority)
                    await session.commit()
            except DatabaseUnavailable as error:
                self._told_to_come_again(error)
            else:
                self.acks.append(f"made {made.id}")

    def _told_to_come_again(self, error: DatabaseUnavailable) -> None:
        """What a user meets whose write waited for 30 s.

        SQLite keeps no queue of its writers: they look again every 100 ms, and a single process that writes without a rest keeps
        all others out for as long as it goes on. Only this harness lets several processes write one file; a server refuses it.
        """
        self.tally.faults[_STARVED] += 1
        if self.lane.database.dialect != "sqlite" or "locked" not in str(error.__cause__) or self.tally.faults[_STARVED] > _MOST_STARVED:
            raise error

    async def _chords(self, count: int) -> None:
        for _ in range(count):
            async with self.lane.database.write() as session:
                header = [(Five(items=40, pace_s=0.0), "part")] * 8
                ids, body = await chord(session, header, (Five(items=3, pace_s=0.0), "body"), actor=self.lane.actor)
                await session.commit()
            self.acks += [f"made {one}" for one in (*ids, body)]

    async def _users(self) -> None:
        """Now and then somebody pauses or cancels; what was paused is resumed after a while."""
        now = time.monotonic()
        for job_id in [one for one, at in self.paused.items() if at < now]:
            if await self._verb("resume", job_id):
                del self.paused[job_id]
        if self.chance.random() < 0.25:
            async with self.lane.database.read() as session:
                found = list(await session.scalars(sa.select(jobs.c.id).where(jobs.c.status.in_(["queued", "running"]))))
            if not found:
                return
            job_id = self.chance.choice(found)
            verb = self.chance.choice(["pause", "pause", "pause", "cancel"])
            if await self._verb(verb, job_id):
                self.tally.faults[f"{verb} asked meanwhile"] += 1
                if verb == "pause":
                    self.paused[job_id] = now + self.chance.uniform(0.5, 2)

    async def _verb(self, verb: str, job_id: str) -> bool:
        try:
            return await self._asked(verb, job_id)
        except DatabaseUnavailable as error:
            self._told_to_come_again(error)
            return False

    async def _asked(self, verb: str, job_id: str) -> bool:
        async with self.lane.database.write() as session:
            try:
                job = await getattr(control, verb)(session, job_id, by=None)
                await session.commit()
            except WrongState:
                async with self.lane.database.read() as look:
                    status = await look.scalar(sa.select(jobs.c.status).where(jobs.c.id == job_id))
                # A pausing job cannot be resumed yet; one that ended needs no resume any more.
                return verb == "resume" and status != "pausing"
        if verb == "cancel":
            self.acks.append(f"cancelled {job.id}")
        return True

    async def _written(self) -> int:
        async with self.lane.database.read() as session:
            return int(await session.scalar(sa.select(sa.func.coalesce(sa.func.sum(jobs.c.done), 0))) or 0)

    async def _open(self) -> int:
        async with self.lane.database.read() as session:
            return int(await session.scalar(sa.select(sa.func.count()).where(jobs.c.status.not_in(SETTLED))) or 0)

    async def _calm(self) -> None:
        """No more faults: everything has to come to its end."""
        end = time.monotonic() + 180
        while time.monotonic() < end:
            self._settle_signals()
            self._fill()
            for job_id in list(self.paused):
                if await self._verb("resume", job_id):
                    del self.paused[job_id]
            if not self.paused and not self.frozen and not self.dying and await self._open() == 0:
                break
            await asyncio.sleep(0.2)
        for pid in self.alive:
            self.lane.zygote.kill(pid)
        self.alive = []
