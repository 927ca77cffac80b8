"""Opens a client for a Redis, wherever it is: one server or behind sentinels, with TLS or without."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff

from semantik.kit import redis_place


class RedisLink:
    """`client` connects lazily and tries a command once: whoever calls knows how long it may take. Behind sentinels it asks them anew
    for the server that leads whenever it connects."""

    def __init__(self, url: str, *, connect_s: float, answer_s: float | None) -> None:
        """`answer_s`: the longest wait for an answer; None: as long as it takes."""
        options: dict[str, Any] = {
            "socket_timeout": answer_s,
            "socket_connect_timeout": connect_s,
            "retry": Retry(NoBackoff(), 0),
            "decode_responses": True,
        }
        self._sentinel: Any = None
        if urlsplit(url).scheme == "unix":
            self.client = Redis.from_url(url, **options)
            return
        place = redis_place.parse(url)
        if place.tls is not None:
            options |= {"ssl": True, **place.tls}
        options |= {"db": place.database, "username": place.username, "password": place.password}
        if place.service is None:
            ((host, port),) = place.hosts
            self.client = Redis(host=host, port=port, **options)
            return
        # A sentinel is asked, never waited for: one that is frozen must leave time to ask the next.
        asking = {"socket_timeout": connect_s / 2, "socket_connect_timeout": connect_s / 2, "retry": Retry(NoBackoff(), 0)}
        asking |= {"password": place.sentinel_password, **({"ssl": True, **place.tls} if place.tls is not None else {})}
        sentinel: Any = Sentinel
        self._sentinel = sentinel(list(place.hosts), sentinel_kwargs=asking, **options)
        self.client = self._sentinel.master_for(place.service)

    async def close(self) -> None:
        await self.client.aclose()
        if self._sentinel is not None:
            await self._sentinel.aclose()
