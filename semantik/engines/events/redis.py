"""Events between processes over Redis Streams: one reader a process, fanned out in memory.

Two kinds of stream. `semantik:job:<id>` holds the stored events of one job under the explicit id `<seq>-0`: Redis itself
refuses a repeated or late one, so publishing is idempotent. `semantik:events` is what readers follow; it carries also
passing events. Both are bounded; whatever is trimmed or lost with a Redis that dies is found again in SQL.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Mapping
from typing import Any

from redis.exceptions import RedisError

from semantik.engines.events.base import Event, EventBus, EventsUnavailable, Subscription
from semantik.kit import logs
from semantik.kit.redis_link import RedisLink

log = logs.get(__name__)

_FEED = "semantik:events"
_PUBLISH_S = 2.0
# Within the two seconds that a health check has.
_CHECK_S = 1.5
_BLOCK_MS = 2000
# A reader that was told nothing for so long, though it asked for two seconds only, has a dead connection.
_READ_S = 10.0
# Where a fresh reader starts: a little in the past, because readers drop by `seq` what they know.
_BACK_MS = 1000

_PUBLISH = """
if ARGV[1] ~= '' then
  local added = redis.pcall('XADD', KEYS[1], 'MAXLEN', '~', 1000, ARGV[1] .. '-0', 'e', ARGV[2])
  if type(added) == 'table' and added.err then return 0 end
  redis.call('EXPIRE', KEYS[1], 86400)
end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', 10000, '*', 'e', ARGV[2])
return 1
"""


class _Outage:
    """Says once that something broke off and once that it goes on, however often it is tried in between."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._since: float | None = None

    def met(self, error: Exception) -> None:
        if self._since is None:
            self._since = time.monotonic()
            log.warning("events interrupted", what=self._what, error=type(error).__name__)

    def over(self) -> None:
        if self._since is not None:
            log.info("events go on", what=self._what, after_s=round(time.monotonic() - self._since, 1))
            self._since = None


class RedisEvents(EventBus):
    def __init__(self, url: str) -> None:
        self._writing = RedisLink(url, connect_s=_PUBLISH_S, answer_s=_PUBLISH_S)
        self._reading = RedisLink(url, connect_s=_PUBLISH_S, answer_s=None)
        self._writer, self._reader = self._writing.client, self._reading.client
        self._publish = self._writer.register_script(_PUBLISH)
        self._subscriptions: list[Subscription] = []
        self._following: asyncio.Task[None] | None = None
        self._publishing, self._feed = _Outage("publishing"), _Outage("reading")

    async def publish(self, event: Event) -> None:
        seq = "" if event.seq is None else str(event.seq)
        text = json.dumps([event.tenant_id, event.job_id, event.seq, event.type, event.payload], default=str)
        try:
            async with asyncio.timeout(_PUBLISH_S):
                await self._publish(keys=[f"semantik:job:{event.job_id}", _FEED], args=[seq, text])
        except (RedisError, OSError, TimeoutError) as error:
            self._publishing.met(error)
        else:
            self._publishing.over()

    async def check(self) -> Mapping[str, Any]:
        try:
            async with asyncio.timeout(_CHECK_S):
                facts: Any = await self._writer.info("memory")
        except (RedisError, OSError, TimeoutError) as error:
            raise EventsUnavailable(f"Redis does not answer ({type(error).__name__})", retry_after_s=5.0) from error
        most = int(facts.get("maxmemory") or 0)
        return {"backend": "redis", "used_bytes": int(facts["used_memory"]), "most_bytes": most or None}

    def subscribe(self, tenant_id: str, job_id: str | None = None) -> Subscription:
        subscription = Subscription(tenant_id, job_id, self._remove)
        self._subscriptions.append(subscription)
        if self._following is None:
            self._following = asyncio.create_task(self._follow(), name="redis-events")
        return subscription

    def _remove(self, subscription: Subscription) -> None:
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)

    async def _follow(self) -> None:
        """Reads the feed for as long as the bus lives; after an outage every reader is told to look into SQL."""
        last: str | None = None
        while True:
            try:
                if last is None:
                    async with asyncio.timeout(_READ_S):
                        seconds, microseconds = await self._reader.time()
                    last = f"{seconds * 1000 + microseconds // 1000 - _BACK_MS}-0"
                # Here and not as an option of the client (redis-py 8.1), whose own timeout may swallow a cancellation.
                async with asyncio.timeout(_READ_S):
                    answer: Any = await self._reader.xread({_FEED: last}, count=500, block=_BLOCK_MS)
            except (RedisError, OSError) as error:
                self._feed.met(error)
                last = None
                for subscription in list(self._subscriptions):
                    subscription.offer(Event(subscription.tenant_id, subscription.job_id or "", None, "resync", {}))
                await asyncio.sleep(1)
                continue
            self._feed.over()
            for position, fields in _entries(answer):
                last = position
                event = Event(*json.loads(fields["e"]))
                for subscription in list(self._subscriptions):
                    if subscription.wants(event):
                        subscription.offer(event)

    async def close(self) -> None:
        if self._following is not None:
            self._following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._following
        for subscription in list(self._subscriptions):
            subscription.end()
        self._subscriptions.clear()
        await self._writing.close()
        await self._reading.close()


def _entries(answer: Any) -> list[tuple[str, dict[str, str]]]:
    """The entries of an XREAD of one stream; RESP3 answers with a mapping, RESP2 with pairs."""
    if not answer:
        return []
    streams = answer.values() if isinstance(answer, dict) else [entries for _, entries in answer]
    found: list[tuple[str, dict[str, str]]] = []
    for entries in streams:
        batches = entries if entries and isinstance(entries[0], list) and isinstance(entries[0][0], list | tuple) else [entries]
        for batch in batches:
            found.extend((entry[0], entry[1]) for entry in batch)
    return found
