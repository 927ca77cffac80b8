"""Token buckets, by themselves and across processes."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator

import pytest

from semantik.engines.limits.base import Buckets, Rate
from semantik.engines.limits.memory import MemoryBuckets
from semantik.engines.limits.redis import RedisBuckets
from tests import services

RATE = Rate(per_s=20, burst=10)


@pytest.fixture(params=["memory", "redis"])
async def buckets(request: pytest.FixtureRequest) -> AsyncIterator[Buckets]:
    if request.param == "memory":
        yield MemoryBuckets()
        return
    made = RedisBuckets(request.getfixturevalue("redis_url"))
    yield made
    await made.close()


@pytest.fixture
def key() -> str:
    return uuid.uuid4().hex


async def test_what_flows_in_a_second_is_what_is_granted(buckets: Buckets, key: str) -> None:
    granted, end = 0, time.monotonic() + 1
    while time.monotonic() < end:
        wait = await buckets.take(key, 1, RATE)
        if wait == 0:
            granted += 1
        else:
            await asyncio.sleep(wait)
    assert 25 <= granted <= 33


async def test_the_wait_is_exact_and_what_was_not_used_comes_back(buckets: Buckets, key: str) -> None:
    assert await buckets.take(key, 10, RATE) == 0
    assert 0.3 < await buckets.take(key, 10, RATE) <= 0.5
    await buckets.settle(key, taken=10, used=0, rate=RATE)
    assert await buckets.take(key, 10, RATE) == 0
    await buckets.settle(key, taken=10, used=20, rate=RATE)
    assert await buckets.take(key, 1, RATE) > 0.4


async def test_a_blocked_key_grants_nothing_until_its_time(buckets: Buckets, key: str) -> None:
    await buckets.block(key, 0.4)
    assert 0.2 < await buckets.take(key, 1, RATE) <= 0.4
    await asyncio.sleep(0.45)
    assert await buckets.take(key, 1, RATE) == 0


async def test_more_than_the_bucket_holds_waits_for_a_full_one(buckets: Buckets, key: str) -> None:
    assert await buckets.take(key, 1000, RATE) == 0
    assert 0.4 < await buckets.take(key, 1000, RATE) <= 0.5


async def test_workers_share_one_bucket(redis_url: str, key: str) -> None:
    workers = [RedisBuckets(redis_url) for _ in range(3)]
    granted = sum([await workers[number % 3].take(key, 1, RATE) == 0 for number in range(30)])
    assert 10 <= granted <= 20
    for worker in workers:
        await worker.close()


async def test_without_redis_each_process_keeps_to_its_share(key: str) -> None:
    alone = RedisBuckets(f"redis://127.0.0.1:{services.free_port()}/0", workers=5)
    assert [await alone.take(key, 1, RATE) == 0 for _ in range(4)] == [True, True, False, False]
    await alone.close()
