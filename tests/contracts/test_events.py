"""Binds the contract of event carriers to memory and to a real Redis, and tries a Redis that is gone."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest

from semantik.engines.events.base import EventBus
from semantik.engines.events.memory import MemoryEvents
from semantik.engines.events.redis import RedisEvents
from semantik.testing.events import EventBusContract, event, take
from tests import services


class TestMemory(EventBusContract):
    @pytest.fixture
    async def bus(self) -> AsyncIterator[EventBus]:
        made = MemoryEvents()
        yield made
        await made.close()


class TestRedis(EventBusContract):
    @pytest.fixture
    async def bus(self, redis_url: str) -> AsyncIterator[EventBus]:
        from redis import Redis

        with Redis.from_url(redis_url) as redis:
            redis.flushall()
        made = RedisEvents(redis_url)
        yield made
        await made.close()


async def test_two_processes_share_one_redis(redis_url: str) -> None:
    writer, reader = RedisEvents(redis_url), RedisEvents(redis_url)
    job = str(uuid.uuid4())
    subscription = reader.subscribe("tenant-1", job)
    await writer.publish(event(1, job=job))
    assert await take(subscription, 1) == [event(1, job=job)]
    await writer.close()
    await reader.close()


async def test_publishing_without_redis_returns_within_two_seconds() -> None:
    bus = RedisEvents(f"redis://127.0.0.1:{services.free_port()}/0")
    async with asyncio.timeout(4):
        await bus.publish(event(1))
    await bus.close()
