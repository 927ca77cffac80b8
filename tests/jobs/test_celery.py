"""Celery as transport: real workers on a real Redis and PostgreSQL, killed, stopped and cut off, with the table as the only truth."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis
import sqlalchemy as sa

from semantik.jobs.dispatch_celery import TICK, CeleryBell, make_app
from semantik.jobs.states import Status
from semantik.jobs.store import workers
from semantik.kit.clock import now
from semantik.kit.ids import new_id
from semantik.tables.jobs import jobs, schedule_fires, schedules
from tests import services
from tests.jobs.conftest import World
from tests.jobs.forks import Zygote
from tests.jobs.hiring import (  # noqa: F401 - some are fixtures
    Hire,
    broker_fixture,
    effects,
    hire_fixture,
    moving,
    put_at_once,
    ringing_fixture,
    server_fixture,
    zygote_fixture,
)  # fmt: skip
from tests.jobs.zygote import Five, Where

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.long, pytest.mark.crash, pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)]


@pytest.mark.parametrize("pool", ["threads", "prefork"])
async def test_a_killed_worker_is_replaced_and_every_effect_happens_once(ringing: World, hire: Hire, zygote: Zygote, pool: str) -> None:
    first = hire(pool=pool, slots=2)
    made = [await ringing.put(Five(items=20, pace_s=0.06)) for _ in range(4)]
    await moving(ringing, made[0].id)
    zygote.kill(first)
    hire(pool=pool, slots=2)
    for one in made:
        await ringing.until(one.id, Status.COMPLETED, within_s=60)
    counts = await effects(ringing)
    assert (len(counts), max(counts)) == (80, 1)
    assert sum([(await ringing.job(one.id)).losses for one in made]) >= 1


async def test_a_killed_child_is_replaced_by_its_parent_and_its_job_goes_on(ringing: World, hire: Hire) -> None:
    parent = hire(pool="prefork", slots=1)
    made = await ringing.put(Five(items=20, pace_s=0.06))
    child = await moving(ringing, made.id)
    assert child != parent
    os.kill(child, signal.SIGKILL)
    done = await ringing.until(made.id, Status.COMPLETED, within_s=60)
    assert (done.losses, done.done, set(await effects(ringing))) == (1, 20, {1})
    os.kill(parent, 0)


@pytest.mark.parametrize("pool", ["threads", "prefork", "solo"])
async def test_a_stopped_worker_hands_over_at_once_and_burns_nothing(ringing: World, hire: Hire, zygote: Zygote, pool: str) -> None:
    first = hire(pool=pool)
    made = await ringing.put(Five(items=60, pace_s=0.06))
    await moving(ringing, made.id)
    hire(pool="threads")
    stopped_at = time.monotonic()
    os.kill(first, signal.SIGTERM)
    while (job := await ringing.job(made.id)).fence < 2:
        assert time.monotonic() - stopped_at < 10, f"nobody took over: {job.status}"
        await asyncio.sleep(0.01)
    assert (job.losses, job.attempt) == (0, 1)
    assert 0 < job.done < 60
    assert await asyncio.to_thread(zygote.wait, first) == 0
    done = await ringing.until(made.id, Status.COMPLETED, within_s=60)
    assert (done.fence, set(await effects(ringing))) == (2, {1})


async def test_fifty_doorbells_run_a_job_once_and_strange_ones_harm_nobody(ringing: World, broker: services.Redis, hire: Hire) -> None:
    made = await ringing.put(Five(items=2))
    bell = CeleryBell(broker.url)
    bell.ring("cpu", 50)
    make_app(broker.url).send_task("semantik.doorbell", args=["nonsense"], queue="cpu")
    bell.close()
    hire()
    done = await ringing.until(made.id, Status.COMPLETED, within_s=60)
    assert (done.fence, set(await effects(ringing))) == (1, {1})


@pytest.mark.parametrize("pool", ["threads", "prefork"])
async def test_messages_that_nobody_can_read_are_dropped(
    ringing: World, broker: services.Redis, hire: Hire, zygote: Zygote, pool: str
) -> None:
    worker = hire(pool=pool)
    first = await ringing.put(Five(items=1))
    await ringing.until(first.id, Status.COMPLETED, within_s=60)
    unreadable = [b"garbage", b"[]", b"{}", b"null", b"\xff\xfe", b'{"body": "AAAA", "headers": {}, "properties": {}}']
    with redis.Redis.from_url(broker.url) as client:
        for message in unreadable:
            client.lpush("semantik:celery:cpu", message)
        while client.llen("semantik:celery:cpu"):
            await asyncio.sleep(0.05)
    after = await ringing.put(Five(items=1))
    await ringing.until(after.id, Status.COMPLETED, within_s=30)
    assert worker in zygote.alive
    os.kill(worker, 0)


async def test_a_busy_worker_holds_no_doorbell_that_another_could_answer(ringing: World, broker: services.Redis, hire: Hire) -> None:
    hire(pool="prefork")
    first = await ringing.put(Five(items=40, pace_s=0.06))
    await moving(ringing, first.id)
    bell = CeleryBell(broker.url)
    bell.ring("cpu", 4)
    bell.close()
    await asyncio.sleep(0.5)
    with redis.Redis.from_url(broker.url) as client:
        assert client.hlen("semantik:celery:unacked") == 0, "what runs is acknowledged"
    assert bell.depth("cpu") is not None
    # One may already be between Redis and the pool when the job starts.
    assert (bell.depth("cpu") or 0) >= 3


async def test_without_doorbells_the_workers_find_the_jobs(world: World, ringing: World, broker: services.Redis, hire: Hire) -> None:
    """Redis lost them all, in mid-run."""
    hire(silence_s=2)
    first = await ringing.put(Five(items=10, pace_s=0.06))
    await moving(ringing, first.id)
    behind = [await ringing.put(Five(items=1)) for _ in range(3)]
    with redis.Redis.from_url(broker.url) as client:
        client.flushall()
    for one in (first, *behind):
        await ringing.until(one.id, Status.COMPLETED, within_s=30)
    assert set(await effects(ringing)) == {1}


@pytest.mark.parametrize("outage", ["killed", "frozen"])
async def test_jobs_run_through_an_outage_of_redis_and_doorbells_come_back(
    ringing: World, broker: services.Redis, hire: Hire, outage: str
) -> None:
    hire(silence_s=2)
    running = await ringing.put(Five(items=30, pace_s=0.06))
    await moving(ringing, running.id)
    if outage == "killed":
        broker.kill()
    else:
        broker.process.send_signal(signal.SIGSTOP)
    try:
        meanwhile = await put_at_once(ringing, Five(items=2))
        await ringing.until(running.id, Status.COMPLETED, within_s=30)
        await ringing.until(meanwhile.id, Status.COMPLETED, within_s=30)
    finally:
        if outage == "killed":
            broker.start()
        else:
            broker.process.send_signal(signal.SIGCONT)
    after = await ringing.put(Five(items=2))
    await ringing.until(after.id, Status.COMPLETED, within_s=30)
    assert set(await effects(ringing)) == {1}


async def test_a_worker_that_hears_nothing_of_what_waits_for_it_ends_to_be_started_anew(
    ringing: World, broker: services.Redis, hire: Hire, zygote: Zygote
) -> None:
    """Connected and alive, and yet not listening: the family of stalls that only a new process ends."""
    deaf = hire(pool="prefork", deaf_s=2, silence_s=60)
    first = await ringing.put(Five(items=1))
    await ringing.until(first.id, Status.COMPLETED, within_s=60)
    control = make_app(broker.url).control
    for queue in ("io", "cpu", "maintenance"):
        control.cancel_consumer(queue)
    waiting = await ringing.put(Five(items=1))
    assert await asyncio.to_thread(zygote.wait, deaf) == 70
    hire()
    await ringing.until(waiting.id, Status.COMPLETED, within_s=30)


async def test_a_worker_whose_background_loop_dies_ends_to_be_started_anew(ringing: World, hire: Hire, zygote: Zygote) -> None:
    """Without its pulse it would lose every lease and never say so."""
    broken = hire(pool="prefork", failpoints="in_heartbeat=bug")
    made = await ringing.put(Five(items=60, pace_s=0.06))
    assert await asyncio.to_thread(zygote.wait, broken) == 70
    hire()
    done = await ringing.until(made.id, Status.COMPLETED, within_s=60)
    assert (done.done, set(await effects(ringing))) == (60, {1})


@pytest.mark.parametrize("pool", ["threads", "prefork", "solo"])
async def test_a_worker_that_cannot_work_as_configured_says_so_at_once(ringing: World, hire: Hire, zygote: Zygote, pool: str) -> None:
    assert await asyncio.to_thread(zygote.wait, hire(pool=pool, misconfigured=True)) == 78


async def test_each_process_has_one_event_loop_and_one_engine(ringing: World, hire: Hire) -> None:
    hire(pool="prefork", slots=2)
    made = [await ringing.put(Where()) for _ in range(30)]
    for one in made:
        await ringing.until(one.id, Status.COMPLETED, within_s=60)
    told = [(await ringing.job(one.id)).result or {} for one in made]
    by_process = {(one["pid"], one["loop"], one["engine"]) for one in told}
    assert len(by_process) == len({one["pid"] for one in told}) <= 2


async def test_a_kind_that_a_worker_does_not_know_is_left_for_others(ringing: World, hire: Hire) -> None:
    foreign = await ringing.put(Five(items=1))
    await ringing.age(foreign.id, kind="of_another_release")
    hire()
    known = await ringing.put(Five(items=1))
    await ringing.until(known.id, Status.COMPLETED, within_s=60)
    assert (await ringing.job(foreign.id)).status is Status.QUEUED


async def test_a_pool_grows_with_the_doorbells_that_wait(ringing: World, hire: Hire) -> None:
    hire(pool="prefork", autoscale=[3, 1])
    made = [await ringing.put(Five(items=100, pace_s=0.06)) for _ in range(3)]
    end = time.monotonic() + 60
    while [(await ringing.job(one.id)).status for one in made] != [Status.RUNNING] * 3:
        assert time.monotonic() < end, "three jobs never ran side by side"
        await asyncio.sleep(0.05)
    async with ringing.database.read() as session:
        shown = [(row.pool, row.slots, row.state) for row in await workers.list_all(session)]
    assert shown == [("prefork", 1, "up")] * 3


async def test_a_tenant_with_every_slot_steps_back_for_one_with_none(ringing: World, hire: Hire) -> None:
    hire(slice_s=0.5)
    long = await ringing.put(Five(items=400, pace_s=0.06))
    await moving(ringing, long.id)
    urgent = await ringing.put(Five(items=1), actor=ringing.other)
    await ringing.until(urgent.id, Status.COMPLETED, within_s=15)
    stepped_back = await ringing.job(long.id)
    assert (stepped_back.finished_at, stepped_back.losses) == (None, 0)


async def drain(world: World, worker_id: str, *, asked: bool) -> None:
    async with world.database.write() as session:
        assert await workers.drain(session, worker_id, asked=asked)
        await session.commit()


async def all_are(world: World, state: str) -> None:
    """Each process of a worker writes its state with its own next sign of life."""
    end = time.monotonic() + 20
    while True:
        async with world.database.read() as session:
            said = [(row.id, row.state, row.drain_asked_at) for row in await workers.list_all(session)]
        if {one[1] for one in said} == {state}:
            return
        assert time.monotonic() < end, said
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("pool", ["threads", "prefork"])
async def test_a_drained_worker_hands_over_takes_nothing_and_works_again_when_asked(ringing: World, hire: Hire, pool: str) -> None:
    hire(pool=pool, slots=2, silence_s=2)
    running = await ringing.put(Five(items=400, pace_s=0.06))
    await moving(ringing, running.id)
    owner = (await ringing.job(running.id)).lease_owner or ""
    await drain(ringing, owner, asked=True)
    handed = await ringing.until(running.id, Status.QUEUED, within_s=10)
    assert (handed.losses, handed.attempt) == (0, 0)
    waiting = await ringing.put(Five(items=1))
    await all_are(ringing, "draining")
    await asyncio.sleep(3)
    assert (await ringing.job(waiting.id)).status is Status.QUEUED, "all processes of the worker rest, and stay up"
    async with ringing.database.read() as session:
        assert await workers.living(session) == []
    hire(pool="threads", slots=2)
    await ringing.until(waiting.id, Status.COMPLETED, within_s=20)
    await drain(ringing, owner, asked=False)
    more = [await ringing.put(Where()) for _ in range(20)]
    for one in more:
        await ringing.until(one.id, Status.COMPLETED, within_s=20)
    await all_are(ringing, "up")


async def test_five_ticks_of_beats_fire_a_schedule_once(ringing: World, broker: services.Redis, hire: Hire) -> None:
    async with ringing.database.write() as session:
        await session.execute(
            sa.insert(schedules).values(
                id=new_id(), tenant_id=ringing.actor.tenant_id, name="hourly", kind="five", params={"items": 1}, every_s=3600,
                timezone="UTC", next_fire_at=now(), overlap="allow", jitter_s=0, catchup_s=3600, created_at=now(),
            )
        )  # fmt: skip
        await session.commit()
    app = make_app(broker.url)
    hire(slots=4)
    for _ in range(5):
        app.send_task(TICK, queue="maintenance", expires=10)
    end = time.monotonic() + 30
    while True:
        async with ringing.database.read() as session:
            fired = list(await session.scalars(sa.select(jobs.c.id).where(jobs.c.title == "hourly")))
        if fired or time.monotonic() > end:
            break
        await asyncio.sleep(0.05)
    assert len(fired) == 1
    await ringing.until(fired[0], Status.COMPLETED, within_s=30)


def beat(folder: Path, broker: services.Redis, number: int) -> subprocess.Popen[bytes]:
    """`celery beat`, as somebody starts it who has a fleet of Celery already."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SEMANTIK_")} | {
        "SEMANTIK_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "SEMANTIK_QDRANT_URL": "http://127.0.0.1:1",
        "SEMANTIK_REDIS_URL": broker.url, "SEMANTIK_BROKER_URL": broker.url,
    }  # fmt: skip
    arguments = ["-A", "semantik.entrypoints.worker", "beat", "--schedule", str(folder / f"beat-{number}"), "--pidfile="]
    with (folder / f"beat-{number}.log").open("wb") as log:
        return subprocess.Popen([sys.executable, "-m", "celery", *arguments], env=environment, cwd=ROOT, stdout=log, stderr=log)


