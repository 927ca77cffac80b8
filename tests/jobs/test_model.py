"""The engine against a small model: whatever order users, workers, crashes and the rescuer come in, both agree."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from semantik.auth.actor import Actor
from semantik.jobs import rescue
from semantik.jobs.queue import enqueue
from semantik.jobs.states import ENDED, LEASED, TRANSITIONS, Status, WrongState
from semantik.jobs.store import claims, control, leases
from semantik.jobs.store.clock import db_time
from semantik.jobs.store.leases import Step
from semantik.jobs.values import Job, JobArgs, Lease
from semantik.kit.database import Database, open_database
from semantik.tables.jobs import job_events, jobs
from tests.conftest import make_tenant

S = Status
_ENDINGS = ("completed", "failed", "released", "retry", "snoozed", "control")


class Toy(JobArgs):
    kind: ClassVar[str] = "toy"


@dataclass
class Model:
    """What we believe of one job."""

    status: Status
    keyed: bool
    behind: str | None = None
    done: int = 0
    fence: int = 0
    losses_in_row: int = 0
    lease: Lease | None = None


class Engine(RuleBasedStateMachine):
    make: ClassVar[Callable[[], Awaitable[tuple[Database, Actor]]]]

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.Runner()
        self.database, self.actor = self.do(type(self).make())
        self.jobs: dict[str, Model] = {}
        self.old: list[Lease] = []

    def teardown(self) -> None:
        self.do(self.database.close())
        self.loop.close()

    def do(self, work: Awaitable[Any]) -> Any:
        async def run() -> Any:
            return await work

        return self.loop.run(run())

    async def _write(self, work: Callable[..., Awaitable[Any]], *given: Any, **options: Any) -> Any:
        async with self.database.write() as session:
            answer = await work(session, *given, **options)
            await session.commit()
        return answer

    # What the world does ----------------------------------------------------------------------------------------------

    @rule(keyed=st.booleans())
    def enqueue(self, keyed: bool) -> None:
        made = self.do(self._write(enqueue, Toy(), actor=self.actor, title="toy", concurrency_key="k" if keyed else None))
        behind = self._last(keyed)
        self.jobs[made.id] = Model(S.BLOCKED if behind else S.QUEUED, keyed, behind)

    @rule()
    def claim(self) -> None:
        job: Job | None = self.do(claims.claim(self.database, "cpu", owner=uuid.uuid4().hex, ttl_s=60, kinds=["toy"]))
        ready = [one for one, model in self.jobs.items() if model.status is S.QUEUED]
        assert (job is None) == (not ready)
        if job is not None:
            model = self.jobs[job.id]
            assert job.id in ready
            assert job.fence == model.fence + 1
            assert job.done == model.done
            model.status, model.fence, model.lease = S.RUNNING, job.fence, job.lease

    @rule(choose=st.randoms(use_true_random=False), add=st.integers(0, 3))
    def step(self, choose: Any, add: int) -> None:
        """By an owner or by a zombie with an old lease."""
        lease = self._some_lease(choose)
        if lease is None:
            return
        job = self.do(self._write(leases.step, lease, Step(cursor=add, done=add), ttl_s=60))
        model = self.jobs[lease.job_id]
        assert (job is not None) == (model.lease == lease)
        if job is not None:
            model.done += add
            model.losses_in_row = 0

    @rule(choose=st.randoms(use_true_random=False), ending=st.sampled_from(_ENDINGS))
    def settle(self, choose: Any, ending: leases.Ending) -> None:
        lease = self._some_lease(choose)
        if lease is None:
            return
        job = self.do(leases.settle(self.database, lease, ending))
        model = self.jobs[lease.job_id]
        assert (job is not None) == (model.lease == lease)
        if job is None:
            return
        ends = {"completed": S.COMPLETED, "failed": S.FAILED}
        asked = {S.CANCELLING: S.CANCELLED, S.PAUSING: S.PAUSED, S.RUNNING: S.QUEUED}
        self._become(lease.job_id, ends.get(ending) or asked[model.status])

    @rule(choose=st.randoms(use_true_random=False))
    def die(self, choose: Any) -> None:
        """A worker falls silent, and the rescuer comes by."""
        held = [one for one, model in self.jobs.items() if model.lease is not None]
        if not held:
            return
        job_id = choose.choice(held)
        model = self.jobs[job_id]
        late = sa.update(jobs).where(jobs.c.id == job_id).values(lease_expires_at=db_time(-1))
        self.do(self._write(lambda session: session.execute(late)))
        (job,) = self.do(rescue.sweep(self.database))
        assert job.id == job_id
        if model.status is S.RUNNING:
            model.losses_in_row += 1
            self._become(job_id, S.FAILED if model.losses_in_row >= 5 else S.QUEUED)
        else:
            self._become(job_id, S.PAUSED if model.status is S.PAUSING else S.CANCELLED)

    @precondition(lambda self: self.jobs)
    @rule(choose=st.randoms(use_true_random=False), verb=st.sampled_from(["pause", "resume", "cancel", "force", "retry", "restart"]))
    def ask(self, choose: Any, verb: str) -> None:
        job_id = choose.choice(list(self.jobs))
        model = self.jobs[job_id]
        expected = self._expected(model, verb)
        work = control.cancel if verb == "force" else getattr(control, verb)
        options = {"force": True} if verb == "force" else {}
        if expected is None:
            with pytest.raises(WrongState):
                self.do(self._write(work, job_id, by=None, **options))
            return
        if verb in ("retry", "restart"):
            if verb == "restart":
                model.done = 0
            model.behind, model.losses_in_row = self._last(model.keyed), 0
            expected = S.BLOCKED if model.behind else S.QUEUED
        if verb == "resume":
            model.losses_in_row = 0 if model.behind is None else model.losses_in_row
            expected = S.BLOCKED if model.behind else S.QUEUED
        job: Job = self.do(self._write(work, job_id, by=None, **options))
        assert job.status is expected
        if verb == "force" and model.lease is not None:
            model.fence += 1
        self._become(job_id, expected)

    # What must follow -------------------------------------------------------------------------------------------------

    @staticmethod
    def _expected(model: Model, verb: str) -> Status | None:
        leased = model.status in LEASED
        match verb, model.status:
            case "pause", S.RUNNING:
                return S.PAUSING
            case "pause", S.QUEUED | S.BLOCKED:
                return S.PAUSED
            case "resume", S.PAUSED:
                return S.QUEUED
            case "cancel", S.RUNNING | S.PAUSING:
                return S.CANCELLING
            case "cancel" | "force", S.QUEUED | S.BLOCKED | S.PAUSED:
                return S.CANCELLED
            case "force", _ if leased:
                return S.CANCELLED
            case "retry" | "restart", S.FAILED | S.CANCELLED:
                return S.QUEUED
            case _:
                return None

    def _become(self, job_id: str, status: Status) -> None:
        model = self.jobs[job_id]
        model.status = status
        if status not in LEASED and model.lease is not None:
            self.old.append(model.lease)
            model.lease = None
        if status in ENDED:
            # One that ends before its turn leaves its place in the chain to the next.
            for other in self.jobs.values():
                if other.behind == job_id:
                    other.behind = model.behind
                    other.status = S.QUEUED if other.status is S.BLOCKED and model.behind is None else other.status
            model.behind = None

    def _last(self, keyed: bool) -> str | None:
        chain = [one for one, model in self.jobs.items() if keyed and model.keyed and model.status not in ENDED]
        followed = {self.jobs[one].behind for one in chain}
        last = [one for one in chain if one not in followed]
        assert len(last) <= 1
        return last[0] if last else None

    def _some_lease(self, choose: Any) -> Lease | None:
        known = [model.lease for model in self.jobs.values() if model.lease is not None] + self.old[-3:]
        return choose.choice(known) if known else None

    @invariant()
    def both_agree(self) -> None:
        async def look() -> tuple[Any, Any]:
            async with self.database.read() as session:
                rows = (await session.execute(sa.select(jobs))).all()
                events = (await session.execute(sa.select(job_events).order_by(job_events.c.job_id, job_events.c.seq))).all()
                return rows, events

        rows, events = self.do(look())
        assert {row.id: (row.status, row.done, row.fence) for row in rows} == {
            one: (str(model.status), model.done, model.fence) for one, model in self.jobs.items()
        }
        for job_id, group in itertools.groupby(events, key=lambda event: event.job_id):
            found = list(group)
            assert [event.seq for event in found] == list(range(1, len(found) + 1))
            path = [Status(event.payload["status"]) for event in found]
            assert path[-1] is self.jobs[job_id].status
            assert all(one is two or two in TRANSITIONS[one] for one, two in itertools.pairwise(path)), path


def test_the_engine_agrees_with_its_model(database_url: str, tmp_path: Path) -> None:
    numbers = itertools.count()

    async def make() -> tuple[Database, Actor]:
        url = database_url
        if url.startswith("sqlite"):
            copy = tmp_path / f"example-{next(numbers)}.db"
            shutil.copyfile(url.removeprefix("sqlite:///"), copy)
            url = f"sqlite:///{copy}"
        database = open_database(url, pool_size=2)
        async with database.write() as session:
            await session.execute(sa.delete(jobs))
            await session.commit()
        return database, await make_tenant(database, "Alpha")

    made = type("Bound", (Engine,), {"make": staticmethod(make)})
    sqlite = database_url.startswith("sqlite")
    # No shrinking: a step is a real transaction, and what failed is printed as the steps that led there.
    chosen = settings(
        max_examples=int(os.environ.get("SEMANTIK_TEST_EXAMPLES", 12 if sqlite else 4)),
        stateful_step_count=25,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(made, settings=chosen)
