"""What a handler holds while it works: its job, its way to write, and the signs that it should stop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from semantik.auth.actor import Actor, system
from semantik.engines.events.base import Event
from semantik.jobs import budget
from semantik.jobs.eta import Pace
from semantik.jobs.failpoints import fp
from semantik.jobs.interruptions import BudgetReached, LeaseLost, interruption
from semantik.jobs.lines import Level, Lines, line
from semantik.jobs.store import leases
from semantik.jobs.store.leases import UNSET, Step
from semantik.jobs.store.rows import OUTBOX, described
from semantik.jobs.values import Control, ItemOutcome, Job, Lease
from semantik.kit import metrics
from semantik.kit.database import AsyncSession

if TYPE_CHECKING:
    from semantik.runtime import Runtime

# How often progress is written down; anything finer only passes by on the bus, at most this often.
_STORE_EVERY_S = 1.0
_PASS_EVERY_S = 0.1


class JobContext:
    """One attempt of one job. `job` is the row as this attempt last wrote it."""

    def __init__(self, job: Job, runtime: Runtime, *, ttl_s: float) -> None:
        self.job = job
        self.runtime = runtime
        self.lease: Lease = job.lease
        self.actor: Actor = system(job.tenant_id)
        # Set when the handler should stop feeding work: `check()` then raises what it was.
        self.interrupted = asyncio.Event()
        self.control: Control | None = None
        self.lost = False
        # time.monotonic() of the last sign that the job moves, for stall detection.
        self.moved_at = time.monotonic()
        self._ttl_s = ttl_s
        self._writing = asyncio.Lock()
        self._lines: Lines | None = None
        # Counted and not yet written, and why the job has to stop for its budget.
        self._unwritten: dict[str, float] = {}
        self._writing_spent: dict[str, float] = {}
        self._halted: str | None = None
        self._pace = Pace()
        self._pace.note(self.moved_at, job.processed)
        self._counted_at = self.moved_at
        self._stored_at = 0.0
        self._passed_at = 0.0

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """A session for reading what the job's tenant has."""
        async with self.runtime.database.read(self.job.tenant_id) as session:
            yield session

    @asynccontextmanager
    async def step(
        self,
        *,
        cursor: Any = UNSET,
        done: int = 0,
        failed: int = 0,
        skipped: int = 0,
        quarantined: int = 0,
        total: int | None = None,
        message: str | None = None,
        inflight_key: str | None = None,
        items: Sequence[ItemOutcome] = (),
        estimate: Mapping[str, Sequence[float]] | None = None,
    ) -> AsyncIterator[AsyncSession]:
        """One checkpoint: what the body writes through the session is committed with the cursor and the counts, or not at all.

        Keep it short and await nothing but SQL inside: on SQLite everybody else waits to write. The counts are added to those
        of the row. Raises `LeaseLost`, with nothing written, when the job belongs to someone else by now. A request to pause
        or cancel does not raise here; ask `check()` at the next item.
        """
        change = self._step(
            cursor=cursor,
            done=done,
            failed=failed,
            skipped=skipped,
            quarantined=quarantined,
            total=total,
            message=message,
            inflight_key=inflight_key,
            estimate=estimate,
        )
        async with self._writing:
            self._raise_if_lost()
            async with self.runtime.database.write(self.job.tenant_id) as session:
                job = await self._begin(session, change)
                yield session
                if items:
                    job = await leases.record_items(session, job, items, await self._lines_of(session))
                fp("in_step_before_commit")
                await session.commit()
            self._wrote(job)
        fp("after_step_commit")

    async def progress(self, *, message: str | None = None, done: int | None = None, total: int | None = None) -> None:
        """Says what is going on; call it as often as you like. At most once a second it is written down.

        `done` is the whole count so far, for handlers that do not count through `step`.
        """
        now = time.monotonic()
        self.moved_at = now
        if now - self._stored_at < _STORE_EVERY_S or self._writing.locked():
            self._pass_by(now, message=message, done=done, total=total)
            return
        async with self._writing:
            self._raise_if_lost()
            async with self.runtime.database.write(self.job.tenant_id) as session:
                job = await self._begin(session, self._step(absolute_done=done, total=total, message=message))
                await session.commit()
            self._wrote(job)

    async def log(self, text: str, *, level: Level = "info", **fields: Any) -> None:
        """Adds a line to the job's log, which its owner reads on its page and with `semantik jobs logs`.

        Written under the fence, like everything else: raises `LeaseLost` when the job belongs to someone else by now. A job
        keeps at most so many lines (`jobs/lines.py`); `fields` are small and say what the line is about.
        """
        async with self._writing:
            self._raise_if_lost()
            async with self.runtime.database.write(self.job.tenant_id) as session:
                lines = (await self._lines_of(session)).fit([line(text, level, fields)])
                if not lines:
                    return
                if await leases.say(session, self.lease, lines) is None:
                    self.lose()
                    self._raise_if_lost()
                await session.commit()

    async def check(self) -> None:
        """Raises Paused, Cancelled, Drained, BudgetReached or LeaseLost when there is reason to stop. Call it at each item."""
        await asyncio.sleep(0)
        self._raise_if_lost()
        if self.control is not None:
            raise interruption(self.control)
        if (reason := self._halted or self.over()) is not None:
            raise BudgetReached(reason)

    def spend(self, **amounts: float) -> None:
        """Counts what was used up, by meter; written with the next checkpoint, in its transaction."""
        for meter, amount in amounts.items():
            self._unwritten[meter] = self._unwritten.get(meter, 0.0) + amount

    def over(self, **cost: float) -> str | None:
        """Which limit of the job's budget this cost would exceed, as a sentence; None while there is room."""
        if not self.job.budget:
            return None
        active_s = time.monotonic() - self._counted_at
        return budget.over(self.job.budget, budget.spent(self.job, active_s=active_s, more=self._unwritten), cost)

    def halt(self, reason: str) -> None:
        """Stops the job for its budget, once what is in hand is done: `interrupted` is set and `check()` raises."""
        self._halted = self._halted or reason
        self.interrupted.set()

    async def sleep(self, seconds: float) -> None:
        """Sleeps, and wakes at once to raise when the job is asked to stop."""
        try:
            await asyncio.wait_for(self.interrupted.wait(), seconds)
        except TimeoutError:
            return
        await self.check()

    @property
    def unwritten(self) -> dict[str, float]:
        """What was used up since the last checkpoint."""
        return {meter: amount for meter, amount in self._unwritten.items() if amount}

    # For the runner ---------------------------------------------------------------------------------------------------

    def ask(self, control: Control) -> None:
        # A user's wish outranks the process's own to drain.
        if self.control is None or control is not Control.DRAIN:
            self.control = control
        self.interrupted.set()

    def lose(self) -> None:
        if not self.lost:
            metrics.JOBS_FENCED_WRITES.inc()
        self.lost = True
        self.interrupted.set()

    def active_s(self) -> float:
        """Seconds of work not yet written to the row; counts them as written."""
        now = time.monotonic()
        passed, self._counted_at = now - self._counted_at, now
        return passed

    # ------------------------------------------------------------------------------------------------------------------

    async def _lines_of(self, session: AsyncSession) -> Lines:
        if self._lines is None:
            self._lines = await leases.lines_of(session, self.lease)
        return self._lines

    def _step(self, **values: Any) -> Step:
        now = time.monotonic()
        stored = now - self._stored_at >= _STORE_EVERY_S or bool(values.get("failed") or values.get("quarantined"))
        passed, self._counted_at = now - self._counted_at, now
        return Step(**values, rate_per_s=self._pace.rate_per_s(), active_s=passed, stored_event=stored)

    async def _begin(self, session: AsyncSession, change: Step) -> Job:
        spent, self._writing_spent = _sum(self.job.spent, self._unwritten), dict(self._unwritten)
        job = await leases.step(session, self.lease, change, ttl_s=self._ttl_s, spent=spent)
        if job is None:
            self.lose()
            raise LeaseLost(self.lease)
        if change.stored_event:
            self._stored_at = time.monotonic()
        return job

    def _wrote(self, job: Job) -> None:
        self.job = job
        for meter, amount in self._writing_spent.items():
            self._unwritten[meter] -= amount
        self.moved_at = time.monotonic()
        self._pace.note(self.moved_at, job.processed)
        if job.control is not None:
            self.ask(job.control)

    def _raise_if_lost(self) -> None:
        if self.lost:
            raise LeaseLost(self.lease)

    def _pass_by(self, now: float, *, message: str | None, done: int | None, total: int | None) -> None:
        outbox = self.runtime.database.info.get(OUTBOX)
        if outbox is None or now - self._passed_at < _PASS_EVERY_S:
            return
        self._passed_at = now
        payload = described(self.job)
        payload["message"] = message if message is not None else payload["message"]
        payload["counts"] = {**payload["counts"], **{key: value for key, value in (("done", done), ("total", total)) if value is not None}}
        outbox.pass_on(Event(self.job.tenant_id, self.job.id, None, "job.progress", payload))


def _sum(spent: Mapping[str, float] | None, more: Mapping[str, float]) -> dict[str, float] | None:
    """What is spent with what was counted since; None when nothing was, so that nothing has to be written."""
    if not any(more.values()):
        return None
    return {**(spent or {}), **{meter: (spent or {}).get(meter, 0.0) + amount for meter, amount in more.items()}}
