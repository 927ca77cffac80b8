"""Real processes, killed and frozen at every named point: nothing is lost, nothing is doubled, nothing is out of order."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from semantik.jobs.failpoints import POINTS
from semantik.jobs.states import TRANSITIONS, Status
from semantik.kit.database import Database
from semantik.tables.jobs import job_attempts, job_events, job_items, jobs
from tests.conftest import make_tenant
from tests.jobs.zygote import EFFECTS

KILLED = -signal.SIGKILL
_ROOT = Path(__file__).parents[2]

# Points that a 5-item job of one process does not pass have tests of their own.
_ELSEWHERE = {"in_rescue_before_commit", "in_schedule_before_commit", "in_heartbeat"}
_PASSED = [point for point in POINTS if point not in _ELSEWHERE and not point.startswith("ingest_")]


class Zygote:
    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.jobs.zygote"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=_ROOT
        )

    def _ask(self, **command: Any) -> dict[str, int]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        answer: dict[str, int] = json.loads(self._process.stdout.readline())
        return answer

    def start(self, url: str, **command: Any) -> int:
        return self._ask(do="start", url=url, **command)["pid"]

    def wait(self, pid: int) -> int:
        return self._ask(do="wait", pid=pid)["status"]

    def run(self, url: str, **command: Any) -> int:
        return self.wait(self.start(url, **command))

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    made = Zygote()
    yield made
    made.close()


@pytest.fixture
async def tenant(database: Database) -> str:
    async with database.write() as session:
        await session.execute(sa.text(EFFECTS))
        await session.commit()
    return (await make_tenant(database, "Alpha")).tenant_id


async def check(database: Database, *, items: int = 5) -> str:
    """The invariants, once nothing moves any more. Returns the job's id, or "" when its creation was never acknowledged."""
    async with database.read() as session:
        found = (await session.execute(sa.select(jobs))).all()
        if not found:
            return ""
        (job,) = found
        effects = (await session.execute(sa.text("SELECT item_key, count(*) FROM crash_effects GROUP BY 1"))).all()
        kept = list(await session.scalars(sa.select(job_items.c.item_key)))
        events = (await session.execute(sa.select(job_events).order_by(job_events.c.seq))).all()
        fences = list(await session.scalars(sa.select(job_attempts.c.fence).order_by(job_attempts.c.fence)))
    assert all(count == 1 for _, count in effects), f"I1: doubled effects {effects}"
    if job.status == "completed":
        assert sorted([key for key, _ in effects] + kept) == [str(number) for number in range(items)], "I1: every item has one end"
        assert job.done + job.failed + job.skipped + job.quarantined == job.total == items, "I2: the counts add up"
    else:
        assert job.status == "paused", job.status
    assert [event.seq for event in events] == list(range(1, job.event_seq + 1)), "I3: no gap in the numbers"
    path = [event.payload["status"] for event in events]
    assert all(one == two or Status(two) in TRANSITIONS[Status(one)] for one, two in itertools.pairwise(path)), f"I3: {path}"
    assert path[-1] == job.status, "I3: the last event tells the state"
    assert fences == list(range(1, job.fence + 1)), "I4: each fence has one owner"
    assert job.lease_owner is None, "I5: nobody holds what has ended"
    return str(job.id)


@pytest.mark.crash
@pytest.mark.parametrize("point", _PASSED)
async def test_killed_at_a_point_it_goes_on_as_if_nothing_was(
    database: Database, database_url: str, tenant: str, zygote: Zygote, point: str
) -> None:
    for hit in (1, 3):
        await _wipe(database)
        status = zygote.run(database_url, tenant=tenant, failpoints=f"{point}=kill@{hit}")
        if status == 0:
            assert hit > 1, f"{point} is never passed"
            break
        assert status == KILLED
        assert zygote.run(database_url, tenant=tenant) == 0
        assert await check(database)


