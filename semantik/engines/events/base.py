"""The port that carries job events from workers to watchers: fast, lossy, ordered within a job; SQL is the truth."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Event:
    """`seq` rises by one within a job for stored events; None marks a passing one (fine progress) that is never stored."""

    tenant_id: str
    job_id: str
    seq: int | None
    type: str
    payload: dict[str, Any]


class EventBus(Protocol):
    async def publish(self, event: Event) -> None:
        """Idempotent by (job_id, seq). Never raises, never waits longer than 2 s: a lost event is found again in SQL."""
        ...

    def subscribe(self, tenant_id: str, job_id: str | None = None) -> AsyncIterator[Event]:
        """Events of one job or of all the tenant's jobs from now on. May have gaps: the caller backfills from SQL.

        Bounded: a reader that falls behind by 256 events gets one Event of type "resync" in their place.
        """
        ...

    async def close(self) -> None: ...
