"""Celery as transport: it knows one task, the doorbell "look into this queue", and nothing of what a job is.

The doorbell is acknowledged before it is followed, carries a queue's name only, and has no result. So whatever Celery and
Redis lose, double or delay costs at most one empty look, and the table still says what there is to do (the measurements
behind each setting: docs/decisions/0012-server-processes.md). Three loops keep it going:

    API process     after each commit, rings off the caller's path, for at most two seconds; a ring that fails is counted
    every worker    reconcile: rings again for what is ready, but never more than its workers could take (bounded by depth)
    every worker    one event loop and one runtime, opened after the fork; a doorbell claims until the queue is empty

The first is here, the other two are in `worker_process`.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any

from celery import Celery
from kombu.exceptions import KombuError

from semantik.jobs import celery_transport
from semantik.jobs.dispatch import Dispatcher
from semantik.jobs.outbox import Outbox
from semantik.jobs.upkeep import Upkeep
from semantik.jobs.values import QUEUES
from semantik.kit import logs, metrics, redis_place
from semantik.runtime import BellUnheard, Runtime

log = logs.get(__name__)

DOORBELL = "semantik.doorbell"
TICK = "semantik.tick"
# A ring that the broker has not taken by then is given up.
RING_S = 2.0
# Within the two seconds that a health check has.
_CHECK_S = 1.5
# Rings of one queue that wait for the broker; more would be stale before they arrive, and reconcile sends them anew.
_MOST_WAITING = 64
_TICK_S = 5.0
# A tick that nobody took within two periods is worth nothing: the next one does the same.
_TICK_EXPIRES_S = 10


def make_app(broker_url: str, *, publishing: bool = False) -> Celery:
    """The Celery app. `publishing`: for processes that only ring, with short timeouts of their own connection."""
    celery_transport.use()
    address, options, tls = redis_place.for_kombu(broker_url)
    app = Celery("semantik", broker=address, set_as_current=not publishing)
    if tls is not None:
        app.conf.broker_use_ssl = tls
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
        worker_soft_shutdown_timeout=20,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_send_task_events=True,
        # A child that is slow to start on a busy machine is not a dead one.
        worker_proc_alive_timeout=60,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "socket_timeout": RING_S if publishing else 15,
            "socket_connect_timeout": RING_S,
            "socket_keepalive": True,
            "health_check_interval": 10,
            "retry_on_timeout": not publishing,
            "visibility_timeout": 3600,
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            "global_keyprefix": "semantik:celery:",
            **options,
        },
        beat_schedule={TICK: {"task": TICK, "schedule": _TICK_S, "options": {"expires": _TICK_EXPIRES_S, "queue": "maintenance"}}},
    )
    if publishing:
        app.conf.broker_connection_timeout = RING_S
    return app


class CeleryBell:
    """Rings from a thread of its own: the caller never waits for the broker."""

    def __init__(self, broker_url: str) -> None:
        self._app = make_app(broker_url, publishing=True)
        connection: Any = self._app.connection_for_write()
        self._errors: tuple[type[Exception], ...] = (KombuError, OSError, *connection.connection_errors, *connection.channel_errors)
        self._waiting: Counter[str] = Counter()
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._send, name="doorbells", daemon=True)
        self._thread.start()

    def ring(self, queue: str, n: int = 1) -> None:
        if n > 0:
            with self._changed:
                self._waiting[queue] = min(_MOST_WAITING, self._waiting[queue] + n)
                self._changed.notify()

    def depth(self, queue: str) -> int | None:
        """Doorbells that wait in the broker; None when it does not answer."""
        try:
            with self._app.connection_for_read() as connection:
                channel: Any = connection.default_channel
                return int(channel._size(queue))
        except self._errors:
            return None

    async def check(self) -> None:
        try:
            async with asyncio.timeout(_CHECK_S):
                depth = await asyncio.to_thread(self.depth, QUEUES[0])
        except TimeoutError:
            depth = None
        if depth is None:
            raise BellUnheard("the Redis of the doorbells does not answer", retry_after_s=5.0)

    def listen(self, worker: str, queues: Sequence[str], *, listens: bool) -> None:
        """Has Celery's side of a worker hear no more doorbells, or hear them again. Without a broker there are none to hear."""
        say = self._app.control.add_consumer if listens else self._app.control.cancel_consumer
        try:
            for queue in queues:
                say(queue, destination=[worker])
        except self._errors as error:
            log.warning("the worker could not be told whether to listen", listens=listens, error=type(error).__name__)

    def close(self) -> None:
        """Sends what is waiting, unless the broker is silent."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(2 * RING_S)

    def _send(self) -> None:
        while (queue := self._next()) is not None:
            try:
                self._app.send_task(DOORBELL, args=[queue], queue=queue, retry=False, ignore_result=True)
                metrics.JOBS_DOORBELLS.labels(result="sent").inc()
            except self._errors as error:
                # Those behind it would each wait as long and then be stale: whoever reconciles rings for what is still ready.
                with self._changed:
                    self._waiting.clear()
                metrics.JOBS_DOORBELLS.labels(result="failed").inc()
                log.warning("doorbell not sent; the workers' own look finds the job", queue=queue, error=type(error).__name__)

    def _next(self) -> str | None:
        """The next queue to ring, in turn; None when it is time to end."""
        with self._changed:
            while not self._waiting:
                if self._closing:
                    return None
                self._changed.wait()
            queue = next(iter(self._waiting))
            left = self._waiting.pop(queue) - 1
            if left:
                self._waiting[queue] = left
            return queue


class CeleryDispatcher(Dispatcher):
    """What a process needs whose jobs run elsewhere: it tells of them, and looks after those whose worker died."""

    def __init__(self, runtime: Runtime, broker_url: str) -> None:
        runtime.bell = self
        self._bell = CeleryBell(broker_url)
        self._outbox = Outbox(runtime.database, runtime.events, self, runtime.loops)
        self._upkeep = Upkeep(runtime.database, runtime.loops, lease_ttl_s=runtime.settings.job_lease_ttl_s)

    async def start(self) -> None:
        await self._outbox.start()
        await self._upkeep.start()

    async def at_work(self) -> None:
        """The workers are."""

    async def stop(self, grace_s: float = 10.0) -> None:
        await self._upkeep.stop()
        await self._outbox.stop()
        await asyncio.to_thread(self._bell.close)

    def ring(self, queue: str, n: int = 1) -> None:
        self._bell.ring(queue, n)

    async def check(self) -> None:
        await self._bell.check()