@pytest.mark.slow
@pytest.mark.crash
@pytest.mark.parametrize("point", _PASSED)
async def test_killed_at_every_passing_of_a_point(database: Database, database_url: str, tenant: str, zygote: Zygote, point: str) -> None:
    for hit in range(1, 40):
        await _wipe(database)
        status = zygote.run(database_url, tenant=tenant, failpoints=f"{point}=kill@{hit}")
        assert zygote.run(database_url, tenant=tenant) == 0
        assert await check(database)
        if status == 0:
            return
        assert status == KILLED
    raise AssertionError(f"{point} has no end")


@pytest.mark.crash
async def test_killed_while_taking_back_and_while_renewing(database: Database, database_url: str, tenant: str, zygote: Zygote) -> None:
    assert zygote.run(database_url, tenant=tenant, pace_s=0.3, ttl_s=1, failpoints="in_heartbeat=kill@2") == KILLED
    assert zygote.run(database_url, tenant=tenant, failpoints="in_rescue_before_commit=kill@1") == KILLED
    assert zygote.run(database_url, tenant=tenant) == 0
    await check(database)


@pytest.mark.crash
async def test_a_frozen_worker_that_wakes_up_writes_nothing(database: Database, database_url: str, tenant: str, zygote: Zygote) -> None:
    frozen = zygote.start(database_url, tenant=tenant, pace_s=0.25, ttl_s=1)
    await _until(database, sa.select(jobs.c.id).where(jobs.c.done >= 1))
    _freeze(frozen, database_url)
    try:
        time.sleep(1.3)
        assert zygote.run(database_url, alone=False, ttl_s=1) == 0
        await check(database)
    finally:
        os.kill(frozen, signal.SIGCONT)
    assert zygote.wait(frozen) == 0
    await check(database)


@pytest.mark.crash
async def test_an_item_that_kills_its_process_is_put_aside_after_three_times(
    database: Database, database_url: str, tenant: str, zygote: Zygote
) -> None:
    ends = [zygote.run(database_url, tenant=tenant, kills="2", pace_s=0.002) for _ in range(4)]
    assert ends == [KILLED, KILLED, KILLED, 0] or ends == [KILLED, KILLED, KILLED, KILLED]
    if ends[-1] == KILLED:
        # The first death was that of a whole batch, before anybody knew which item it was.
        assert zygote.run(database_url, tenant=tenant) == 0
    await check(database)
    async with database.read() as session:
        row = (await session.execute(sa.select(job_items))).one()
    assert (row.item_key, row.state) == ("2", "quarantined")


@pytest.mark.crash
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


@pytest.mark.crash
async def test_the_oracle_catches_an_engine_without_a_fence(database: Database, database_url: str, tenant: str, zygote: Zygote) -> None:
    frozen = zygote.start(database_url, tenant=tenant, pace_s=0.25, ttl_s=1, sabotage="no_fence")
    await _until(database, sa.select(jobs.c.id).where(jobs.c.done >= 1))
    _freeze(frozen, database_url)
    time.sleep(1.3)
    successor = zygote.start(database_url, alone=False, ttl_s=1, sabotage="no_fence")
    await _until(database, sa.select(jobs.c.id).where(jobs.c.fence >= 2))
    os.kill(frozen, signal.SIGCONT)
    ends = [zygote.wait(frozen), zygote.wait(successor)]
    try:
        await check(database)
    except AssertionError:
        return
    raise AssertionError(f"nobody noticed the zombie: {ends}")


async def _until(database: Database, statement: sa.Select[Any]) -> None:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        async with database.read() as session:
            if await session.scalar(statement) is not None:
                return
        time.sleep(0.02)
    raise AssertionError("it did not come to that")


def _freeze(pid: int, database_url: str) -> None:
    """Stops the process, but not inside a transaction: on SQLite that would stop every other writer with it."""
    while True:
        os.kill(pid, signal.SIGSTOP)
        if not database_url.startswith("sqlite"):
            return
        try:
            with contextlib.closing(sqlite3.connect(database_url.removeprefix("sqlite:///"), timeout=0.3)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.rollback()
        except sqlite3.OperationalError:
            os.kill(pid, signal.SIGCONT)
            time.sleep(0.05)
        else:
            return


async def _wipe(database: Database) -> None:
    async with database.write() as session:
        await session.execute(sa.text("DELETE FROM crash_effects"))
        await session.execute(sa.delete(jobs))
        await session.commit()
