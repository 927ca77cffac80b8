"""Real processes, killed and frozen at every named point: nothing is lost, nothing is doubled, nothing is out of order.

Here is a slice that takes a minute, chosen by SEMANTIK_TEST_SEED; `make crash` runs every passing of every point, storms of
kills, and the same under Celery (`tests/crash/`), with the same oracle.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from semantik.jobs.failpoints import POINTS
from semantik.jobs.store import control
from semantik.kit.clock import now
from semantik.kit.database import Database, open_database
from semantik.kit.ids import new_id
from semantik.tables.jobs import job_items, jobs, schedule_fires, schedules
from tests.conftest import make_tenant
from tests.jobs.forks import KILLED, Zygote, freeze, until_state
from tests.jobs.oracle import check
from tests.jobs.zygote import EFFECTS

pytestmark = pytest.mark.crash

# Points that a 5-item job of one process does not pass have tests of their own.
ELSEWHERE = {"in_rescue_before_commit", "in_schedule_before_commit", "in_heartbeat", "doctor_mended", "bundle_member_taken"}
PASSED = [point for point in POINTS if point not in ELSEWHERE and not point.startswith(("ingest_", "move_"))]
_chance = random.Random(int(os.environ.get("SEMANTIK_TEST_SEED", 4)))
# Points inside an item are passed five times, others at least once.
_SLICE = [
    (point, _chance.randint(1, 5) if point in {"before_process", "after_process", "in_step_before_commit"} else 1) for point in PASSED
]


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    made = Zygote()
    yield made
    made.close()


@pytest.fixture
async def tenant(database: Database) -> str:
    async with database.write() as session:
        await session.run_sync(lambda bound: EFFECTS.create(bound.connection()))
        await session.commit()
    return (await make_tenant(database, "Alpha")).tenant_id


@pytest.mark.parametrize(("point", "hit"), _SLICE)
async def test_killed_at_a_point_it_goes_on_as_if_nothing_was(
    database: Database, database_url: str, tenant: str, zygote: Zygote, tmp_path: Path, point: str, hit: int
) -> None:
    acks = tmp_path / "acks"
    acks.touch()
    assert zygote.run(database_url, tenant=tenant, failpoints=f"{point}=kill@{hit}", acks=str(acks)) == KILLED
    assert zygote.run(database_url, tenant=tenant, acks=str(acks)) == 0
    seen = await check(database, acks=acks.read_text().splitlines())
    assert seen.jobs == 1


async def test_killed_while_taking_back_and_while_renewing(database: Database, database_url: str, tenant: str, zygote: Zygote) -> None:
    assert zygote.run(database_url, tenant=tenant, pace_s=0.3, ttl_s=1, failpoints="in_heartbeat=kill@2") == KILLED
    assert zygote.run(database_url, tenant=tenant, failpoints="in_rescue_before_commit=kill@1") == KILLED
    assert zygote.run(database_url, tenant=tenant) == 0
    await check(database)


async def test_a_scheduler_killed_before_its_commit_fires_once_in_the_end(
    database: Database, database_url: str, tenant: str, zygote: Zygote
) -> None:
    await add_schedule(database, tenant)
    assert zygote.run(database_url, forever=True, ttl_s=1, failpoints="in_schedule_before_commit=kill@1") == KILLED
    workers = [zygote.start(database_url, forever=True, ttl_s=1, alone=False) for _ in range(2)]
    await until(database, sa.select(jobs.c.id).where(jobs.c.status == "completed"))
    for pid in workers:
        zygote.kill(pid)
    assert (await check(database)).by_status == {"completed": 1}
    async with database.read() as session:
        assert await session.scalar(sa.select(sa.func.count()).select_from(schedule_fires)) == 1


async def test_a_frozen_worker_that_wakes_up_writes_nothing(database: Database, database_url: str, tenant: str, zygote: Zygote) -> None:
    frozen = zygote.start(database_url, tenant=tenant, pace_s=0.25, ttl_s=1)
    await until(database, sa.select(jobs.c.id).where(jobs.c.done >= 1))
    freeze(frozen, database_url)
    try:
        time.sleep(1.3)
        assert zygote.run(database_url, alone=False, ttl_s=1) == 0
        await check(database)
    finally:
        os.kill(frozen, signal.SIGCONT)
    assert zygote.wait(frozen) == 0
    await check(database)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_worker_frozen_inside_a_transaction_is_cut_off_by_the_database(
    database: Database, database_url: str, tenant: str, zygote: Zygote
) -> None:
    """It holds the row of its job, and so would keep it from everybody for as long as it stands there."""
    frozen = zygote.start(database_url, tenant=tenant, ttl_s=1, failpoints="in_step_before_commit=stop@2")
    assert until_state(frozen, "T") == "T"
    try:
        assert zygote.run(database_url, alone=False, ttl_s=1) == 0
    finally:
        os.kill(frozen, signal.SIGCONT)
    assert zygote.wait(frozen) == 0
    assert (await check(database)).losses == 1


async def test_a_worker_whose_loop_hangs_longer_than_its_lease_is_fenced_off(
    database: Database, database_url: str, tenant: str, zygote: Zygote
) -> None:
    """A pause of the collector, a handler that computes on the loop: alive, but its renewals starve."""
    starved = zygote.start(database_url, tenant=tenant, ttl_s=1, failpoints="before_process=sleep:2.6@2")
    await until(database, sa.select(jobs.c.id).where(jobs.c.done >= 1))
    assert zygote.run(database_url, alone=False, ttl_s=1) == 0
    assert zygote.wait(starved) == 0
    seen = await check(database)
    assert seen.losses == 1


@pytest.mark.parametrize("skew_s", [3600, -3600])
async def test_a_workers_own_clock_takes_nothing_back_too_early_or_too_late(
    database: Database, database_url: str, tenant: str, zygote: Zygote, skew_s: int
) -> None:
    """A worker an hour off beside a right one: leases are the database's time, so neither takes from the other."""
    first = zygote.start(database_url, tenant=tenant, ttl_s=2, pace_s=0.15, items=8)
    await until(database, sa.select(jobs.c.id).where(jobs.c.done >= 1))
    wrong = zygote.start(database_url, ttl_s=2, alone=False, skew_s=skew_s)
    assert zygote.wait(first) == 0
    assert zygote.wait(wrong) == 0
    assert (await check(database)).losses == 0


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSEGV])
async def test_an_item_that_kills_its_process_is_put_aside_after_three_times(
    database: Database, database_url: str, tenant: str, zygote: Zygote, how: signal.Signals
) -> None:
    ends = [zygote.run(database_url, tenant=tenant, kills="2", signal=int(how), pace_s=0.002) for _ in range(4)]
    assert ends in ([-how, -how, -how, 0], [-how] * 4)
    if ends[-1] != 0:
        # The first death was that of a whole batch, before anybody knew which item it was.
        assert zygote.run(database_url, tenant=tenant) == 0
    await check(database)
    async with database.read() as session:
        row = (await session.execute(sa.select(job_items))).one()
    assert (row.item_key, row.state) == ("2", "quarantined")