async def test_two_beats_send_ticks_and_a_time_fires_once(ringing: World, broker: services.Redis, hire: Hire, tmp_path: Path) -> None:
    beats = [beat(tmp_path, broker, number) for number in range(2)]
    try:
        with redis.Redis.from_url(broker.url) as client:
            end = time.monotonic() + 60
            while len(sent := client.lrange("semantik:celery:maintenance", 0, -1)) < 4:
                assert time.monotonic() < end, (tmp_path / "beat-0.log").read_text()
                await asyncio.sleep(0.1)
        assert {json.loads(message)["headers"]["task"] for message in sent} == {TICK}
        assert len({json.loads(message)["headers"]["origin"] for message in sent}) == 2, "both beats tick"
        async with ringing.database.write() as session:
            await session.execute(
                sa.insert(schedules).values(
                    id=new_id(), tenant_id=ringing.actor.tenant_id, name="often", kind="five", params={"items": 1}, every_s=3,
                    timezone="UTC", next_fire_at=now(), overlap="allow", jitter_s=0, catchup_s=3600, created_at=now(),
                )
            )  # fmt: skip
            await session.commit()
        hire(slots=4)
        end = time.monotonic() + 40
        while (counted := await _fires(ringing))[0] < 3:
            assert time.monotonic() < end
            await asyncio.sleep(0.1)
    finally:
        for one in beats:
            one.terminate()
            one.wait(20)
    assert len(set(counted)) == 1, "as many jobs as times that came"


async def _fires(world: World) -> tuple[int, int]:
    """How many times of the schedule came, and how many jobs they made, at one moment."""
    times = sa.select(sa.func.count()).select_from(schedule_fires).scalar_subquery()
    made = sa.select(sa.func.count()).select_from(jobs).where(jobs.c.title == "often").scalar_subquery()
    async with world.database.read() as session:
        row = (await session.execute(sa.select(times, made))).one()
    return row[0], row[1]
