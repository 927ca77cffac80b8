"""Binds the contract of event carriers to memory and to a real Redis, and tries a Redis that is gone."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Iterator, MutableMapping
from typing import Any

import pytest
import structlog
import structlog.testing

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


@pytest.fixture
def logged() -> Iterator[list[MutableMapping[str, Any]]]:
    """Lines from info on, whatever level another test has left."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
    with structlog.testing.capture_logs() as lines:
        yield lines
    structlog.configure(**before)


async def test_an_outage_is_logged_once_and_its_end_too(logged: list[MutableMapping[str, Any]]) -> None:
    with services.redis_server() as redis:
        redis.kill()
        bus = RedisEvents(redis.url)
        subscriptions = [bus.subscribe("tenant-1"), bus.subscribe("tenant-2")]
        for number in range(1, 4):
            await bus.publish(event(number))
            await asyncio.sleep(1)
        redis.start()
        async with asyncio.timeout(30):
            while len(logged) < 4:
                await bus.publish(event(9))
                await asyncio.sleep(0.2)
    said = sorted((line["event"], line["what"]) for line in logged)
    assert said == [(event, what) for event in ("events go on", "events interrupted") for what in ("publishing", "reading")]
    assert all(line["after_s"] > 2 for line in logged if line["event"] == "events go on")
    for subscription in subscriptions:
        await subscription.aclose()
    await bus.close()