async def test_a_terminated_worker_hands_over_without_a_loss(database: Database, database_url: str, tenant: str, zygote: Zygote) -> None:
    first = zygote.start(database_url, tenant=tenant, items=40, pace_s=0.06)
    await until(database, sa.select(jobs.c.id).where(jobs.c.done >= 1))
    os.kill(first, signal.SIGTERM)
    assert zygote.wait(first) == 0
    async with database.read() as session:
        job = (await session.execute(sa.select(jobs))).one()
    assert (job.status, job.attempt, job.losses) == ("queued", 0, 0)
    assert 0 < job.done < 40
    assert zygote.run(database_url) == 0
    assert (await check(database)).losses == 0


async def test_a_worker_killed_while_it_hands_over_loses_nothing(
    database: Database, database_url: str, tenant: str, zygote: Zygote
) -> None:
    for delay_s in (0.0, 0.03, 0.1):
        pid = zygote.start(database_url, tenant=tenant, items=40, pace_s=0.01)
        await until(database, sa.select(jobs.c.id).where(jobs.c.status == "running", jobs.c.done < 40))
        os.kill(pid, signal.SIGTERM)
        time.sleep(delay_s)
        zygote.kill(pid)
    assert zygote.run(database_url) == 0
    await check(database)


@pytest.mark.parametrize("verb", [control.pause, control.cancel])
@pytest.mark.parametrize("point", ["after_claim", "before_process", "after_step_commit", "before_finish"])
async def test_what_is_asked_while_a_worker_stands_at_a_point_is_done(
    database: Database, database_url: str, tenant: str, zygote: Zygote, verb: Any, point: str
) -> None:
    pid = zygote.start(database_url, tenant=tenant, failpoints=f"{point}=stop@1")
    assert until_state(pid, "T") == "T"
    async with database.read() as session:
        job_id = await session.scalar(sa.select(jobs.c.id))
    async with database.write() as session:
        await verb(session, job_id, by=None)
        await session.commit()
    os.kill(pid, signal.SIGCONT)
    assert zygote.wait(pid) == 0
    seen = await check(database)
    # With all items done, the end wins over what was asked too late.
    expected = "completed" if point == "before_finish" else "paused" if verb is control.pause else "cancelled"
    assert seen.by_status == {expected: 1}
    if expected == "completed":
        return
    async with database.write() as session:
        await (control.resume if verb is control.pause else control.retry)(session, str(job_id), by=None)
        await session.commit()
    assert zygote.run(database_url) == 0
    assert (await check(database)).by_status == {"completed": 1}


