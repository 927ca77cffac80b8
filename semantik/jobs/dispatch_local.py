"""Runs jobs within this process: slots that wait for a ring, and look by themselves every second."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from semantik.jobs import fair_share
from semantik.jobs.dispatch import Dispatcher
from semantik.jobs.outbox import Outbox
from semantik.jobs.runner import Runner
from semantik.jobs.store.rows import DATABASE_ERRORS
from semantik.jobs.values import QUEUES
from semantik.kit import logs
from semantik.kit.concurrency import end

if TYPE_CHECKING:
    from semantik.runtime import Runtime

log = logs.get(__name__)

_POLL_S = 1.0
_DEFAULT_SLOTS = 2
# Clean-up and the like never wait behind long ingests, and never take their slots.
_HOUSEKEEPING = "maintenance"


class LocalDispatcher(Dispatcher):
    """Slots for the work of all queues, and one more for housekeeping."""

    def __init__(self, runtime: Runtime, *, slots: int | None = None, slice_s: float = 10.0) -> None:
        """`slice_s`: how long a job may run while a tenant without any slot waits; then it steps back."""
        slots = slots or runtime.settings.job_concurrency or _DEFAULT_SLOTS
        runtime.bell = self
        self.runner = Runner(runtime, pool="local", slots=slots + 1)
        self._loops = runtime.loops
        self._outbox = Outbox(runtime.database, runtime.events, self, runtime.loops)
        self._work = tuple(queue for queue in QUEUES if queue != _HOUSEKEEPING)
        self._plan = [self._work] * slots + [(_HOUSEKEEPING,)]
        self._rung = [asyncio.Event() for _ in self._plan]
        self._slots: list[asyncio.Task[None]] = []
        self._needed = asyncio.Event()
        self._starting: asyncio.Task[None] | None = None
        self._turn = 0
        self._slice_s = slice_s
        self._sharing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self._outbox.start()
        await self._start_slots()

    async def start_when_rung(self) -> None:
        """Leaves alone what others left to do until somebody rings, or this process itself enqueues something."""
        await self._outbox.start()
        self._starting = self._loops.start("job-start", self._start_once_needed())

    async def at_work(self) -> None:
        self._needed.set()
        if self._starting is not None:
            await asyncio.shield(self._starting)

    async def _start_once_needed(self) -> None:
        await self._needed.wait()
        await self._start_slots()

    async def _start_slots(self) -> None:
        await self.runner.start()
        self._slots = [
            self._loops.start(f"job-slot-{number}", self._serve(queues, rung))
            for number, (queues, rung) in enumerate(zip(self._plan, self._rung, strict=True))
        ]
        share = fair_share.keep(self.runner, self._work, slots=len(self._plan) - 1, slice_s=self._slice_s)
        self._sharing = self._loops.start("job-fair-share", share)

    async def stop(self, grace_s: float = 10.0) -> None:
        await end(self._starting, self._sharing)
        stopping = asyncio.create_task(self.runner.stop(grace_s))
        for rung in self._rung:
            rung.set()
        await stopping
        await end(*self._slots)
        self._slots = []
        await self._outbox.stop()

    def ring(self, queue: str, n: int = 1) -> None:
        self._needed.set()
        for queues, rung in zip(self._plan, self._rung, strict=True):
            if queue in queues:
                rung.set()

    async def check(self) -> None:
        """Those it rings for are in this process."""

    async def _serve(self, queues: tuple[str, ...], rung: asyncio.Event) -> None:
        while not self.runner.stopping:
            try:
                worked = await self._look(queues)
            except DATABASE_ERRORS as error:
                log.warning("a slot could not look for jobs", error=str(error)[:300])
                worked = False
            if worked:
                continue
            rung.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(rung.wait(), _POLL_S)

    async def _look(self, queues: tuple[str, ...]) -> bool:
        """Runs one job of these queues; they take turns, so that one full queue does not starve the others."""
        ready = set(await self.runner.ready()).intersection(queues)
        self._turn += 1
        order = queues[self._turn % len(queues) :] + queues[: self._turn % len(queues)]
        for queue in order:
            if queue in ready and await self.runner.run_next(queue):
                return True
        return False
