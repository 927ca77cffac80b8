"""Celery as transport: it knows one task, the doorbell "look into this queue", and nothing of what a job is.

The doorbell is acknowledged before it is followed, carries a queue's name only, and has no result. So whatever Celery and
Redis lose, double or delay costs at most one empty look, and the table still says what there is to do (the measurements
behind each setting: the job paper, section 3). Three loops keep it going:

    API process     after each commit, rings off the caller's path, for at most two seconds; a ring that fails is counted
    every worker    reconcile: rings again for what is ready, but never more than its workers could take (bounded by depth)
    every worker    one event loop and one runtime, opened after the fork; a doorbell claims until the queue is empty
"""

from __future__ import annotations

import asyncio
import mmap
import os
import queue as queues
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from celery import Celery, signals
from kombu.exceptions import KombuError

from semantik.jobs import handlers
from semantik.jobs.dispatch import Dispatcher
from semantik.jobs.outbox import Outbox
from semantik.jobs.runner import Runner
from semantik.jobs.store import claims
from semantik.jobs.store.rows import DATABASE_ERRORS
from semantik.jobs.values import QUEUES
from semantik.kit import logs, metrics
from semantik.runtime import Runtime

log = logs.get(__name__)
T = TypeVar("T")
OpenRuntime = Callable[[], Awaitable[Runtime]]

DOORBELL = "semantik.doorbell"
_RING_S = 2.0
# A doorbell goes on claiming for so long, then lets Celery breathe: recycling and shutdown happen between tasks.
_SERVE_S = 60.0
_RECONCILE_S = 2.0
_MOST_RUNG = 64
# An idle worker that sees ready jobs and hears nothing for so long looks for itself.
_SILENCE_S = 10.0
_FLAG_S = 0.1
_DRAIN_S = 20.0
# Rings that wait for the broker; more would be stale before they arrive, and reconcile sends them anew.
_MOST_WAITING = 1000
_RECYCLE_KIB = 1_500_000


def make_app(broker_url: str, *, publishing: bool = False) -> Celery:
    """The Celery app. `publishing`: for processes that only ring, with short timeouts of their own connection."""
    app = Celery("semantik", broker=broker_url, set_as_current=not publishing)
    app.conf.update(
        task_default_queue="semantik",
        task_serializer="json",
        accept_content=["json"],
        enable_utc=True,
        timezone="UTC",
        task_ignore_result=True,
        result_backend=None,
        task_acks_late=False,
        task_reject_on_worker_lost=False,
        task_publish_retry=False,
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        worker_max_tasks_per_child=200,
        worker_max_memory_per_child=_RECYCLE_KIB,
        worker_soft_shutdown_timeout=20,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_hijack_root_logger=False,
        worker_send_task_events=True,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "socket_timeout": _RING_S if publishing else 15,
            "socket_connect_timeout": 2,
            "socket_keepalive": True,
            "health_check_interval": 10,
            "retry_on_timeout": not publishing,
            "visibility_timeout": 3600,
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            "global_keyprefix": "semantik:celery:",
        },
    )
    if publishing:
        app.conf.broker_connection_timeout = 2
    return app


class CeleryBell:
    """Rings from a thread of its own: the caller never waits for the broker."""

    def __init__(self, broker_url: str) -> None:
        self._app = make_app(broker_url, publishing=True)
        connection: Any = self._app.connection_for_write()
        self._errors: tuple[type[Exception], ...] = (KombuError, OSError, *connection.connection_errors, *connection.channel_errors)
        self._waiting: queues.Queue[str | None] = queues.Queue(_MOST_WAITING)
        self._thread = threading.Thread(target=self._send, name="doorbells", daemon=True)
        self._thread.start()

    def ring(self, queue: str, n: int = 1) -> None:
        for _ in range(n):
            try:
                self._waiting.put_nowait(queue)
            except queues.Full:
                return

    def depth(self, queue: str) -> int | None:
        """Doorbells that wait in the broker; None when it does not answer."""
        try:
            with self._app.connection_for_read() as connection:
                channel: Any = connection.default_channel
                return int(channel._size(queue))
        except self._errors:
            return None

    def close(self) -> None:
        self._waiting.put(None)
        self._thread.join(2 * _RING_S)

    def _send(self) -> None:
        while (queue := self._waiting.get()) is not None:
            try:
                self._app.send_task(DOORBELL, args=[queue], queue=queue, retry=False, ignore_result=True)
                metrics.JOBS_DOORBELLS.labels(result="sent").inc()
            except self._errors as error:
                metrics.JOBS_DOORBELLS.labels(result="failed").inc()
                log.warning("doorbell not sent; the workers' own look finds the job", queue=queue, error=type(error).__name__)