async def test_cancelled_by_force_inside_its_transaction_it_writes_before_or_never(
    database: Database, database_url: str, tenant: str, zygote: Zygote
) -> None:
    pid = zygote.start(database_url, tenant=tenant, failpoints="in_step_before_commit=stop@3", items=500, pace_s=0.005)
    assert until_state(pid, "T") == "T"
    async with database.read() as session:
        job_id = str(await session.scalar(sa.select(jobs.c.id)))

    async def force() -> None:
        async with database.write() as session:
            await control.cancel(session, job_id, by=None, force=True)
            await session.commit()

    forced = asyncio.create_task(force())
    await asyncio.sleep(0.3)
    assert not forced.done(), "it waits for the row that the worker's transaction holds"
    os.kill(pid, signal.SIGCONT)
    await forced
    async with database.read() as session:
        at_once = await session.scalar(sa.select(sa.func.count()).select_from(EFFECTS))
    assert zygote.wait(pid) == 0
    seen = await check(database)
    assert (seen.effects, seen.by_status) == (at_once, {"cancelled": 1})


async def test_a_copy_of_a_running_database_holds_every_checkpoint_that_was_told(
    database: Database, database_url: str, tenant: str, zygote: Zygote, tmp_path: Path
) -> None:
    """The machine stops at any instant: what the file and its log hold then is whole, and not behind what was committed before."""
    if not database_url.startswith("sqlite"):
        pytest.skip("PostgreSQL's own durability is not ours to test; its crash is, in the campaign")
    pid = zygote.start(database_url, tenant=tenant, items=100_000, pace_s=0.0005)
    path = Path(database_url.removeprefix("sqlite:///"))
    chance = random.Random(20)
    await until(database, sa.select(jobs.c.id).where(jobs.c.done > 0))
    for number in range(6):
        await asyncio.sleep(chance.uniform(0.02, 0.15))
        async with database.read() as session:
            told = await session.scalar(sa.select(jobs.c.done))
        os.kill(pid, signal.SIGSTOP)
        assert until_state(pid, "T") == "T"
        copy = tmp_path / f"copy-{number}.db"
        for ending in ("", "-wal"):
            shutil.copyfile(f"{path}{ending}", f"{copy}{ending}")
        os.kill(pid, signal.SIGCONT)
        copied = open_database(f"sqlite:///{copy}")
        async with copied.read() as session:
            assert await session.scalar(sa.text("PRAGMA integrity_check")) == "ok"
            done, cursor = (await session.execute(sa.select(jobs.c.done, jobs.c.cursor))).one()
            effects = await session.scalar(sa.select(sa.func.count()).select_from(EFFECTS))
        assert told <= done == cursor == effects
        await copied.close()
    zygote.kill(pid)


@pytest.mark.parametrize(
    ("broken", "point"),
    [("cursor_late", "before_process=kill@4"), ("effects_early", "in_step_before_commit=kill@2")],
)
async def test_the_oracle_catches_an_engine_that_is_broken(
    database: Database, database_url: str, tenant: str, zygote: Zygote, broken: str, point: str
) -> None:
    assert zygote.run(database_url, tenant=tenant, failpoints=point, sabotage=broken) == KILLED
    assert zygote.run(database_url, tenant=tenant, sabotage=broken) == 0
    with pytest.raises(AssertionError, match="I1"):
        await check(database)


async def test_the_oracle_catches_a_promise_made_before_its_commit(
    database: Database, database_url: str, tenant: str, zygote: Zygote, tmp_path: Path
) -> None:
    acks = tmp_path / "acks"
    assert zygote.run(database_url, tenant=tenant, sabotage="ack_early", acks=str(acks)) == KILLED
    with pytest.raises(AssertionError, match="I6"):
        await check(database, acks=acks.read_text().splitlines())


async def test_the_oracle_catches_an_engine_without_a_fence(database: Database, database_url: str, tenant: str, zygote: Zygote) -> None:
    frozen = zygote.start(database_url, tenant=tenant, items=12, pace_s=0.25, ttl_s=1, sabotage="no_fence")
    await until(database, sa.select(jobs.c.id).where(jobs.c.done >= 1))
    freeze(frozen, database_url)
    time.sleep(1.3)
    successor = zygote.start(database_url, alone=False, ttl_s=1, sabotage="no_fence")
    await until(database, sa.select(jobs.c.id).where(jobs.c.fence >= 2))
    os.kill(frozen, signal.SIGCONT)
    ends = [zygote.wait(frozen), zygote.wait(successor)]
    try:
        await check(database)
    except AssertionError:
        return
    raise AssertionError(f"nobody noticed the zombie: {ends}")


async def until(database: Database, statement: sa.Select[Any], *, within_s: float = 20) -> None:
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        async with database.read() as session:
            if await session.scalar(statement) is not None:
                return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come to that")


async def add_schedule(database: Database, tenant: str) -> None:
    """One that is due now, and then not again for a day."""
    row = {"id": new_id(), "tenant_id": tenant, "name": "daily", "kind": "five", "params": {"items": 1}, "every_s": 86400}
    async with database.write() as session:
        await session.execute(sa.insert(schedules).values(**row, next_fire_at=now() - timedelta(seconds=1), created_at=now()))
        await session.commit()
