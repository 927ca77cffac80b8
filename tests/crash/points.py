"""Every passing of every named point of a 5-item job: killed there, it goes on, also when a user asked something of the dead."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

import sqlalchemy as sa

from semantik.jobs.states import WrongState
from semantik.jobs.store import control
from semantik.tables.jobs import jobs
from tests.crash.lab import Lab, Lane, Tally, in_lanes
from tests.jobs.forks import KILLED, state
from tests.jobs.oracle import check
from tests.jobs.test_crash import PASSED, add_schedule

_MOST_HITS = 60
THEN = (None, "pause", "cancel")


def points(lab: Lab, dialect: str, mode: str, *, seed: int, lanes: int = 4) -> Tally:
    tally = Tally("points", dialect, mode, seed)
    cases: list[tuple[str, str | None]] = [(point, then) for then in (THEN if mode == "local" else (None,)) for point in PASSED]
    if mode == "local":
        cases += [(point, None) for point in ("in_heartbeat", "in_rescue_before_commit", "in_schedule_before_commit")]
    started = time.monotonic()

    async def work(lane: Lane, case: tuple[str, str | None]) -> None:
        point, then = case
        for hit in range(1, _MOST_HITS):
            await lane.wipe()
            try:
                killed = await (_celery_case if mode == "celery" else _local_case)(lane, tally, point, hit, then)
            except Exception as error:  # noqa: BLE001 (a campaign goes on, and tells of it)
                tally.failures.append(f"{point}@{hit} then {then}: {type(error).__name__}: {error}"[:500])
                killed = True
            if not killed:
                break
            tally.cases += 1
            tally.points[point] = max(tally.points.get(point, 0), hit)
        else:
            tally.failures.append(f"{point} has no end")

    in_lanes(lab, dialect, mode, lanes, cases, work)
    tally.seconds = time.monotonic() - started
    return tally


async def _local_case(lane: Lane, tally: Tally, point: str, hit: int, then: str | None) -> bool:
    """Kills a process at this passing of the point, lets another one go on, and asks the oracle. False: it was never passed."""
    acks = lane.folder / "acks"
    acks.write_text("")
    plan = f"{point}=kill@{hit}"
    given: dict[str, Any] = {"tenant": lane.actor.tenant_id, "acks": str(acks)}
    match point:
        case "in_heartbeat":
            given |= {"pace_s": 0.3, "ttl_s": 1}
        case "in_rescue_before_commit":
            assert lane.zygote.run(lane.url, failpoints="before_process=kill@3", **given) == KILLED
            tally.faults["kill -9 at a point"] += 1
        case "in_schedule_before_commit":
            await add_schedule(lane.database, lane.actor.tenant_id)
            given = {"forever": True, "ttl_s": 1}
    pid = lane.zygote.start(lane.url, failpoints=plan, **given)
    if given.get("forever"):
        killed = not await lane.settled(20, pid)
        status = lane.zygote.kill(pid)
        if not killed:
            return False
    else:
        status = lane.zygote.wait(pid)
    if status == 0:
        return False
    assert status == KILLED, f"the worker ended with {status}"
    tally.faults["kill -9 at a point"] += 1
    told = acks.read_text().splitlines()
    if then is not None:
        await _ask(lane, then)
        told = []
    if given.get("forever"):
        pid = lane.zygote.start(lane.url, forever=True, ttl_s=1)
        assert await lane.settled(20, pid), "the schedule's job did not end"
        lane.zygote.kill(pid)
    else:
        ended = lane.zygote.run(lane.url, **given)
        assert ended == 0, f"the successor ended with {ended}"
    seen = await check(lane.database, acks=told)
    assert seen.jobs == 1, f"{seen.jobs} jobs"
    if then is not None and seen.by_status != {"completed": 1}:
        await _ask(lane, "resume" if then == "pause" else "retry")
        assert lane.zygote.run(lane.url) == 0
        seen = await check(lane.database)
        assert seen.by_status == {"completed": 1}, f"{then}, then on again: {seen.by_status}"
    tally.note(seen)
    return True


async def _celery_case(lane: Lane, tally: Tally, point: str, hit: int, then: str | None) -> bool:
    """The same with a process that asks and a Celery worker: both carry the fail point, and either may die of it."""
    assert lane.broker is not None
    acks = lane.folder / "acks"
    acks.write_text("")
    given: dict[str, Any] = {"broker": lane.broker.url, "ttl_s": 1}
    asks: dict[str, Any] = {**given, "api": True, "tenant": lane.actor.tenant_id, "acks": str(acks)}
    plan = f"{point}=kill@{hit}"
    killed = 0
    worker = lane.zygote.start(lane.url, celery=True, failpoints=plan, **given)
    try:
        status = lane.zygote.run(lane.url, failpoints=plan, **asks)
        if status == KILLED:
            killed += 1
            status = lane.zygote.run(lane.url, **asks)
        assert status == 0, f"the process that asks ended with {status}"
        if not await lane.settled(30, worker):
            assert state(worker) == "Z", "the job did not end in 30 s"
            assert lane.zygote.wait(worker) == KILLED
            killed += 1
            worker = lane.zygote.start(lane.url, celery=True, **given)
            assert await lane.settled(40), "the job did not end in 40 s"
    finally:
        # A point after the end kills a moment after the job has come to rest.
        if point in ("after_finish", "after_commit_before_publish", "after_commit_before_ring") and killed == 0:
            await asyncio.sleep(0.3)
        killed += state(worker) == "Z"
        lane.zygote.kill(worker)
    if killed == 0:
        return False
    tally.faults["kill -9 at a point"] += killed
    tally.note(await check(lane.database, acks=acks.read_text().splitlines()))
    return True


async def _ask(lane: Lane, verb: str) -> None:
    """What a user asks; in a state that does not allow it, a refusal is right."""
    async with lane.database.write() as session:
        job_id = await session.scalar(sa.select(jobs.c.id))
        if job_id is None:
            return
        with contextlib.suppress(WrongState):
            await getattr(control, verb)(session, job_id, by=None)
            await session.commit()