class CeleryDispatcher(Dispatcher):
    """What the API process needs: jobs run elsewhere, here they are only told of."""

    def __init__(self, runtime: Runtime, broker_url: str) -> None:
        runtime.bell = self
        self._bell = CeleryBell(broker_url)
        self._outbox = Outbox(runtime.database, runtime.events, self)

    async def start(self) -> None:
        await self._outbox.start()

    async def stop(self, grace_s: float = 10.0) -> None:
        await self._outbox.stop()
        await asyncio.to_thread(self._bell.close)

    def ring(self, queue: str, n: int = 1) -> None:
        self._bell.ring(queue, n)


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
    """The jobs side of one Celery pool process (or of a whole threads or solo worker): opened after the fork."""

    def __init__(self, open_runtime: OpenRuntime, broker_url: str, draining: Flag, *, pool: str, slots: int, queues: Sequence[str]) -> None:
        self._loop = Loop()
        self._bell = CeleryBell(broker_url)
        self._draining = draining
        self._slots = slots
        self._queues = queues
        self._heard_at = time.monotonic()
        self._alone: asyncio.Task[int] | None = None
        self.pid = os.getpid()
        self.runner = self._loop.submit(self._open(open_runtime, pool)).result()

    async def _open(self, open_runtime: OpenRuntime, pool: str) -> Runner:
        self._runtime = await open_runtime()
        self._runtime.bell = self._bell
        self._outbox = Outbox(self._runtime.database, self._runtime.events, self._bell)
        await self._outbox.start()
        runner = Runner(self._runtime, pool=pool, slots=self._slots, queues=self._queues)
        await runner.start()
        self._tasks = [asyncio.create_task(self._reconcile(), name="reconcile"), asyncio.create_task(self._mind_the_flag(), name="drain")]
        return runner

    def answer(self, queue: str) -> int:
        """Follows a doorbell: claims from the queue until it is empty, or for a minute. Returns how many attempts it ran."""
        self._heard_at = time.monotonic()
        return self._loop.submit(self._serve(queue)).result()

    async def _serve(self, queue: str) -> int:
        until, ran = time.monotonic() + _SERVE_S, 0
        try:
            while not self._draining.raised and await self.runner.run_next(queue):
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

    async def _reconcile(self) -> None:
        """Rings again for what is ready and was not heard of. Bounded by the depth, or stale doorbells would pile up."""
        while True:
            await asyncio.sleep(_RECONCILE_S)
            try:
                ready = await claims.ready_counts(self._runtime.database, self._queues, handlers.known_kinds(), at_most=_MOST_RUNG)
            except DATABASE_ERRORS as error:
                log.warning("reconcile met a database error", error=str(error)[:300])
                continue
            for queue, count in ready.items():
                depth = await asyncio.to_thread(self._bell.depth, queue)
                if depth is not None and count > depth:
                    self._bell.ring(queue, min(count, 2 * self._slots) - depth)
                if self._is_idle_in_silence():
                    # The broker is gone, or does not deliver though it is connected: the table alone is enough to work from.
                    log.warning("no doorbell was heard; working without them", queue=queue, ready=count)
                    self._alone = asyncio.create_task(self._serve(queue), name="without-doorbells")

    def _is_idle_in_silence(self) -> bool:
        silent = time.monotonic() - self._heard_at > _SILENCE_S
        return silent and self.runner.running == 0 and (self._alone is None or self._alone.done())

    async def _mind_the_flag(self) -> None:
        """Once the worker shuts down, running jobs checkpoint and go back to the queue, and no more are claimed."""
        while not self._draining.raised:  # noqa: ASYNC110 (the flag is raised by another process)
            await asyncio.sleep(_FLAG_S)
        await self.runner.stop(_DRAIN_S)

    def close(self) -> None:
        self._loop.submit(self._close()).result(40)
        self._bell.close()
        self._loop.close()

    async def _close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.runner.stop(_DRAIN_S)
        if self._alone is not None:
            await asyncio.gather(self._alone, return_exceptions=True)
        await self._outbox.stop()
        await self._runtime.close()


class Flag:
    """One bit that a parent raises and its forked children see: in shared memory, with no thread, lock or engine behind it."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 1)

    @property
    def raised(self) -> bool:
        return self._memory[0] == 1

    def up(self) -> None:
        self._memory[0] = 1


class OpenedBeforeFork(RuntimeError):
    """An engine that was opened before a fork is shared by all children and answers with the wrong rows."""


_process: WorkerProcess | None = None


def make_worker(
    broker_url: str, open_runtime: OpenRuntime, *, pool: str = "prefork", slots: int = 1, queues: Sequence[str] = QUEUES
) -> Celery:
    """The app that a Celery worker runs. With `prefork` each child opens its own runtime, else the one process does."""
    app = make_app(broker_url)
    flag = Flag()

    @app.task(name=DOORBELL, ignore_result=True)
    def doorbell(queue: str) -> None:
        if _process is None or queue not in QUEUES:
            return
        if _process.pid != os.getpid():
            raise OpenedBeforeFork("the runtime of this worker was opened before the fork")
        _process.answer(queue)

    def opened(**_: Any) -> None:
        global _process
        _process = WorkerProcess(open_runtime, broker_url, flag, pool=pool, slots=slots, queues=queues)

    def draining(**_: Any) -> None:
        flag.up()

    def closed(**_: Any) -> None:
        global _process
        if _process is not None:
            _process.close()
            _process = None

    if pool == "prefork":
        signals.worker_process_init.connect(opened, weak=False)
        signals.worker_process_shutdown.connect(closed, weak=False)
    else:
        signals.worker_ready.connect(opened, weak=False)
        signals.worker_shutdown.connect(closed, weak=False)
    signals.worker_shutting_down.connect(draining, weak=False)
    return app
