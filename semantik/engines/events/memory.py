"""Events within one process."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from semantik.engines.events.base import Event, EventBus, Subscription

# Jobs whose last number is remembered, so that a repeated publication is not told twice.
_MOST_JOBS = 10_000


class MemoryEvents(EventBus):
    def __init__(self) -> None:
        self._subscriptions: list[Subscription] = []
        self._last: OrderedDict[str, int] = OrderedDict()

    async def publish(self, event: Event) -> None:
        if event.seq is not None and not self._is_new(event.job_id, event.seq):
            return
        for subscription in list(self._subscriptions):
            if subscription.wants(event):
                subscription.offer(event)

    def _is_new(self, job_id: str, seq: int) -> bool:
        if seq <= self._last.get(job_id, 0):
            return False
        self._last[job_id] = seq
        self._last.move_to_end(job_id)
        if len(self._last) > _MOST_JOBS:
            self._last.popitem(last=False)
        return True

    async def check(self) -> Mapping[str, Any]:
        return {"backend": "memory"}

    def subscribe(self, tenant_id: str, job_id: str | None = None) -> Subscription:
        subscription = Subscription(tenant_id, job_id, self._remove)
        self._subscriptions.append(subscription)
        return subscription

    def _remove(self, subscription: Subscription) -> None:
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)

    async def close(self) -> None:
        for subscription in list(self._subscriptions):
            subscription.end()
        self._subscriptions.clear()
