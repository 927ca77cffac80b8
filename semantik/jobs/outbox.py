"""Takes the events and wake-ups of a committed transaction to the bus and the bell, in order, off the caller's path."""

from __future__ import annotations

import asyncio
import contextlib

from semantik.engines.events.base import Event, EventBus
from semantik.jobs.failpoints import fp
from semantik.jobs.store.rows import OUTBOX
from semantik.kit import logs
from semantik.kit.concurrency import Loops, end
from semantik.kit.database import Database
from semantik.runtime import Bell

log = logs.get(__name__)

# Passing events may be dropped; stored ones are found again in SQL by any reader that sees the gap.
_MOST_WAITING = 10_000


class Outbox:
    """One for each process; put into the sessions of its database while it is open."""

    def __init__(self, database: Database, events: EventBus, bell: Bell, loops: Loops) -> None:
        self.bell = bell
        self._database = database
        self._events = events
        self._loops = loops
        self._waiting: asyncio.Queue[Event] = asyncio.Queue(_MOST_WAITING)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = self._loops.start("job-outbox", self._publish())
        self._database.info[OUTBOX] = self

    async def stop(self) -> None:
        """Publishes what is waiting, for at most two seconds."""
        self._database.info.pop(OUTBOX, None)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._waiting.join(), 2)
        await end(self._task)
        self._task = None

    def deliver(self, events: list[Event], rings: set[str]) -> None:
        for event in events:
            self.pass_on(event)
        for queue in rings:
            self.bell.ring(queue)

    def pass_on(self, event: Event) -> None:
        """An event that is not part of any transaction, such as fine progress."""
        try:
            self._waiting.put_nowait(event)
        except asyncio.QueueFull:
            log.warning("event dropped: the bus is too slow", type=event.type)

    async def _publish(self) -> None:
        while True:
            event = await self._waiting.get()
            try:
                fp("after_commit_before_publish")
                await self._events.publish(event)
            finally:
                self._waiting.task_done()
