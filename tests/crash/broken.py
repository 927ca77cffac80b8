"""Is the oracle awake? Engines broken on purpose, in real processes, each of which it has to catch."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import Any

import sqlalchemy as sa

from semantik.tables.jobs import jobs
from tests.crash.lab import Lab, Lane, Tally, in_lanes
from tests.jobs.forks import KILLED, freeze
from tests.jobs.oracle import check

BROKEN = {
    "cursor_late": ("before_process=kill@4", "the cursor is committed before the effects it stands for"),
    "effects_early": ("in_step_before_commit=kill@2", "the effects are committed before the cursor"),
    "ack_early": ("", "the caller is told before the commit"),
    "no_fence": ("in_step_before_commit=sleep:2.6@2", "writes name the job, not the lease"),
}


def sabotage(lab: Lab, dialect: str, *, seed: int) -> Tally:
    """`failures` names the broken engines that went unnoticed; `points` holds those that were caught."""
    tally = Tally("sabotage", dialect, "local", seed)
    started = time.monotonic()

    async def work(lane: Lane, name: str) -> None:
        await lane.wipe()
        acks = lane.folder / "acks"
        acks.write_text("")
        given: dict[str, Any] = {"tenant": lane.actor.tenant_id, "acks": str(acks), "sabotage": name}
        tally.cases += 1
        if name == "no_fence":
            pid = lane.zygote.start(lane.url, pace_s=0.2, ttl_s=1, **given)
            while True:
                async with lane.database.read() as session:
                    if await session.scalar(sa.select(jobs.c.id).where(jobs.c.done >= 1)) is not None:
                        break
                await asyncio.sleep(0.02)
            freeze(pid, lane.url)
            await asyncio.sleep(1.3)
            successor = lane.zygote.start(lane.url, alone=False, ttl_s=1, sabotage=name)
            while True:
                async with lane.database.read() as session:
                    if await session.scalar(sa.select(jobs.c.id).where(jobs.c.fence >= 2)) is not None:
                        break
                await asyncio.sleep(0.02)
            os.kill(pid, signal.SIGCONT)
            lane.zygote.wait(pid)
            lane.zygote.wait(successor)
        else:
            assert lane.zygote.run(lane.url, failpoints=BROKEN[name][0], **given) == KILLED
            if name != "ack_early":
                assert lane.zygote.run(lane.url, **given) == 0
        tally.faults["engine broken on purpose"] += 1
        try:
            await check(lane.database, acks=acks.read_text().splitlines())
        except AssertionError as caught:
            tally.points[f"{name}: {str(caught)[:2]}"] = 1
        else:
            tally.failures.append(f"nobody noticed {name}")

    in_lanes(lab, dialect, "local", 2, list(BROKEN), work)
    tally.seconds = time.monotonic() - started
    return tally
