"""What a handler holds while it works: its job, its way to write, and the signs that it should stop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from semantik.auth.actor import Actor, system
from semantik.engines.events.base import Event
from semantik.jobs.eta import Pace
from semantik.jobs.failpoints import fp
from semantik.jobs.interruptions import LeaseLost, interruption
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
        """Raises Paused, Cancelled, Drained or LeaseLost when there is reason to stop. Call it at each item; it costs nothing."""
        await asyncio.sleep(0)
        self._raise_if_lost()
        if self.control is not None:
            raise interruption(self.control)

    async def sleep(self, seconds: float) -> None:
        """Sleeps, and wakes at once to raise when the job is asked to stop."""
        try:
            await asyncio.wait_for(self.interrupted.wait(), seconds)
        except TimeoutError:
            return
        await self.check()

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
        job = await leases.step(session, self.lease, change, ttl_s=self._ttl_s)
        if job is None:
            self.lose()
            raise LeaseLost(f"job {self.lease.job_id} is no longer held under fence {self.lease.fence}")
        if change.stored_event:
            self._stored_at = time.monotonic()
        return job

    def _wrote(self, job: Job) -> None:
        self.job = job
        self.moved_at = time.monotonic()
        self._pace.note(self.moved_at, job.processed)
        if job.control is not None:
            self.ask(job.control)

    def _raise_if_lost(self) -> None:
        if self.lost:
            raise LeaseLost(f"job {self.lease.job_id} is no longer held under fence {self.lease.fence}")

    def _pass_by(self, now: float, *, message: str | None, done: int | None, total: int | None) -> None:
        outbox = self.runtime.database.info.get(OUTBOX)
        if outbox is None or now - self._passed_at < _PASS_EVERY_S:
            return
        self._passed_at = now
        payload = described(self.job)
        payload["message"] = message if message is not None else payload["message"]
        payload["counts"] = {**payload["counts"], **{key: value for key, value in (("done", done), ("total", total)) if value is not None}}
        outbox.pass_on(Event(self.job.tenant_id, self.job.id, None, "job.progress", payload))
