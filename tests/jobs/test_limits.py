"""What may run at once: limits of a queue, of a kind and of each tenant, and the chain of a concurrency key."""

from __future__ import annotations

import asyncio
from typing import ClassVar

import pytest
import sqlalchemy as sa

from semantik.jobs import rescue
from semantik.jobs.context import JobContext
from semantik.jobs.handlers import handles
from semantik.jobs.states import Status
from semantik.jobs.store import claims, control, leases, queues
from semantik.jobs.store.clock import db_time
from semantik.jobs.values import Job, JobArgs
from semantik.kit.database import Database, open_database
from semantik.tables.jobs import jobs
from tests.jobs.conftest import World


class Heavy(JobArgs):
    kind: ClassVar[str] = "heavy"


class Light(JobArgs):
    kind: ClassVar[str] = "light"


KINDS = ["heavy", "light"]


@pytest.fixture(autouse=True)
def _kinds() -> None:
    @handles(Heavy)
    async def heavy(ctx: JobContext, args: Heavy) -> None: ...

    @handles(Light)
    async def light(ctx: JobContext, args: Light) -> None: ...


async def limit(world: World, *, kind: str | None = None, **most: int | None) -> None:
    async with world.database.write() as session:
        if kind is None:
            await queues.change(session, "cpu", most)
        else:
            await queues.change_kind(session, kind, most)
        await session.commit()


async def take(database: Database, owner: str = "me") -> Job | None:
    return await claims.claim(database, "cpu", owner=owner, ttl_s=30, kinds=KINDS)


@pytest.mark.parametrize("kind", [None, "heavy"])
async def test_eight_claimers_never_run_more_than_three(world: World, database_url: str, kind: str | None) -> None:
    """Each with connections of its own, as processes have them."""
    await limit(world, kind=kind, max_running=3)
    for _ in range(24):
        await world.put(Heavy())
    most = 0

    async def work(number: int) -> int:
        nonlocal most
        mine, done = open_database(database_url, pool_size=2), 0
        while True:
            job = await take(mine, f"worker {number}")
            async with mine.read() as session:
                running = await session.scalar(sa.select(sa.func.count()).where(jobs.c.lease_owner.is_not(None))) or 0
                waiting = await session.scalar(sa.select(sa.func.count()).where(jobs.c.status == "queued"))
            most = max(most, running)
            if job is not None:
                await asyncio.sleep(0.01)
                await leases.settle(mine, job.lease, "completed")
                done += 1
            elif not waiting:
                break
            else:
                await asyncio.sleep(0.005)
        await mine.close()
        return done

    done = await asyncio.gather(*(work(number) for number in range(8)))
    assert (sum(done), most) == (24, 3)


async def test_a_kind_at_its_limit_holds_up_no_other(world: World) -> None:
    await limit(world, kind="heavy", max_running=1)
    for _ in range(3):
        await world.put(Heavy(), priority=0)
    light = await world.put(Light(), priority=9)
    first, second, third = [await take(world.database) for _ in range(3)]
    assert first is not None and first.kind == "heavy"
    assert second is not None and second.id == light.id
    assert third is None
    await leases.settle(world.database, first.lease, "completed")
    following = await take(world.database)
    assert following is not None and following.kind == "heavy"


async def test_no_tenant_runs_more_than_its_share_of_a_queue(world: World) -> None:
    await limit(world, max_per_tenant=2)
    for _ in range(4):
        await world.put(Heavy(), priority=0)
    other = await world.put(Heavy(), actor=world.other)
    taken = [await take(world.database) for _ in range(4)]
    assert [job.tenant_id if job is not None else None for job in taken] == [
        world.actor.tenant_id, world.actor.tenant_id, world.other.tenant_id, None,
    ]  # fmt: skip
    assert taken[2] is not None and taken[2].id == other.id


