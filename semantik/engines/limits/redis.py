"""Token buckets that hold across workers: each call is one script in Redis, by Redis's own clock."""

from __future__ import annotations

from redis.exceptions import RedisError

from semantik.engines.limits.base import Buckets, Rate
from semantik.engines.limits.memory import MemoryBuckets
from semantik.kit import logs
from semantik.kit.redis_link import RedisLink

log = logs.get(__name__)

_TIMEOUT_S = 1.0

# One bucket is a hash of level, time and the end of a block. ARGV: what, amount, per second, burst.
_SCRIPT = """
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local what, amount, per_s, burst = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local kept = redis.call('HMGET', KEYS[1], 'level', 'at', 'blocked')
local level, at, blocked = tonumber(kept[1] or burst), tonumber(kept[2] or now), tonumber(kept[3] or 0)
level = math.min(burst, level + math.max(0, now - at) * per_s)
local wait = 0
if what == 'take' then
  amount = math.min(amount, burst)
  if now < blocked then wait = blocked - now
  elseif level >= amount then level = level - amount
  else wait = (amount - level) / per_s end
elseif what == 'settle' then
  level = math.min(burst, level + amount)
else
  redis.call('HSET', KEYS[1], 'blocked', tostring(math.max(blocked, now + amount)))
  redis.call('EXPIRE', KEYS[1], 86400)
  return '0'
end
redis.call('HSET', KEYS[1], 'level', tostring(level), 'at', tostring(now))
redis.call('EXPIRE', KEYS[1], 86400)
return tostring(wait)
"""


class RedisBuckets(Buckets):
    """While Redis does not answer, each process keeps to its share, `1 / workers` of the rate, by itself."""

    def __init__(self, url: str, *, workers: int = 1) -> None:
        self._link = RedisLink(url, connect_s=_TIMEOUT_S, answer_s=_TIMEOUT_S)
        self._script = self._link.client.register_script(_SCRIPT)
        self._alone = MemoryBuckets()
        self._workers = workers
        self._is_alone = False

    async def take(self, key: str, cost: float, rate: Rate) -> float:
        try:
            return await self._run(key, "take", cost, rate)
        except (RedisError, OSError):
            return await self._alone.take(key, cost, self._share(rate))

    async def settle(self, key: str, *, taken: float, used: float, rate: Rate) -> None:
        try:
            await self._run(key, "settle", min(taken, rate.burst) - used, rate)
        except (RedisError, OSError):
            await self._alone.settle(key, taken=taken, used=used, rate=self._share(rate))

    async def block(self, key: str, seconds: float) -> None:
        try:
            await self._run(key, "block", seconds, Rate(1.0, 0.0))
        except (RedisError, OSError):
            await self._alone.block(key, seconds)

    async def close(self) -> None:
        await self._link.close()

    async def _run(self, key: str, what: str, amount: float, rate: Rate) -> float:
        answer = float(await self._script(keys=[f"semantik:bucket:{key}"], args=[what, amount, rate.per_s, rate.burst]))
        self._is_alone = False
        return answer

    def _share(self, rate: Rate) -> Rate:
        if not self._is_alone:
            self._is_alone = True
            log.warning("rate limits are kept by this process alone: Redis does not answer", share=f"1/{self._workers}")
        return Rate(rate.per_s / self._workers, rate.burst / self._workers)
