"""Events for one watcher, each stored one once and in order: what SQL has, then the bus, with SQL again for every gap.

The bus is fast and may lose; SQL is slow and has all. A reader takes from the bus what follows on what it has, fetches
from SQL what is missing in between, and asks SQL anyway after a while of silence, so that a bus that died costs seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from semantik.auth.actor import Actor
from semantik.engines.events.base import Event, EventBus, Subscription
from semantik.features.activity import repository
from semantik.jobs.states import ENDED
from semantik.kit import metrics
from semantik.kit.clock import now
from semantik.kit.concurrency import end
from semantik.kit.database import Database

_PAGE = 500
# Ended jobs are still looked after for this long, so that their last event arrives through a dead bus.
_AFTERGLOW = timedelta(minutes=2)
_LOOK_EVERY_S = 5.0

_ENDING = frozenset(f"job.{status}" for status in ENDED)


@dataclass(frozen=True, slots=True)
class Message:
    """What a watcher is told. `seq` is None for fine progress, which is not stored, and for "resync"."""

    type: str
    job_id: str
    seq: int | None
    payload: Mapping[str, Any]
    level: str = "info"
    at: datetime | None = None

    @property
    def ends_job(self) -> bool:
        return self.type in _ENDING

    def as_json(self) -> dict[str, Any]:
        fields = ("status", "progress", "counts", "eta_s", "message", "collection_id")
        told = {name: self.payload.get(name) for name in fields}
        return {"type": self.type, "job_id": self.job_id, "seq": self.seq, **told, "metadata": self.payload.get("metadata", {})}


class Feed:
    """Subscribed from the moment it is made. `told` is the last number this watcher has, for each job."""

    def __init__(self, database: Database, events: EventBus, actor: Actor, *, job_id: str | None = None) -> None:
        self._database = database
        self._actor = actor
        self._job_id = job_id
        self._subscription: Subscription = events.subscribe(actor.tenant_id, job_id)
        metrics.JOB_WATCHERS.inc()
        self._open = True
        self.told: dict[str, int] = {}

    async def replay(self, job_id: str, *, after: int, until: int | None = None) -> AsyncIterator[Message]:
        """The stored events of a job in order, from the one after `after` on."""
        while True:
            async with self._database.read(self._actor.tenant_id) as session:
                rows = await repository.events(session, self._actor, job_id, after=after, limit=_PAGE)
            for row in rows:
                if until is not None and row.seq > until:
                    return
                after = row.seq
                self.told[job_id] = max(row.seq, self.told.get(job_id, 0))
                yield Message(row.type, job_id, row.seq, row.payload, row.level, row.created_at)
            if len(rows) < _PAGE:
                return

    async def live(self) -> AsyncIterator[Message]:
        """Everything from now on. A "resync" says that this watcher was too slow and should look afresh."""
        pending: asyncio.Task[Event] | None = None
        try:
            while True:
                if pending is None:
                    pending = asyncio.create_task(_next(self._subscription))
                done, _ = await asyncio.wait({pending}, timeout=_LOOK_EVERY_S)
                if not done:
                    async for message in self._catch_up():
                        yield message
                    continue
                try:
                    event = pending.result()
                except StopAsyncIteration:
                    return
                pending = None
                if event.type == "resync":
                    metrics.JOB_RESYNCS.inc()
                    yield Message("resync", event.job_id, None, {})
                    async for message in self._catch_up():
                        yield message
                    continue
                async for message in self._in_order(event):
                    yield message
        finally:
            await end(pending)
            await self.close()

    async def close(self) -> None:
        if self._open:
            self._open = False
            metrics.JOB_WATCHERS.dec()
        await self._subscription.aclose()

    async def _in_order(self, event: Event) -> AsyncIterator[Message]:
        if event.seq is None:
            yield Message(event.type, event.job_id, None, event.payload)
            return
        told = self.told.get(event.job_id, 0)
        if event.seq == told + 1:
            self.told[event.job_id] = event.seq
            yield Message(event.type, event.job_id, event.seq, event.payload)
        elif event.seq > told:
            async for message in self.replay(event.job_id, after=told):
                yield message

    async def _catch_up(self) -> AsyncIterator[Message]:
        async with self._database.read(self._actor.tenant_id) as session:
            newest = await repository.moved(session, self._actor, since=now() - _AFTERGLOW, job_id=self._job_id)
        for job_id, seq in newest.items():
            told = self.told.get(job_id, 0)
            if seq > told:
                async for message in self.replay(job_id, after=told):
                    yield message


async def _next(subscription: Subscription) -> Event:
    # A future cannot carry StopIteration, but it can carry StopAsyncIteration.
    return await subscription.__anext__()
