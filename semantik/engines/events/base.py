"""The port that carries job events from workers to watchers: fast, lossy, ordered within a job; SQL is the truth."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from semantik.kit.errors import Unavailable


class EventsUnavailable(Unavailable):
    """What carries live events does not answer. Nothing is lost: pages fall behind and catch up from the database."""

    code = "events_unavailable"
    default_hint = "See whether the Redis of SEMANTIK_REDIS_URL runs; pages catch up by themselves."


# A reader this many events behind is told to look at SQL instead.
MOST_BEHIND = 256


@dataclass(frozen=True, slots=True)
class Event:
    """`seq` rises by one within a job for stored events; None marks a passing one (fine progress) that is never stored."""

    tenant_id: str
    job_id: str
    seq: int | None
    type: str
    payload: dict[str, Any]


class Subscription(AsyncIterator[Event]):
    """The events of one reader from the moment it was made, until it is closed. Bounded: see `EventBus.subscribe`."""

    def __init__(self, tenant_id: str, job_id: str | None, on_close: Callable[[Subscription], None]) -> None:
        self.tenant_id = tenant_id
        self.job_id = job_id
        self._on_close = on_close
        self._waiting: deque[Event] = deque()
        self._arrived = asyncio.Event()
        self._closed = False

    def wants(self, event: Event) -> bool:
        return event.tenant_id == self.tenant_id and self.job_id in (None, event.job_id)

    def offer(self, event: Event) -> None:
        """Hands over one event; in place of the 256th unread one comes "resync", and all unread ones are dropped."""
        if len(self._waiting) >= MOST_BEHIND:
            self._waiting.clear()
            event = Event(self.tenant_id, self.job_id or "", None, "resync", {})
        elif self._waiting and event.seq is None and _passing(self._waiting[-1], event.job_id):
            # Of passing events only the newest matters.
            self._waiting.pop()
        self._waiting.append(event)
        self._arrived.set()

    async def __anext__(self) -> Event:
        while not self._waiting:
            if self._closed:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        return self._waiting.popleft()

    async def aclose(self) -> None:
        self.end()
        self._on_close(self)

    def end(self) -> None:
        """Lets the reader finish what it has and stop."""
        self._closed = True
        self._arrived.set()


def _passing(event: Event, job_id: str) -> bool:
    return event.seq is None and event.job_id == job_id and event.type != "resync"


class EventBus(Protocol):
    async def publish(self, event: Event) -> None:
        """Idempotent by (job_id, seq). Never raises, never waits longer than 2 s: a lost event is found again in SQL."""
        ...

    def subscribe(self, tenant_id: str, job_id: str | None = None) -> Subscription:
        """Events of one job or of all the tenant's jobs from this call on. May have gaps: the caller backfills from SQL.

        Bounded: a reader that falls behind by 256 events gets one Event of type "resync" in their place.
        """
        ...

    async def check(self) -> Mapping[str, Any]:
        """Says what carries the events. Raises `EventsUnavailable`."""
        ...

    async def close(self) -> None: ...
