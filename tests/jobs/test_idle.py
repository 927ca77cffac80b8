"""A process that only reads leaves alone what others left to do."""

from __future__ import annotations

import asyncio

import sqlalchemy as sa

from semantik.jobs.dispatch_local import LocalDispatcher
from semantik.jobs.handlers import handler_of, handles
from semantik.jobs.states import Status
from semantik.tables.jobs import workers
from semantik.testing.jobs import CountTo, CountToJob
from tests.jobs.conftest import World


def _registered() -> None:
    if handler_of(CountTo.kind) is None:
        handles(CountTo)(CountToJob)


async def test_work_starts_with_what_is_enqueued_here_and_not_before(world: World) -> None:
    _registered()
    left = await world.put(CountTo(n=2))
    dispatcher = LocalDispatcher(world.runtime, slots=1)
    await dispatcher.start_when_rung()
    await asyncio.sleep(1.5)
    async with world.database.read() as session:
        assert await session.scalar(sa.select(sa.func.count()).select_from(workers)) == 0
    assert (await world.job(left.id)).status is Status.QUEUED
    own = await world.put(CountTo(n=2))
    await world.until(own.id, Status.COMPLETED, within_s=6)
    await world.until(left.id, Status.COMPLETED, within_s=6)
    await dispatcher.stop(grace_s=2)


async def test_what_was_left_runs_when_asked_for(world: World) -> None:
    _registered()
    left = await world.put(CountTo(n=2))
    dispatcher = LocalDispatcher(world.runtime, slots=1)
    await dispatcher.start_when_rung()
    await dispatcher.at_work()
    await world.until(left.id, Status.COMPLETED, within_s=6)
    await dispatcher.stop(grace_s=2)


async def test_a_process_that_never_worked_stops_as_well(world: World) -> None:
    dispatcher = LocalDispatcher(world.runtime, slots=1)
    await dispatcher.start_when_rung()
    await dispatcher.stop(grace_s=2)
