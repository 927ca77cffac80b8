"""What must be done however few workers are left: leases of the dead settled, due schedules fired, those who wait raised.

Any process may do it and any number at once: each step is a compare-and-set in the database. Runners do it between their
heartbeats; API replicas and `semantik scheduler` on a task of their own, so that a pause, a cancel or a nightly run never
waits for a worker that is gone.
"""

from __future__ import annotations

import asyncio
import time

from semantik.jobs import rescue, schedule
from semantik.jobs.store.rows import DATABASE_ERRORS
from semantik.kit import logs
from semantik.kit.concurrency import Loops, end
from semantik.kit.database import Database

log = logs.get(__name__)

_LIFT_EVERY_S = 60.0
_TURN_S = 0.5


class Upkeep:
    def __init__(self, database: Database, loops: Loops, *, lease_ttl_s: float) -> None:
        self._database = database
        self._loops = loops
        self._every_s = min(5.0, max(0.5, lease_ttl_s / 3))
        self._swept = self._lifted = time.monotonic()
        self._task: asyncio.Task[None] | None = None

    async def turn(self) -> None:
        """Does what is due by now; returns at once when nothing is. Raises what the database does."""
        now = time.monotonic()
        if now - self._swept >= self._every_s:
            await rescue.sweep(self._database)
            self._swept = now
            await schedule.tick(self._database)
        if now - self._lifted >= _LIFT_EVERY_S:
            await rescue.lift_the_waiting(self._database)
            self._lifted = now

    async def start(self) -> None:
        self._task = self._loops.start("job-upkeep", self._go_on())

    async def stop(self) -> None:
        await end(self._task)
        self._task = None

    async def _go_on(self) -> None:
        while True:
            await asyncio.sleep(_TURN_S)
            try:
                await self.turn()
            except DATABASE_ERRORS as error:
                log.warning("upkeep of jobs met a database error", error=str(error)[:300])
