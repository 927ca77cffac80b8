"""A slot is shared: long work of one tenant steps back for another, and goes on after it."""

from __future__ import annotations

import asyncio

from semantik.jobs.dispatch_local import LocalDispatcher
from semantik.jobs.handlers import handler_of, handles
from semantik.jobs.states import Status
from semantik.testing.jobs import CountTo, CountToJob
from tests.jobs.conftest import World


def _registered() -> None:
    if handler_of(CountTo.kind) is None:
        handles(CountTo)(CountToJob)


async def test_long_work_steps_back_for_a_tenant_that_has_no_slot(world: World) -> None:
    _registered()
    dispatcher = LocalDispatcher(world.runtime, slots=1, slice_s=1.0)
    await dispatcher.start()
    long = await world.put(CountTo(n=400, rest_s=0.02))
    await world.until(long.id, Status.RUNNING)
    short = await world.put(CountTo(n=2), actor=world.other)
    await world.until(short.id, Status.COMPLETED, within_s=6)
    job = await world.job(long.id)
    assert job.status in (Status.QUEUED, Status.RUNNING)
    assert job.losses == 0
    again = await world.until(long.id, Status.RUNNING)
    assert (again.attempt, again.fence) == (1, 2)
    await world.ask(world.cancel, long.id)
    await dispatcher.stop(grace_s=2)


async def test_nobody_steps_back_for_their_own_tenant_at_equal_priority(world: World) -> None:
    _registered()
    dispatcher = LocalDispatcher(world.runtime, slots=1, slice_s=0.5)
    await dispatcher.start()
    long = await world.put(CountTo(n=100, rest_s=0.02))
    await world.until(long.id, Status.RUNNING)
    await world.put(CountTo(n=2))
    await asyncio.sleep(1.5)
    assert (await world.job(long.id)).fence == 1
    urgent = await world.put(CountTo(n=2), priority=0)
    await world.until(urgent.id, Status.COMPLETED, within_s=6)
    await dispatcher.stop(grace_s=2)
