"""Token buckets for what is bought by the unit: requests and tokens of a model provider, with refunds and exact waits.

A caller takes what it expects to use, works, and settles what it used; the difference goes back. A provider that says
"slow down" blocks its key for that long. Keys hold across workers when the buckets live in Redis. Wait short times in
place (`JobContext.sleep`); for longer ones raise `RateLimited`, which gives the slot to another job.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Rate:
    """`per_s` units flow in each second, at most `burst` are kept."""

    per_s: float
    burst: float


class Buckets(Protocol):
    async def take(self, key: str, cost: float, rate: Rate) -> float:
        """0.0 when the cost was taken, else the seconds after which it will be there. More than `burst` counts as `burst`."""
        ...

    async def settle(self, key: str, *, taken: float, used: float, rate: Rate) -> None:
        """Gives back what was taken and not used; what was used beyond is owed, and later callers wait for it."""
        ...

    async def block(self, key: str, seconds: float) -> None:
        """Nobody takes from the key for so long: the provider said so."""
        ...


@dataclass(slots=True)
class _Bucket:
    level: float
    at: float
    blocked_until: float = 0.0


class MemoryBuckets(Buckets):
    """Within one process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    async def take(self, key: str, cost: float, rate: Rate) -> float:
        bucket, now = self._filled(key, rate)
        cost = min(cost, rate.burst)
        if now < bucket.blocked_until:
            return bucket.blocked_until - now
        if bucket.level >= cost:
            bucket.level -= cost
            return 0.0
        return (cost - bucket.level) / rate.per_s

    async def settle(self, key: str, *, taken: float, used: float, rate: Rate) -> None:
        bucket, _ = self._filled(key, rate)
        bucket.level = min(rate.burst, bucket.level + min(taken, rate.burst) - used)

    async def block(self, key: str, seconds: float) -> None:
        now = self._clock()
        bucket = self._buckets.setdefault(key, _Bucket(math.inf, now))
        bucket.blocked_until = max(bucket.blocked_until, now + seconds)

    def _filled(self, key: str, rate: Rate) -> tuple[_Bucket, float]:
        now = self._clock()
        bucket = self._buckets.setdefault(key, _Bucket(rate.burst, now))
        bucket.level = min(rate.burst, bucket.level + (now - bucket.at) * rate.per_s)
        bucket.at = now
        return bucket, now
