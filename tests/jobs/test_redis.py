"""One Redis for many workers: shared token buckets, a wire that goes dead, TLS, and sentinels that change who leads."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from semantik.engines.events.base import EventsUnavailable
from semantik.engines.events.redis import RedisEvents
from semantik.engines.limits.base import Rate
from semantik.engines.limits.redis import RedisBuckets
from semantik.jobs.dispatch_celery import CeleryBell
from semantik.jobs.states import Status
from semantik.testing.events import event, take
from tests import services, wires
from tests.jobs.conftest import World
from tests.jobs.hiring import (  # noqa: F401 - some are fixtures
    Hire,
    broker_fixture,
    effects,
    hire_fixture,
    moving,
    put_at_once,
    ringing_fixture,
    rings,
    server_fixture,
    zygote_fixture,
)  # fmt: skip
from tests.jobs.zygote import Draw, Five

pytestmark = [pytest.mark.long, pytest.mark.crash, pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)]


async def drawn(world: World, hire: Hire, **args: Any) -> float:
    """Three workers draw from one bucket, side by side. Returns the seconds it took them."""
    wanted = Draw(bucket=uuid.uuid4().hex, workers=3, **args)
    for _ in range(wanted.workers):
        hire()
    made = [await world.put(wanted) for _ in range(wanted.workers)]
    done = [await world.until(one.id, Status.COMPLETED, within_s=90) for one in made]
    assert len({(one.result or {})["pid"] for one in done}) == wanted.workers
    began = max(one.started_at for one in done if one.started_at is not None)
    return (max(one.finished_at for one in done if one.finished_at is not None) - began).total_seconds()


async def test_three_workers_never_draw_more_than_the_rate_and_the_burst(ringing: World, hire: Hire) -> None:
    seconds = await drawn(ringing, hire, per_s=20, burst=10, draws=60)
    assert 20 * seconds + 10 >= 3 * 60, "what three workers drew had flowed in by then, or was there at the start"


async def test_what_failed_is_given_back_to_all_workers(ringing: World, hire: Hire) -> None:
    """Ten tokens, and one more in a quarter of an hour: 900 draws come to an end only because each is given back."""
    await drawn(ringing, hire, per_s=0.001, burst=10, draws=300, fails=True)


async def test_a_wire_to_the_broker_that_goes_dead_holds_up_no_request_and_no_job(world: World, broker: services.Redis, hire: Hire) -> None:
    """Nothing moves and nothing is closed. Once the wire is mended the worker hears doorbells again, on connections of its own making."""
    with wires.wire(broker.port) as wire:
        url = f"redis://127.0.0.1:{wire.port}/0"
        async with rings(world, url):
            hire(broker=url, silence_s=2, deaf_s=600)
            first = await world.put(Five(items=20, pace_s=0.06))
            await moving(world, first.id)
            wire.go_dead()
            meanwhile = [await put_at_once(world, Five(items=1)) for _ in range(3)]
            for one in (first, *meanwhile):
                await world.until(one.id, Status.COMPLETED, within_s=30)
            wire.mend()
            with redis.Redis(port=broker.port) as client:
                client.delete("semantik:celery:cpu")
                bell = CeleryBell(broker.url)
                bell.ring("cpu")
                bell.close()
                end = time.monotonic() + 90
                while client.llen("semantik:celery:cpu"):
                    assert time.monotonic() < end, "nobody heard a doorbell after the wire was mended"
                    await asyncio.sleep(0.1)
    assert set(await effects(world)) == {1}


async def test_who_watches_over_a_wire_that_went_dead_is_told_and_hears_again(world: World, broker: services.Redis) -> None:
    with wires.wire(broker.port) as wire:
        watching, bus = RedisEvents(f"redis://127.0.0.1:{wire.port}/0"), RedisEvents(broker.url)
        subscription = watching.subscribe("tenant-1", "job")
        await bus.publish(event(1, job="job"))
        assert await take(subscription, 1) == [event(1, job="job")]
        wire.go_dead()
        wire.mend()
        told = await asyncio.wait_for(anext(subscription), 30)
        assert told.type == "resync"
        await asyncio.sleep(2)
        await bus.publish(event(2, job="job"))
        heard = await asyncio.wait_for(anext(subscription), 10)
        assert heard.seq == 2
        await watching.close()
        await bus.close()


# TLS ------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def encrypted(broker: services.Redis, tmp_path: Path) -> Iterator[str]:
    """The address of a Redis that is reached through TLS only, with a certificate of our own making."""
    context, trusted = wires.own_certificate(tmp_path)
    with wires.wire(broker.port, context) as wire:
        yield f"rediss://localhost:{wire.port}/0?ssl_ca_certs={trusted}"


async def test_doorbells_events_and_buckets_go_through_tls(world: World, encrypted: str, hire: Hire) -> None:
    async with rings(world, encrypted):
        hire(broker=encrypted, silence_s=600)
        made = [await world.put(Five(items=2)), await world.put(Draw(bucket="tls", per_s=100, burst=10, draws=20))]
        for one in made:
            await world.until(one.id, Status.COMPLETED, within_s=60)
    writer, reader = RedisEvents(encrypted), RedisEvents(encrypted)
    subscription = reader.subscribe("tenant-1", "job")
    await writer.publish(event(1, job="job"))
    assert await take(subscription, 1) == [event(1, job="job")]
    await writer.close()
    await reader.close()


async def test_a_certificate_that_nobody_vouches_for_is_refused_unless_told_otherwise(world: World, encrypted: str) -> None:
    plain = encrypted.partition("?")[0]
    refused, trusting = RedisEvents(plain), RedisEvents(f"{plain}?ssl_cert_reqs=none")
    with pytest.raises(EventsUnavailable):
        await refused.check()
    assert (await trusting.check())["backend"] == "redis"
    bell = CeleryBell(plain)
    assert bell.depth("cpu") is None
    bell.close()
    await refused.close()
    await trusting.close()


# Sentinels ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def sentinels() -> Iterator[services.Sentinels]:
    with services.redis_sentinels() as opened:
        yield opened


async def test_jobs_go_on_when_another_redis_takes_the_lead(world: World, sentinels: services.Sentinels, hire: Hire) -> None:
    """Nothing is lost, and the workers hear doorbells of the new leader: without them they would not look for ten minutes."""
    async with rings(world, sentinels.url(0)):
        for _ in range(2):
            hire(broker=sentinels.url(0), silence_s=600, deaf_s=600)
        made = [await world.put(Five(items=60, pace_s=0.06)), await world.put(Draw(bucket="b", per_s=10, burst=5, draws=60))]
        await moving(world, made[0].id)
        made += [await world.put(Five(items=3)) for _ in range(3)]
        await asyncio.to_thread(sentinels.fail_over)
        made += [await world.put(Five(items=3)) for _ in range(3)]
        for one in made:
            await world.until(one.id, Status.COMPLETED, within_s=90)
    assert set(await effects(world)) == {1}
    assert [(await world.job(one.id)).losses for one in made] == [0] * len(made)
    with redis.Redis(port=sentinels.follower.port) as client:
        assert client.exists("semantik:celery:_kombu.binding.cpu"), "the workers are at home at the new leader"


async def test_events_and_buckets_follow_the_redis_that_leads(world: World, sentinels: services.Sentinels) -> None:
    bus, watching = RedisEvents(sentinels.url(1)), RedisEvents(sentinels.url(1))
    buckets = [RedisBuckets(sentinels.url(1), workers=2) for _ in range(2)]
    subscription = watching.subscribe("tenant-1", "job")
    await bus.publish(event(1, job="job"))
    assert await take(subscription, 1) == [event(1, job="job")]
    await asyncio.to_thread(sentinels.fail_over)
    seen: list[int | None] = []

    async def watch() -> None:
        async for one in subscription:
            seen.append(one.seq)

    watcher, end, number = asyncio.create_task(watch()), time.monotonic() + 30, 1
    while not [seq for seq in seen if seq is not None]:
        assert time.monotonic() < end, "no event arrived by way of the new leader"
        number += 1
        await bus.publish(event(number, job="job"))
        await asyncio.sleep(0.1)
    watcher.cancel()
    assert seen[0] is None, "whoever watches is told that it may have missed some"
    # Together they hold the one bucket of the new leader, and not half a bucket each.
    rate = Rate(per_s=0.001, burst=7)
    assert sum([await buckets[number % 2].take("shared", 1, rate) == 0 for number in range(12)]) == 7
    for carrier in (bus, watching):
        await carrier.close()
    for bucket in buckets:
        await bucket.close()
