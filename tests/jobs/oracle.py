"""The six invariants of the engine, asked of a database in which nothing moves any more.

I1  each item has exactly one effect, or one row that says why not
I2  done + failed + skipped + quarantined = total in what is completed
I3  events are numbered 1..n without a gap, and their states form a legal path that ends in the state of the row
I4  fences grow by one, each has one owner, and no effect was written under an older fence than one before it
I5  nothing is left that nobody will ever touch: no lease, and no open row that is not paused
I6  what was acknowledged is there
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from semantik.jobs.states import ENDED, TRANSITIONS, Status
from semantik.kit.database import Database
from semantik.tables.jobs import job_attempts, job_edges, job_events, job_items, jobs
from tests.jobs.zygote import EFFECTS


@dataclass(frozen=True, slots=True)
class Seen:
    """What there was to check."""

    jobs: int
    effects: int
    by_status: dict[str, int]
    losses: int
    quarantined: int
    ids: tuple[str, ...]


async def check(database: Database, *, acks: Sequence[str] = (), effects: bool = True) -> Seen:
    """Raises AssertionError that names the invariant. `acks`: lines `<what> <job>` of what callers were told is done.

    Without `effects` the jobs are real ones, whose effects are for the caller to judge: all invariants but the first are asked.
    """
    async with database.read() as session:
        found = (await session.execute(sa.select(jobs))).all()
        statement = sa.select(EFFECTS.c.job_id, EFFECTS.c.item_key, EFFECTS.c.fence).order_by(EFFECTS.c.place)
        made = (await session.execute(statement)).all() if effects else []
        kept = (await session.execute(sa.select(job_items.c.job_id, job_items.c.item_key))).all()
        told = (await session.execute(sa.select(job_events).order_by(job_events.c.job_id, job_events.c.seq))).all()
        attempts = (await session.execute(sa.select(job_attempts).order_by(job_attempts.c.job_id, job_attempts.c.fence))).all()
        edges = (await session.execute(sa.select(job_edges.c.parent_id, job_edges.c.child_id))).all()
    written: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for effect in made:
        written[effect.job_id].append((effect.item_key, effect.fence))
    aside: dict[str, list[str]] = defaultdict(list)
    for item in kept:
        aside[item.job_id].append(item.item_key)
    events = {job_id: list(group) for job_id, group in itertools.groupby(told, key=lambda event: str(event.job_id))}
    held = {job_id: list(group) for job_id, group in itertools.groupby(attempts, key=lambda attempt: str(attempt.job_id))}
    by_id = {job.id: job for job in found}
    for job in found:
        name = f"job {job.id} ({job.status})"
        keys = [key for key, _ in written[job.id]]
        doubled = sorted(key for key in set(keys) if keys.count(key) > 1) if len(set(keys)) < len(keys) else []
        assert not doubled, f"I1: doubled effects of {name}: {doubled[:5]}"
        if job.status == "completed" and effects:
            ends = sorted(keys + aside[job.id])
            assert ends == sorted(map(str, range(job.total or 0))), f"I1: every item of {name} has one end"
        if job.status == "completed" and (effects or job.total is not None):
            processed = job.done + job.failed + job.skipped + job.quarantined
            assert processed == job.total, f"I2: the counts of {name} add up to {processed}, not {job.total}"
        assert not effects or len(keys) == job.done, f"I1: {name} counts {job.done} done and has {len(keys)} effects"
        path = [event.payload["status"] for event in events[job.id]]
        assert [event.seq for event in events[job.id]] == list(range(1, job.event_seq + 1)), f"I3: a gap in the events of {name}"
        legal = all(one == two or Status(two) in TRANSITIONS[Status(one)] for one, two in itertools.pairwise(path))
        assert legal, f"I3: {name} went an illegal way: {path}"
        assert path[-1] == job.status, f"I3: the last event of {name} says {path[-1]}"
        fences = [attempt.fence for attempt in held.get(job.id, [])]
        assert fences == sorted(set(fences)), f"I4: {name} has an attempt twice"
        assert all(0 < fence <= job.fence for fence in fences), f"I4: {name} has attempts {fences} under fence {job.fence}"
        order = [fence for _, fence in written[job.id]]
        assert order == sorted(order), f"I4: an old fence wrote into {name} after a newer one"
        assert job.lease_owner is None, f"I5: somebody still holds {name}"
        assert all(attempt.ended_at is not None for attempt in held.get(job.id, [])), f"I5: an attempt of {name} has no end"
        assert Status(job.status) in ENDED or job.status == "paused", f"I5: {name} was left behind"
    for edge in edges:
        parent, child = by_id[edge.parent_id], by_id[edge.child_id]
        if child.started_at is not None:
            assert parent.finished_at is not None, f"I1: job {child.id} started before its parent {parent.id} ended"
            assert parent.finished_at <= child.started_at, f"I1: job {child.id} started before its parent {parent.id} ended"
    for line in acks:
        what, _, job_id = line.partition(" ")
        assert job_id in by_id, f"I6: {line!r} was acknowledged, and there is no such job"
        if what == "resumed":
            assert by_id[job_id].status != "paused", f"I6: {line!r} was acknowledged, and the job is paused"
        if what == "cancelled":
            assert by_id[job_id].status in ENDED, f"I6: {line!r} was acknowledged, and the job is {by_id[job_id].status}"
    states = [str(job.status) for job in found]
    return Seen(
        jobs=len(found),
        effects=len(made),
        by_status={one: states.count(one) for one in sorted(set(states))},
        losses=sum(job.losses for job in found),
        quarantined=sum(job.quarantined for job in found),
        ids=tuple(job.id for job in found),
    )
