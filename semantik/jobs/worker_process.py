"""The jobs side of one process of a worker: a runtime, an event loop of its own, and the loops that look when no doorbell comes.

Whatever consumes doorbells calls `WorkerProcess.answer` from its threads. SIGTERM raises a flag in shared memory; every
process sees it, lets its jobs checkpoint and go back to the queue, rings for them, and ends.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import random
import signal
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import Future
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, TypeVar

from semantik.jobs import fair_share, handlers
from semantik.jobs.dispatch_celery import CeleryBell
from semantik.jobs.outbox import Outbox
from semantik.jobs.runner import Runner
from semantik.jobs.schedule import tick
from semantik.jobs.store import claims
from semantik.jobs.store.rows import DATABASE_ERRORS
from semantik.jobs.values import QUEUES
from semantik.kit import logs, metrics
from semantik.kit.concurrency import Loops, end
from semantik.kit.errors import SemantikError
from semantik.runtime import Runtime

log = logs.get(__name__)
T = TypeVar("T")
OpenRuntime = Callable[[], Awaitable[Runtime]]

# A doorbell goes on claiming for so long, then lets Celery breathe: recycling and shutdown happen between tasks.
_SERVE_S = 60.0
_RECONCILE_S = 2.0
_MOST_RUNG = 64
_FLAG_S = 0.1
_DRAIN_S = 20.0
_OPEN_S = 30.0

# Exit codes of a worker. One that heard nothing though connected, or whose background loop died, is to be started anew; one
# that cannot work as configured (EX_CONFIG) is not.
ANEW = 70
MISCONFIGURED = 78


@dataclass(frozen=True, slots=True)
class Plan:
    """What one worker is: its pool, its jobs at once, its queues, when children are replaced and when it counts as deaf."""

    pool: str = "prefork"
    slots: int = 1
    queues: Sequence[str] = QUEUES
    autoscale: tuple[int, int] | None = None
    recycle_after: int = 200
    memory_bytes: int = 1536 * 1024**2
    deaf_s: float = 60.0
    # An idle worker that sees ready jobs and hears nothing for so long looks for itself.
    silence_s: float = 10.0
    # How long a job may run while a tenant without any slot waits; then it steps back.
    slice_s: float = 10.0

    @property
    def slots_of_a_process(self) -> int:
        return 1 if self.pool == "prefork" else self.slots


class Flags:
    """Two bytes that parent and forked children share: in shared memory, with no thread, lock or engine behind them."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 2)

    @property
    def draining(self) -> bool:
        return self._memory[0] == 1

    @property
    def code(self) -> int:
        """The exit code that one of the processes asked for; 0: nobody did."""
        return self._memory[1]

    def drain(self) -> None:
        self._memory[0] = 1

    def end_with(self, code: int) -> None:
        self._memory[1] = self._memory[1] or code


def name_of(pid: int) -> str:
    """The name of a worker for Celery and in our table. Its own: several of one machine would answer each other's control messages."""
    return f"semantik-{pid}@{socket.gethostname()[:60]}"


