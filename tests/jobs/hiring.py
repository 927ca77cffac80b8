"""Fixtures and looks for tests with real Celery workers: a Redis, workers that a test hires, and a process that enqueues."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
import redis
import sqlalchemy as sa

from semantik.jobs.dispatch_celery import RING_S, CeleryDispatcher
from semantik.jobs.values import Enqueued, JobArgs
from tests import services
from tests.jobs.conftest import World
from tests.jobs.forks import Zygote
from tests.jobs.zygote import EFFECTS

Hire = Callable[..., int]


@pytest.fixture(scope="module", name="zygote")
def zygote_fixture() -> Iterator[Zygote]:
    opened = Zygote()
    yield opened
    opened.close()


@pytest.fixture(scope="module", name="server")
def server_fixture() -> Iterator[services.Redis]:
    with services.redis_server() as opened:
        yield opened


@pytest.fixture(name="broker")
def broker_fixture(server: services.Redis) -> services.Redis:
    with redis.Redis.from_url(server.url) as client:
        client.flushall()
    return server


@pytest.fixture(name="hire")
def hire_fixture(zygote: Zygote, broker: services.Redis, database_url: str) -> Iterator[Hire]:
    """Starts a worker; its pid. Whoever is left at the end of the test is killed."""
    hired: list[int] = []

    def start(**options: object) -> int:
        hired.append(zygote.start(database_url, celery=True, **{"broker": broker.url, "ttl_s": 2, **options}))
        return hired[-1]

    yield start
    for pid in hired:
        if pid in zygote.alive:
            zygote.kill(pid)


@pytest.fixture(name="ringing")
async def ringing_fixture(world: World, broker: services.Redis) -> AsyncIterator[World]:
    """The process that enqueues, with a bell."""
    async with rings(world, broker.url):
        yield world


@asynccontextmanager
async def rings(world: World, url: str) -> AsyncIterator[None]:
    async with world.database.write() as session:
        await session.run_sync(lambda bound: EFFECTS.create(bound.connection()))
        await session.commit()
    dispatcher = CeleryDispatcher(world.runtime, url)
    await dispatcher.start()
    yield
    await dispatcher.stop()


@contextmanager
def no_wire_of_its_own() -> Iterator[None]:
    """This thread must not talk over a wire while the block lasts: whoever does waits for who does not answer."""
    here = threading.get_ident()

    def watched(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            assert threading.get_ident() != here, "the caller talks to the broker itself"
            return real(*args)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "sendall", "recv"):
            patch.setattr(socket.socket, name, watched(getattr(socket.socket, name)))
        yield


async def put_at_once(world: World, args: JobArgs) -> Enqueued:
    """Enqueues without the broker: nothing is sent to it from here, and nobody waits for the thread that rings to give up."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    with no_wire_of_its_own():
        made = await world.put(args)
    assert loop.time() - began < RING_S, "the caller waited for the ring to be given up"
    return made


async def effects(world: World) -> list[int]:
    """How often each item of each job took effect."""
    async with world.database.read() as session:
        return list(await session.scalars(sa.select(sa.func.count()).select_from(EFFECTS).group_by(EFFECTS.c.job_id, EFFECTS.c.item_key)))


async def moving(world: World, job_id: str, *, within_s: float = 60) -> int:
    """The process that runs the job, once it has done an item."""
    end = time.monotonic() + within_s
    while (job := await world.job(job_id)).done == 0 or job.lease_owner is None:
        assert time.monotonic() < end, f"nobody works on the job: {job.status}"
        await asyncio.sleep(0.02)
    return int(job.lease_owner.split(":")[1])
