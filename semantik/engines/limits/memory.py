"""Token buckets within one process."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from semantik.engines.limits.base import Buckets, Rate


@dataclass(slots=True)
class _Bucket:
    level: float
    at: float
    blocked_until: float = 0.0


class MemoryBuckets(Buckets):
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

    async def close(self) -> None:
        """Nothing is open."""

    def _filled(self, key: str, rate: Rate) -> tuple[_Bucket, float]:
        now = self._clock()
        bucket = self._buckets.setdefault(key, _Bucket(rate.burst, now))
        bucket.level = min(rate.burst, bucket.level + (now - bucket.at) * rate.per_s)
        bucket.at = now
        return bucket, now
