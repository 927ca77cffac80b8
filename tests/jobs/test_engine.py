"""One job through the engine: what a user sees of it, on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa

from semantik.jobs import rescue
from semantik.jobs.context import JobContext
from semantik.jobs.handlers import handles
from semantik.jobs.interruptions import LeaseLost
from semantik.jobs.retry import ItemFailed, PermanentFailure, Transient
from semantik.jobs.states import Status, WrongState
from semantik.jobs.store import claims, control, leases
from semantik.jobs.values import Effect, Item, JobArgs
from semantik.kit.database import AsyncSession
from semantik.kit.errors import RateLimited
from semantik.tables.jobs import job_attempts, job_items
from tests.jobs.conftest import World


class Count(JobArgs):
    kind: ClassVar[str] = "count"
    n: int
    bad: tuple[int, ...] = ()


@pytest.fixture
def seen() -> list[int]:
    """What the effects of the counting job wrote, in order: appended inside the transaction."""

    written: list[int] = []

    @handles(Count)
    class CountJob:
        async def total(self, ctx: JobContext, args: Count) -> int:
            return args.n

        async def items(self, ctx: JobContext, args: Count, cursor: Any) -> AsyncIterator[Item]:
            for number in range(cursor or 0, args.n):
                yield Item(str(number), number, number + 1, f"number {number}")

        async def process(self, ctx: JobContext, args: Count, item: Item) -> Effect | None:
            if item.value in args.bad:
                raise ItemFailed(f"{item.value} is bad", reason_code="bad_number")

            async def effect(session: AsyncSession) -> None:
                written.append(item.value)

            return effect

        async def finish(self, ctx: JobContext, args: Count) -> dict[str, Any]:
            return {"counted": ctx.job.done}

    return written


async def test_a_job_of_items_runs_to_its_end(world: World, seen: list[int]) -> None:
    made = await world.put(Count(n=5))
    assert await world.work() == 1
    job = await world.job(made.id)
    assert (job.status, job.outcome, job.done, job.total, job.progress) == (Status.COMPLETED, "ok", 5, 5, 100.0)
    assert job.result == {"counted": 5}
    assert seen == [0, 1, 2, 3, 4]
    events = await world.events(made.id)
    assert [seq for seq, _ in events] == list(range(1, len(events) + 1))
    assert [type_ for _, type_ in events if type_ != "job.progress"] == ["job.created", "job.started", "job.completed"]


async def test_an_item_that_fails_leaves_the_job_partial(world: World, seen: list[int]) -> None:
    made = await world.put(Count(n=6, bad=(2, 4)))
    await world.work()
    job = await world.job(made.id)
    assert (job.status, job.outcome, job.done, job.failed) == (Status.COMPLETED, "partial", 4, 2)
    async with world.database.read() as session:
        items = {row.item_key: row.error_code for row in await session.execute(sa.select(job_items).where(job_items.c.job_id == made.id))}
    assert items == {"2": "bad_number", "4": "bad_number"}


async def test_retry_failed_makes_a_job_of_the_failed_items_only(world: World, seen: list[int]) -> None:
    made = await world.put(Count(n=6, bad=(2, 4)))
    await world.work()
    again = await world.ask(control.retry_failed, made.id)
    await world.age(again.id, params={"n": 6, "bad": []})
    del seen[:]
    await world.work()
    job = await world.job(again.id)
    assert (seen, job.status, job.done, job.total, job.parent_id) == ([2, 4], Status.COMPLETED, 2, 2, made.id)


async def test_too_many_failed_items_fail_the_job(world: World, seen: list[int]) -> None:
    made = await world.put(Count(n=100, bad=tuple(range(100))))
    await world.work()
    job = await world.job(made.id)
    assert (job.status, job.error_code) == (Status.FAILED, "too_many_failed_items")
    assert job.failed == 21


async def test_pause_keeps_the_cursor_and_resume_goes_on_from_it(world: World) -> None:
    held, go = asyncio.Event(), asyncio.Event()
    written: list[int] = []

    class Slow(JobArgs):
        kind: ClassVar[str] = "slow"

    @handles(Slow)
    async def slow(ctx: JobContext, args: Slow) -> None:
        for number in range(ctx.job.cursor or 0, 4):
            await ctx.check()
            async with ctx.step(cursor=number + 1, done=1):
                written.append(number)
            if number == 1 and not go.is_set():
                held.set()
                await go.wait()

    made = await world.put(Slow())
    running = asyncio.create_task(world.work())
    await held.wait()
    assert (await world.ask(control.pause, made.id)).status is Status.PAUSING
    go.set()
    await running
    # Without a pulse the request is seen with the next step: number 2 is done, then the job is paused.
    job = await world.job(made.id)
    assert (job.status, job.cursor, job.attempt) == (Status.PAUSED, 3, 0)
    await world.ask(control.resume, made.id)
    await world.work()
    job = await world.job(made.id)
    assert (job.status, job.done, written) == (Status.COMPLETED, 4, [0, 1, 2, 3])
    with pytest.raises(WrongState) as refused:
        await world.ask(control.pause, made.id)
    assert refused.value.data["state"] == "completed"
    assert "restart" in str(refused.value.data["allowed"])


async def test_a_queued_job_pauses_and_cancels_at_once(world: World, seen: list[int]) -> None:
    made = await world.put(Count(n=1))
    assert (await world.ask(control.pause, made.id)).status is Status.PAUSED
    assert await world.work() == 0
    assert (await world.ask(control.cancel, made.id)).status is Status.CANCELLED
    assert (await world.ask(control.retry, made.id)).status is Status.QUEUED
    assert await world.work() == 1
    assert seen == [0]


async def test_force_cancel_stops_every_further_write(world: World) -> None:
    class Stuck(JobArgs):
        kind: ClassVar[str] = "stuck"

    @handles(Stuck)
    async def stuck(ctx: JobContext, args: Stuck) -> None: ...

    made = await world.put(Stuck())
    job = await claims.claim(world.database, "cpu", owner="me", ttl_s=30, kinds=["stuck"])
    assert job is not None
    ctx = JobContext(job, world.runtime, ttl_s=30)
    assert (await world.ask(control.cancel, made.id, force=True)).status is Status.CANCELLED
    with pytest.raises(LeaseLost):
        async with ctx.step(done=1):
            raise AssertionError("the body of a fenced-off step must not run")
    assert await leases.settle(world.database, ctx.lease, "completed") is None
    assert (await world.job(made.id)).status is Status.CANCELLED


async def test_a_zombie_writes_nothing_after_its_lease_was_taken_back(world: World, seen: list[int]) -> None:
    made = await world.put(Count(n=3))
    zombie = await claims.claim(world.database, "cpu", owner="zombie", ttl_s=0.0, kinds=["count"])
    assert zombie is not None
    ctx = JobContext(zombie, world.runtime, ttl_s=30)
    await asyncio.sleep(0.02)
    assert [job.status for job in await rescue.sweep(world.database)] == [Status.QUEUED]
    await world.work()
    with pytest.raises(LeaseLost):
        async with ctx.step(cursor=99, done=99):
            pass
    job = await world.job(made.id)
    assert (job.status, job.done, job.losses, job.attempt, job.fence) == (Status.COMPLETED, 3, 1, 1, 2)
    async with world.database.read() as session:
        rows = await session.execute(sa.select(job_attempts.c.how).where(job_attempts.c.job_id == made.id).order_by(job_attempts.c.fence))
        assert [row.how for row in rows] == ["lost", "completed"]


@pytest.mark.parametrize(("asked", "becomes"), [(control.pause, Status.PAUSED), (control.cancel, Status.CANCELLED)])
async def test_what_a_user_asked_of_a_dead_worker_is_done_by_the_rescuer(
    world: World, seen: list[int], asked: Any, becomes: Status
) -> None:
    made = await world.put(Count(n=3))
    assert await claims.claim(world.database, "cpu", owner="dead", ttl_s=0.0, kinds=["count"]) is not None
    await world.ask(asked, made.id)
    await asyncio.sleep(0.02)
    await rescue.sweep(world.database)
    assert (await world.job(made.id)).status is becomes


async def test_a_job_that_kills_its_workers_before_any_checkpoint_fails(world: World, seen: list[int]) -> None:
    made = await world.put(Count(n=3))
    for _ in range(5):
        assert await claims.claim(world.database, "cpu", owner="dead", ttl_s=0.0, kinds=["count"]) is not None
        await asyncio.sleep(0.01)
        await rescue.sweep(world.database)
    job = await world.job(made.id)
    assert (job.status, job.error_class, job.error_code) == (Status.FAILED, "lost", "worker_lost")


async def test_an_item_that_killed_its_process_three_times_is_put_aside(world: World, seen: list[int]) -> None:
    made = await world.put(Count(n=3))
    await world.age(made.id, inflight_key="1", inflight_crashes=3, cursor=1, done=1)
    await world.work()
    job = await world.job(made.id)
    assert (job.status, job.outcome, job.done, job.quarantined, seen) == (Status.COMPLETED, "partial", 2, 1, [2])


async def test_errors_are_retried_rested_or_final_by_their_class(world: World) -> None:
    errors: list[Exception] = [Transient("down"), RateLimited("slow down", retry_after_s=60), PermanentFailure("no such model")]

    class Bad(JobArgs):
        kind: ClassVar[str] = "bad"

    @handles(Bad)
    async def bad(ctx: JobContext, args: Bad) -> None:
        raise errors.pop(0)

    made = await world.put(Bad())
    await world.work(at_most=1)
    job = await world.job(made.id)
    assert (job.status, job.attempt, job.error_class) == (Status.QUEUED, 1, "transient")
    assert job.available_at > job.created_at
    await world.age(made.id, available_at=job.created_at)
    await world.work(at_most=1)
    job = await world.job(made.id)
    assert (job.status, job.attempt, job.error_class) == (Status.QUEUED, 1, "rate_limited")
    assert (job.available_at - job.created_at).total_seconds() > 55
    await world.age(made.id, available_at=job.created_at)
    await world.work(at_most=1)
    job = await world.job(made.id)
    assert (job.status, job.error_class, job.error_message) == (Status.FAILED, "permanent", "no such model")


async def test_attempts_run_out(world: World) -> None:
    class Buggy(JobArgs):
        kind: ClassVar[str] = "buggy"
        max_attempts: ClassVar[int] = 2

    @handles(Buggy)
    async def buggy(ctx: JobContext, args: Buggy) -> None:
        raise KeyError("surprise")

    made = await world.put(Buggy())
    await world.work()
    await world.age(made.id, available_at=(await world.job(made.id)).created_at)
    await world.work()
    job = await world.job(made.id)
    assert (job.status, job.attempt, job.error_class) == (Status.FAILED, 2, "unknown")
    again = await world.ask(control.retry, made.id)
    assert (again.status, again.attempt, again.error_class) == (Status.QUEUED, 0, None)


async def test_dedup_gives_the_unfinished_job_and_a_new_one_after_it(world: World, seen: list[int]) -> None:
    first = await world.put(Count(n=1), dedup_key="source-1")
    twin = await world.put(Count(n=1), dedup_key="source-1")
    assert (twin.id, twin.created) == (first.id, False)
    other = await world.put(Count(n=1), dedup_key="source-1", actor=world.other)
    assert other.created
    await world.work()
    assert (await world.put(Count(n=1), dedup_key="source-1")).created


async def test_jobs_of_one_concurrency_key_run_one_after_the_other(world: World, seen: list[int]) -> None:
    made = [await world.put(Count(n=1), concurrency_key="collection-1") for _ in range(3)]
    assert [(await world.job(one.id)).status for one in made] == [Status.QUEUED, Status.BLOCKED, Status.BLOCKED]
    await world.ask(control.cancel, made[0].id)
    assert [(await world.job(one.id)).status for one in made] == [Status.CANCELLED, Status.QUEUED, Status.BLOCKED]
    # The cancelled one goes to the end of the line when it is tried again.
    again = await world.ask(control.retry, made[0].id)
    assert again.status is Status.BLOCKED
    assert await world.work() == 3
    finished = [(await world.job(one.id)).finished_at for one in (made[1], made[2], made[0])]
    assert finished == sorted(one for one in finished if one is not None)


async def test_a_failed_parent_skips_what_needs_it_and_frees_what_only_waits(world: World, seen: list[int]) -> None:
    parent = await world.put(Count(n=1))
    needs = await world.put(Count(n=1), depends_on=[parent.id])
    needs_too = await world.put(Count(n=1), depends_on=[needs.id])
    waits = await world.put(Count(n=1), depends_on=[parent.id], dep_policy="all_finished")
    await world.ask(control.cancel, parent.id)
    states = [(await world.job(one.id)).status for one in (needs, needs_too, waits)]
    assert states == [Status.SKIPPED, Status.SKIPPED, Status.QUEUED]
    late = await world.put(Count(n=1), depends_on=[parent.id])
    assert (await world.job(late.id)).status is Status.SKIPPED


async def test_a_chord_runs_its_body_once_after_all(world: World, seen: list[int]) -> None:
    from semantik.jobs.queue import chord

    async with world.database.write() as session:
        header, body = await chord(session, [(Count(n=1), f"part {n}") for n in range(5)], (Count(n=1), "body"), actor=world.actor)
        await session.commit()
    runners = [world.runner() for _ in range(3)]
    await asyncio.gather(*(world.work(runner=runner) for runner in runners))
    await world.work()
    done = [await world.job(one) for one in header]
    last = await world.job(body)
    assert last.status is Status.COMPLETED
    assert last.fence == 1
    assert last.started_at is not None
    assert all(one.finished_at is not None and one.finished_at <= last.started_at for one in done)


async def test_a_small_tenant_is_served_between_the_jobs_of_a_big_one(world: World, seen: list[int]) -> None:
    for _ in range(30):
        await world.put(Count(n=0))
    small = [await world.put(Count(n=0), actor=world.other) for _ in range(5)]
    order = []
    runner = world.runner()
    for _ in range(35):
        claimed = await claims.claim(world.database, "cpu", owner=runner.owner, ttl_s=30, kinds=["count"])
        assert claimed is not None
        order.append(claimed.id)
        await leases.settle(world.database, claimed.lease, "completed")
    positions = [order.index(one.id) for one in small]
    assert max(positions) <= 9, positions


async def test_urgent_jobs_go_first(world: World, seen: list[int]) -> None:
    later = await world.put(Count(n=0), priority=5)
    urgent = await world.put(Count(n=0), priority=0)
    first = await claims.claim(world.database, "cpu", owner="me", ttl_s=30, kinds=["count"])
    assert first is not None
    assert first.id == urgent.id != later.id


async def test_unknown_kinds_are_left_to_others(world: World, seen: list[int]) -> None:
    class Foreign(JobArgs):
        kind: ClassVar[str] = "foreign"

    made = await world.put(Foreign())
    assert await world.work() == 0
    assert (await world.job(made.id)).status is Status.QUEUED


async def test_arguments_of_a_newer_version_fail_with_a_sentence(world: World, seen: list[int]) -> None:
    made = await world.put(Count(n=1))
    await world.age(made.id, params_version=9)
    await world.work()
    job = await world.job(made.id)
    assert (job.status, job.error_code) == (Status.FAILED, "job_arguments_unreadable")