async def test_no_tenant_runs_more_than_its_share_of_a_kind(world: World) -> None:
    await limit(world, kind="heavy", max_per_tenant=1)
    await world.put(Heavy())
    await world.put(Heavy())
    light = await world.put(Light())
    other = await world.put(Heavy(), actor=world.other)
    taken = [await take(world.database) for _ in range(4)]
    assert taken[3] is None
    assert {job.id for job in taken if job is not None} >= {light.id, other.id}


async def test_limits_are_taken_away_again(world: World) -> None:
    await limit(world, max_running=1, max_per_tenant=1)
    await world.put(Heavy())
    await world.put(Heavy())
    assert await take(world.database) is not None
    assert await take(world.database) is None
    await limit(world, max_running=None, max_per_tenant=None)
    assert await take(world.database) is not None


async def test_tenants_take_turns_exactly(world: World) -> None:
    """Fewest running first, then who was served longest ago; never by who has more jobs."""
    for _ in range(6):
        await world.put(Light())
    for _ in range(3):
        await world.put(Light(), actor=world.other)
    order = []
    for _ in range(9):
        job = await take(world.database)
        assert job is not None
        order.append("a" if job.tenant_id == world.actor.tenant_id else "b")
        await leases.settle(world.database, job.lease, "completed")
    assert "".join(order) in ("abababaaa", "bababaaaa")


# The chain of a concurrency key ---------------------------------------------------------------------------------------


async def states(world: World, *ids: str) -> list[Status]:
    return [(await world.job(one)).status for one in ids]


async def test_a_paused_job_keeps_its_concurrency_key_until_it_is_cancelled(world: World) -> None:
    first, second = [await world.put(Light(), concurrency_key="collection") for _ in range(2)]
    other = await world.put(Light(), concurrency_key="collection", actor=world.other)
    await world.ask(control.pause, first.id)
    taken = await take(world.database)
    assert taken is not None and taken.id == other.id, "a key is a tenant's own"
    assert await take(world.database) is None
    assert await states(world, first.id, second.id) == [Status.PAUSED, Status.BLOCKED]
    await world.ask(control.cancel, first.id)
    assert await states(world, first.id, second.id) == [Status.CANCELLED, Status.QUEUED]
    assert (await take(world.database)) is not None


async def test_one_that_leaves_the_chain_before_its_turn_frees_nobody(world: World) -> None:
    first, second, third = [await world.put(Light(), concurrency_key="collection") for _ in range(3)]
    running = await take(world.database)
    assert running is not None and running.id == first.id
    await world.ask(control.cancel, second.id)
    assert await states(world, first.id, third.id) == [Status.RUNNING, Status.BLOCKED]
    # Tried again, it stands at the end, and the end of the first frees the third alone.
    await world.ask(control.retry, second.id)
    await leases.settle(world.database, running.lease, "completed")
    assert await states(world, second.id, third.id) == [Status.BLOCKED, Status.QUEUED]
    assert await world.work() == 2
    assert await states(world, second.id, third.id) == [Status.COMPLETED, Status.COMPLETED]


async def test_a_retry_still_waits_for_what_the_job_depends_on(world: World) -> None:
    parent = await world.put(Light())
    child = await world.put(Light(), depends_on=[parent.id])
    await world.ask(control.cancel, child.id)
    assert (await world.ask(control.retry, child.id)).status is Status.BLOCKED
    assert await world.work() == 2
    assert await states(world, parent.id, child.id) == [Status.COMPLETED, Status.COMPLETED]


# Waiting long ---------------------------------------------------------------------------------------------------------


async def test_what_waits_long_is_raised_until_a_stream_of_urgent_jobs_cannot_pass_it(world: World) -> None:
    patient = await world.put(Light(), priority=2)
    fresh = await world.put(Light(), priority=9)
    later = await world.put(Light(), priority=5)
    await world.age(patient.id, available_at=db_time(-700))
    await world.age(later.id, available_at=db_time(700))
    for _ in range(3):
        await world.put(Light(), priority=0)
        await rescue.lift_the_waiting(world.database)
    found = [(await world.job(one.id)).priority for one in (patient, fresh, later)]
    assert found == [0, 9, 5]
    taken = await take(world.database)
    assert taken is not None and taken.id == patient.id
