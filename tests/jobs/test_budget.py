"""Jobs that come to the end of their budget, and jobs that no worker here has the memory for."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from semantik.jobs import budget
from semantik.jobs.context import JobContext
from semantik.jobs.handlers import handles
from semantik.jobs.runner import Runner
from semantik.jobs.states import Status, WrongState
from semantik.jobs.store import control
from semantik.jobs.values import Effect, Item, JobArgs, Needs
from semantik.kit import resources
from semantik.kit.resources import Free
from tests.jobs.conftest import World


class Paid(JobArgs):
    """Ten items of 100 tokens each; more than it was told they would cost when `dear`."""

    kind: ClassVar[str] = "paid"
    meters: ClassVar[tuple[str, ...]] = ("tokens",)

    dear: bool = False


@pytest.fixture
def charged() -> list[str]:
    calls: list[str] = []

    @handles(Paid)
    class Charge:
        async def items(self, ctx: JobContext, args: Paid, cursor: Any) -> AsyncIterator[Item]:
            for number in range((cursor or 0) + 1, 11):
                yield Item(str(number), number, number)

        async def cost(self, ctx: JobContext, args: Paid, item: Item) -> dict[str, float]:
            return {"tokens": 100}

        async def process(self, ctx: JobContext, args: Paid, item: Item) -> Effect | None:
            calls.append(item.key)
            ctx.spend(tokens=150 if args.dear else 100)
            return None

    return calls


async def test_a_job_pauses_before_the_item_that_would_exceed_its_budget_and_goes_on_when_it_is_raised(
    world: World, charged: list[str]
) -> None:
    made = await world.put(Paid(), budget={"tokens": 350})
    await world.work()
    job = await world.job(made.id)
    assert (job.status, job.paused_by, job.done, job.attempt) == (Status.PAUSED, "budget", 3, 0)
    assert job.spent == {"tokens": 300}
    assert job.message == "300 of the 350 tokens of its budget are used, and the next step needs about 100. Raise the budget, then resume."
    assert (await world.events(made.id))[-1][1] == "job.paused"
    # Resumed without more, it stops where it stands and charges nothing.
    await world.ask(control.resume, made.id)
    await world.work()
    assert (await world.job(made.id)).status is Status.PAUSED
    assert len(charged) == 3
    await world.ask(control.set_budget, made.id, budget={"tokens": 1000})
    await world.ask(control.resume, made.id)
    await world.work()
    job = await world.job(made.id)
    assert (job.status, job.paused_by, job.done, job.spent) == (Status.COMPLETED, None, 10, {"tokens": 1000})
    assert charged == [str(number) for number in range(1, 11)]
    with pytest.raises(WrongState):
        await world.ask(control.set_budget, made.id, budget={})


async def test_items_and_minutes_are_meters_of_every_kind(world: World, charged: list[str]) -> None:
    made = await world.put(Paid(), budget={"items": 4})
    await world.work()
    job = await world.job(made.id)
    assert (job.status, job.done) == (Status.PAUSED, 4)
    assert "4 of the 4 items" in (job.message or "")
    await world.age(made.id, budget={"minutes": 10}, active_seconds=600.0)
    await world.ask(control.resume, made.id)
    await world.work()
    job = await world.job(made.id)
    assert (job.status, job.message) == (Status.PAUSED, "It has worked for the 10 minutes of its budget. Raise the budget, then resume.")


async def test_what_cost_more_than_it_should_is_counted_and_ends_the_job_one_item_later(world: World, charged: list[str]) -> None:
    made = await world.put(Paid(dear=True), budget={"tokens": 350})
    await world.work()
    job = await world.job(made.id)
    assert (job.status, job.done, job.spent) == (Status.PAUSED, 2, {"tokens": 300})


async def test_a_restart_counts_from_zero_and_a_copy_keeps_the_budget(world: World, charged: list[str]) -> None:
    made = await world.put(Paid(), budget={"tokens": 1000})
    await world.work()
    again = await world.ask(control.restart, made.id)
    assert (again.id != made.id, again.budget, again.spent) == (True, {"tokens": 1000}, None)


async def test_a_budget_of_a_meter_that_the_kind_has_not_is_refused(world: World, charged: list[str]) -> None:
    with pytest.raises(budget.BadBudget, match="acorns"):
        await world.put(Paid(), budget={"acorns": 1})
    with pytest.raises(budget.BadBudget):
        await world.put(Paid(), budget={"tokens": float("nan")})


class Hungry(JobArgs):
    kind: ClassVar[str] = "hungry"
    needs: ClassVar[Needs] = Needs(memory_bytes=2 * 10**9, gpu_memory_bytes=10**9)


async def test_a_worker_without_the_memory_puts_the_job_off_and_another_one_takes_it(world: World) -> None:
    ran: list[str] = []

    @handles(Hungry)
    async def eat(ctx: JobContext, args: Hungry) -> None:
        ran.append(ctx.lease.owner)

    async def poor(*, gpu: bool) -> Free:
        return Free(10**9, 10**9)

    async def rich(*, gpu: bool) -> Free:
        return Free(4 * 10**9, 2 * 10**9)

    made = await world.put(Hungry())
    await world.work(runner=Runner(world.runtime, free=poor))
    job = await world.job(made.id)
    assert (job.status, job.attempt, job.waits, job.error_class) == (Status.QUEUED, 0, 1, "resource")
    assert "2,000 MB of memory free" in (job.error_message or "")
    assert (job.available_at - job.created_at).total_seconds() > 25
    await world.age(made.id, available_at=job.created_at)
    await world.work(runner=Runner(world.runtime, free=rich))
    job = await world.job(made.id)
    assert (job.status, job.error_class, len(ran)) == (Status.COMPLETED, None, 1)


async def test_what_is_put_off_too_often_fails_and_says_what_it_lacked(world: World) -> None:
    @handles(Hungry)
    async def eat(ctx: JobContext, args: Hungry) -> None:
        raise AssertionError("never begun")

    async def poor(*, gpu: bool) -> Free:
        return Free(4 * 10**9, 0)

    made = await world.put(Hungry())
    await world.age(made.id, waits=199)
    await world.work(runner=Runner(world.runtime, free=poor))
    job = await world.job(made.id)
    assert job.status is Status.FAILED
    assert "1,000 MB of GPU memory free" in (job.error_message or "")


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), MemoryError()], ids=["disk", "memory"])
async def test_a_full_disk_or_memory_is_waited_for(world: World, error: Exception) -> None:
    class Full(JobArgs):
        kind: ClassVar[str] = "full"

    @handles(Full)
    async def fill(ctx: JobContext, args: Full) -> None:
        raise error

    made = await world.put(Full())
    await world.work(at_most=1)
    job = await world.job(made.id)
    assert (job.status, job.attempt, job.waits, job.error_class) == (Status.QUEUED, 0, 1, "resource")


def test_free_memory_is_what_machine_and_container_both_can_give(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 8000 kB\nMemAvailable: 4000 kB\n")
    assert resources.free_memory(tmp_path, tmp_path) == 4000 * 1024
    (tmp_path / "memory.max").write_text("3000000\n")
    (tmp_path / "memory.current").write_text("2500000\n")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 500000\n")
    assert resources.free_memory(tmp_path, tmp_path) == 1_000_000
    (tmp_path / "memory.max").write_text("max\n")
    assert resources.free_memory(tmp_path, tmp_path) == 4000 * 1024
    assert resources.free_memory(tmp_path / "none", tmp_path / "none") is None


async def test_this_machine_says_what_it_has_free() -> None:
    found = await asyncio.wait_for(resources.free(gpu=True), 10)
    assert found.memory_bytes is None or found.memory_bytes > 10**7