class Loop:
    """One event loop on a thread of its own, for a process whose tasks come from elsewhere."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="jobs-loop", daemon=True)
        self._thread.start()

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)


class WorkerProcess:
    """The jobs side of one process of a worker; made after the fork."""

    def __init__(self, open_runtime: OpenRuntime, broker_url: str, flags: Flags, plan: Plan) -> None:
        self._loop = Loop()
        self._bell = CeleryBell(broker_url)
        self._flags = flags
        self._plan = plan
        self._queues = tuple(plan.queues)
        self._slots = plan.slots_of_a_process
        # The process that Celery consumes in: this one, or the parent of this child.
        self._consumer_pid = os.getppid() if plan.pool == "prefork" else os.getpid()
        self._worker = name_of(self._consumer_pid)
        self._heard_at = self._hearing_since = time.monotonic()
        self._answering = 0
        self._alone: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._runner: Runner | None = None
        self._opened: Future[bool] = self._loop.submit(self._open(open_runtime))

    async def _open(self, open_runtime: OpenRuntime) -> bool:
        """Opens everything, however long the database or another engine needs to come back. False: the worker ends instead."""
        pause_s = 1.0
        while not self._flags.draining:
            try:
                await self._open_once(open_runtime)
            except DATABASE_ERRORS as error:
                log.warning("worker process cannot open what it needs; trying again", error=str(error)[:300], in_s=pause_s)
            except SemantikError as error:
                log.error("worker process cannot work as configured", code=error.code, error=error.detail, hint=error.hint)
                self._end_worker(MISCONFIGURED)
                return False
            except Exception as error:
                log.critical("worker process cannot be opened", exc_info=error)
                self._end_worker(ANEW)
                raise
            else:
                return True
            await asyncio.sleep(pause_s)
            pause_s = min(30.0, 2 * pause_s)
        return False

    async def _open_once(self, open_runtime: OpenRuntime) -> None:
        self._runtime = await open_runtime()
        self._runtime.bell = self._bell
        loops = self._runtime.loops = Loops(on_death=lambda _: self._end_worker(ANEW))
        runner = Runner(self._runtime, pool=self._plan.pool, slots=self._slots, queues=self._queues, worker=self._worker)
        async with AsyncExitStack() as failed:
            failed.push_async_callback(self._runtime.close)
            await runner.start()
            failed.pop_all()
        self._outbox = Outbox(self._runtime.database, self._runtime.events, self._bell, loops)
        await self._outbox.start()
        self._runner = runner
        # Each process waits a slice of its own length: one that steps back first is mostly enough for all.
        slice_s = self._plan.slice_s * random.uniform(1, 2)  # noqa: S311 (spreads)
        share = fair_share.keep(runner, self._queues, slots=self._slots, slice_s=slice_s)
        work = {
            "job-reconcile": self._reconcile(),
            "job-drain": self._mind_the_flag(),
            "job-rest": self._mind_the_rest(),
            "job-fair-share": share,
        }
        self._tasks = [loops.start(name, loop) for name, loop in work.items()]
        log.info("worker process ready", worker=runner.owner, pool=self._plan.pool, queues=list(self._queues), slots=self._slots)

    def answer(self, queue: str) -> int:
        """Follows a doorbell: claims from the queue until it is empty, or for a minute. Returns how many attempts it ran."""
        self._heard_at = self._hearing_since = time.monotonic()
        try:
            if not self._opened.result(_OPEN_S):
                return 0
        except TimeoutError:
            return 0
        self._answering += 1
        try:
            return self._loop.submit(self._serve(queue)).result()
        finally:
            self._answering -= 1
            self._heard_at = self._hearing_since = time.monotonic()

    def tick(self) -> None:
        """Fires schedules that are due, for those who run a beat."""
        if self._runner is not None:
            self._loop.submit(self._tick()).result(_OPEN_S)

    async def _tick(self) -> None:
        try:
            await tick(self._runtime.database)
        except DATABASE_ERRORS as error:
            log.warning("a tick met a database error", error=str(error)[:300])

    async def _serve(self, queue: str) -> int:
        assert self._runner is not None, "served once everything is open"
        until, ran = time.monotonic() + _SERVE_S, 0
        try:
            while not self._flags.draining and await self._runner.run_next(queue):
                ran += 1
                if time.monotonic() > until:
                    # What is left is for the next doorbell.
                    self._bell.ring(queue)
                    break
        except DATABASE_ERRORS as error:
            log.warning("a doorbell met a database error", queue=queue, error=str(error)[:300])
        if ran == 0:
            metrics.JOBS_DOORBELLS.labels(result="empty").inc()
        return ran

    async def _serve_alone(self, queue: str) -> None:
        await self._serve(queue)

    async def _reconcile(self) -> None:
        """Rings again for what is ready and was not heard of. Bounded by the depth, or stale doorbells would pile up."""
        assert self._runner is not None, "started once everything is open"
        while True:
            await asyncio.sleep(_RECONCILE_S)
            try:
                ready = await claims.ready_counts(self._runtime.database, self._queues, handlers.known_kinds(), at_most=_MOST_RUNG)
            except DATABASE_ERRORS as error:
                log.warning("reconcile met a database error", error=str(error)[:300])
                continue
            unheard = False
            if self._runner.draining:
                # Those that take jobs ring for them.
                self._hearing_since = time.monotonic()
                continue
            for queue, count in ready.items():
                depth = await asyncio.to_thread(self._bell.depth, queue)
                unheard = unheard or bool(depth)
                if depth is not None and count > depth:
                    self._bell.ring(queue, min(count, 2 * self._slots) - depth)
                if self._is_idle_in_silence():
                    # The broker is gone, or does not deliver though it is connected: the table alone is enough to work from.
                    log.warning("no doorbell was heard; working without them", queue=queue, ready=count)
                    self._alone = self._runtime.loops.start("job-without-doorbells", self._serve_alone(queue))
            self._notice_deafness(unheard)

    def _is_idle_in_silence(self) -> bool:
        assert self._runner is not None, "asked once everything is open"
        silent = time.monotonic() - self._heard_at > self._plan.silence_s
        return silent and self._runner.running == 0 and (self._alone is None or self._alone.done())

    def _notice_deafness(self, unheard: bool) -> None:
        """Ends the worker when doorbells wait in a broker that answers, a slot is free, and yet none is heard for long.

        The connection that Celery listens on is dead then though it looks alive, and only a new process gets a new one.
        """
        now = time.monotonic()
        if not unheard or self._answering >= self._slots or self._flags.draining:
            self._hearing_since = now
        elif now - self._hearing_since > self._plan.deaf_s:
            log.error("worker hears no doorbell though some wait for it; it ends to be started anew", seconds=round(self._plan.deaf_s))
            self._hearing_since = now
            self._end_worker(ANEW)

    def _end_worker(self, code: int) -> None:
        """Ends the whole worker, whose jobs hand over first; whoever supervises it sees the code."""
        self._flags.end_with(code)
        os.kill(self._consumer_pid, signal.SIGTERM)
        late = threading.Timer(2 * _DRAIN_S, os.kill, (self._consumer_pid, signal.SIGKILL))
        late.daemon = True
        late.start()

    async def _mind_the_flag(self) -> None:
        """Once the worker shuts down, running jobs checkpoint and go back to the queue, and no more are claimed."""
        assert self._runner is not None, "started once everything is open"
        while not self._flags.draining:  # noqa: ASYNC110 (the flag is raised by another process)
            await asyncio.sleep(_FLAG_S)
        await self._runner.stop(_DRAIN_S)

    async def _mind_the_rest(self) -> None:
        """While the worker is asked to rest, it takes no doorbell away from those that could follow it."""
        assert self._runner is not None, "started once everything is open"
        listens = True
        while True:
            if listens == self._runner.draining:
                listens = not self._runner.draining
                await asyncio.to_thread(self._bell.listen, self._worker, self._queues, listens=listens)
            await asyncio.sleep(_FLAG_S)

    def close(self) -> None:
        self._loop.submit(self._close()).result(2 * _DRAIN_S)
        self._bell.close()
        self._loop.close()

    async def _close(self) -> None:
        if self._runner is None:
            return
        await end(*self._tasks)
        await self._runner.stop(_DRAIN_S)
        if self._alone is not None:
            await asyncio.gather(self._alone, return_exceptions=True)
        await self._outbox.stop()
        await self._runtime.close()
