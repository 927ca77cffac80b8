"""Claims jobs, runs their handlers, keeps their leases, and settles how each attempt ended.

One runner a process. Whoever dispatches calls `run_next(queue)` from as many slots as it likes; one background task, the
pulse, renews all leases of the process in one statement, brings what users asked, notices handlers that hang, and takes
back the leases of the dead. The pulse lives on the event loop on purpose: a process whose loop hangs stops renewing.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from semantik import __version__
from semantik.jobs import handlers, interruptions, rescue, retry
from semantik.jobs.context import JobContext
from semantik.jobs.handlers import Handler
from semantik.jobs.interruptions import Interruption, LeaseLost
from semantik.jobs.items import run_items
from semantik.jobs.lines import Line
from semantik.jobs.retry import ErrorClass, ResourceExhausted
from semantik.jobs.store import claims, leases, workers
from semantik.jobs.store.leases import Ending
from semantik.jobs.store.rows import DATABASE_ERRORS
from semantik.jobs.upkeep import Upkeep
from semantik.jobs.values import QUEUES, Control, Failure, Job, Needs
from semantik.kit import logs, metrics, resources, traces
from semantik.kit.concurrency import end
from semantik.kit.ids import TenantId, new_id

if TYPE_CHECKING:
    from semantik.runtime import Runtime

log = logs.get(__name__)

# A pause or cancel must be seen within two seconds of being asked, wherever it was asked.
_LOOK_EVERY_S = 0.5
# Told of by an event, it is looked for at once; an event may get lost.
_ASKED = frozenset({"job.pausing", "job.cancelling", "job.cancelled", "resync"})
_SIGN_EVERY_S = 10.0
_HEAR_EVERY_S = 2.0
# A handler that lost its lease, or ignores a drain, is cancelled as a task after this long.
_LOST_GRACE_S = 2.0
# For want of memory or disk a job is put off for up to five minutes each time: so often is most of a day.
_MOST_WAITS = 200


class Gauge(Protocol):
    async def __call__(self, *, gpu: bool) -> resources.Free: ...


@dataclass(slots=True)
class _Attempt:
    job: Job
    ctx: JobContext
    stall_timeout_s: float
    task: asyncio.Task[dict[str, Any] | None]
    started_at: float = field(default_factory=time.monotonic)
    renewed_at: float = field(default_factory=time.monotonic)
    lost_at: float | None = None
    stalled: bool = False
    hung: bool = False


class Runner:
    def __init__(
        self,
        runtime: Runtime,
        *,
        pool: str = "local",
        slots: int = 2,
        queues: Sequence[str] = QUEUES,
        free: Gauge = resources.free,
        worker: str | None = None,
        look_every_s: float = _LOOK_EVERY_S,
    ) -> None:
        """`worker`: the name of what this process is part of, where there are several."""
        self._look_every_s = look_every_s
        self.owner = f"{socket.gethostname()[:60]}:{os.getpid()}:{new_id()[-12:]}"
        self.queues = tuple(queues)
        self._runtime = runtime
        self._database = runtime.database
        self._pool = pool
        self._free = free
        self._slots = slots
        self._ttl_s = float(runtime.settings.job_lease_ttl_s)
        self._attempts: dict[str, _Attempt] = {}
        self._stopping = False
        self._name = worker or self.owner
        # Asked to take no more jobs, until asked otherwise.
        self.draining = False
        self._idle = asyncio.Event()
        self._asked = asyncio.Event()
        self._pulse: asyncio.Task[None] | None = None

    @property
    def running(self) -> int:
        return len(self._attempts)

    def running_in(self, queues: Sequence[str]) -> int:
        return sum(attempt.job.queue in queues for attempt in self._attempts.values())

    @property
    def stopping(self) -> bool:
        return self._stopping

    async def start(self) -> None:
        signs = workers.Signs(self.owner, self._pool, list(self.queues), self._slots, __version__, workers.WorkerState.UP, self._name)
        await workers.sign_in(self._database, signs)
        self.draining = await workers.asked_to_drain(self._database, self.owner)
        self._pulse = self._runtime.loops.start("job-pulse", self._beat())

    async def stop(self, grace_s: float = 10.0) -> None:
        """Asks every running job to release, waits for at most `grace_s`, then cuts off what still runs. Claims nothing more."""
        self._stopping = True
        for attempt in self._attempts.values():
            attempt.ctx.ask(Control.DRAIN)
        await self._empty(grace_s)
        for attempt in list(self._attempts.values()):
            attempt.task.cancel()
        await self._empty(5)
        if self._pulse is not None:
            await end(self._pulse)
            self._pulse = None
            with contextlib.suppress(*DATABASE_ERRORS):
                await workers.seen(self._database, self.owner, workers.WorkerState.DOWN)

    async def _listen(self, job: Job) -> None:
        """Has the pulse look at once when somebody, in whatever process, asks this job to pause or stop."""
        events = self._runtime.events.subscribe(job.tenant_id, job.id)
        try:
            async for event in events:
                if event.type in _ASKED:
                    self._asked.set()
        finally:
            await events.aclose()

    async def _empty(self, within_s: float) -> None:
        """Waits until every attempt has been settled, for so long."""
        if self._attempts:
            self._idle.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), within_s)

    async def ready(self) -> list[str]:
        """The queues in which this process would find something to do."""
        return await claims.ready_queues(self._database, self.queues, handlers.known_kinds())

    async def run_next(self, queue: str) -> bool:
        """Claims the best ready job of the queue and runs it to the end of this attempt; False when there is none."""
        if self._stopping or self.draining:
            return False
        job = await claims.claim(self._database, queue, owner=self.owner, ttl_s=self._ttl_s, kinds=handlers.known_kinds())
        if job is None:
            return False
        metrics.JOBS_CLAIMED.labels(queue=job.queue).inc()
        if job.last_progress_at is not None:
            waited = job.last_progress_at - job.available_at
            metrics.JOBS_QUEUE_WAIT_SECONDS.labels(queue=job.queue).observe(max(0.0, waited.total_seconds()))
        with logs.bound_contextvars(job_id=job.id, kind=job.kind, fence=job.fence, tenant_id=job.tenant_id, request_id=job.correlation_id):
            with traces.job(
                job.correlation_id,
                f"job {job.kind}",
                {"semantik.job_id": job.id, "semantik.queue": job.queue, "semantik.attempt": job.attempt},
            ) as span:
                status = await self._run(job)
                span.add({"semantik.status": status})
                if status not in ("completed", "queued", "paused"):
                    span.fail(status)
        return True

    async def make_room(self, queues: Sequence[str], *, slice_s: float) -> bool:
        """Asks one running job to step back for somebody who waits; it goes on later from its cursor. True when one was asked.

        Stepping back is fair when its tenant holds several slots and the waiting one none, when the waiting job is more
        urgent, or when it has had its slice and a tenant without any slot waits. Nothing that moves slower than that is cut.
        """
        here = [one for one in self._attempts.values() if one.job.queue in queues and not one.ctx.interrupted.is_set()]
        if not here or any(one.ctx.interrupted.is_set() for one in self._attempts.values()):
            return False
        waiting = await claims.waiting(self._database, queues, handlers.known_kinds())
        held = Counter(one.job.tenant_id for one in here)
        now = time.monotonic()
        for attempt in sorted(here, key=lambda one: (-held[one.job.tenant_id], one.started_at)):
            had_s = now - attempt.started_at
            for tenant_id, priority in waiting.items():
                unserved = held[TenantId(tenant_id)] == 0
                due = slice_s / 5 if held[attempt.job.tenant_id] > 1 else slice_s
                if (priority < attempt.job.priority and had_s > slice_s / 5) or (unserved and had_s > due):
                    log.info("job steps back for another", job_id=attempt.job.id, seconds=round(had_s, 1))
                    attempt.ctx.ask(Control.DRAIN)
                    return True
        return False

    async def _run(self, job: Job) -> str:
        """Runs one attempt; returns the job's status after it, or lost."""
        log.info("job claimed", attempt=job.attempt, losses=job.losses)
        started = time.monotonic()
        ctx = JobContext(job, self._runtime, ttl_s=self._ttl_s)
        handler = handlers.handler_of(job.kind)
        assert handler is not None, "only known kinds are claimed"
        task = asyncio.create_task(self._invoke(handler, ctx), name=f"job-{job.kind}")
        self._attempts[job.id] = _Attempt(job, ctx, handler.args.stall_timeout_s, task)
        if self._stopping or self.draining:
            ctx.ask(Control.DRAIN)
        listening = asyncio.create_task(self._listen(job), name="job-asked")
        try:
            await asyncio.wait({task})
            settled = await self._settle(ctx, task, hung=self._attempts[job.id].hung)
        finally:
            if not task.done():
                task.cancel()
            await end(listening)
            del self._attempts[job.id]
            if not self._attempts:
                self._idle.set()
        metrics.JOBS_RUN_SECONDS.labels(kind=job.kind).observe(time.monotonic() - started)
        if settled is not None and settled.finished_at is not None:
            metrics.JOBS_FINISHED.labels(kind=job.kind, outcome=settled.outcome or str(settled.status)).inc()
        status = str(settled.status) if settled is not None else "lost"
        log.info("job attempt ended", status=status, seconds=round(time.monotonic() - started, 2))
        return status

    async def _invoke(self, handler: Handler, ctx: JobContext) -> dict[str, Any] | None:
        await self._require(handler.args.needs)
        args = handlers.arguments(handler, ctx.job)
        if handler.run is not None:
            return await handler.run(ctx, args)
        assert handler.items is not None, "a handler is a function or a class of items"
        return await run_items(ctx, handler.items(), args, ttl_s=self._ttl_s)

    async def _require(self, needs: Needs) -> None:
        """Raises `ResourceExhausted` when this machine has less memory free than the job needs: another worker may have it."""
        if needs == Needs():
            return
        free = await self._free(gpu=needs.gpu_memory_bytes > 0)
        for what, needed, found in (
            ("memory", needs.memory_bytes, free.memory_bytes),
            ("GPU memory", needs.gpu_memory_bytes, free.gpu_memory_bytes),
        ):
            if found is not None and found < needed:
                raise ResourceExhausted(
                    f"the job waits for a worker with {needed / 1e6:,.0f} MB of {what} free; {self.owner} has {found / 1e6:,.0f} MB",
                    hint="It is tried again by itself.",
                )

    async def _settle(self, ctx: JobContext, task: asyncio.Task[dict[str, Any] | None], *, hung: bool) -> Job | None:
        """Writes down how the attempt ended; None when the job is not ours any more."""
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is None:
            return await self._end(ctx, "completed", result=task.result())
        stopped = interruptions.find(error)
        if ctx.lost or isinstance(stopped, LeaseLost):
            log.warning("job lease lost; nothing of this attempt is written any more")
            return None
        if hung:
            return await self._give_up_hung(ctx)
        if stopped is not None:
            return await self._end(ctx, _ending(stopped), reason=str(stopped))
        if isinstance(error, asyncio.CancelledError):
            return await self._end(ctx, "control" if ctx.control in (Control.PAUSE, Control.CANCEL) else "released")
        if not isinstance(error, Exception | BaseExceptionGroup):
            raise error
        return await self._failed(ctx, error)

    async def _failed(self, ctx: JobContext, error: BaseException) -> Job | None:
        verdict = retry.classify(error)
        failure = retry.failure_of(error, verdict)
        waits = verdict.error_class is ErrorClass.RESOURCE
        again = verdict.again and (not verdict.burns or ctx.job.attempt < ctx.job.max_attempts)
        again = again and not (waits and ctx.job.waits + 1 >= _MOST_WAITS)
        say = log.warning if again else log.error
        say("job attempt failed", error_class=failure.error_class, code=failure.code, again=again, exc_info=error)
        if not again:
            return await self._end(ctx, "failed", failure=failure)
        metrics.JOBS_RETRIES.labels(error_class=failure.error_class).inc()
        failures = ctx.job.attempt if verdict.burns else ctx.job.waits + 1
        delay_s = retry.delay_s(failures, chance=random.random(), retry_after_s=verdict.retry_after_s)  # noqa: S311 (jitter)
        ending: Ending = "retry" if verdict.burns else "waiting" if waits else "snoozed"
        return await self._end(ctx, ending, failure=failure, delay_s=delay_s)

    async def _end(
        self,
        ctx: JobContext,
        ending: Ending,
        *,
        result: dict[str, Any] | None = None,
        failure: Failure | None = None,
        delay_s: float = 0.0,
        reason: str | None = None,
    ) -> Job | None:
        """Settles, through an outage of the database for as long as the lease may last; after that `rescue` does it."""
        until = time.monotonic() + self._ttl_s
        active_s = ctx.active_s()
        while True:
            try:
                return await leases.settle(
                    self._database,
                    ctx.lease,
                    ending,
                    result=result,
                    failure=failure,
                    delay_s=delay_s,
                    active_s=active_s,
                    reason=reason,
                    unwritten=ctx.unwritten,
                )
            except DATABASE_ERRORS as error:
                log.warning("the end of a job could not be written", ending=ending, error=str(error)[:300])
                if time.monotonic() > until:
                    return None
                await asyncio.sleep(min(1.0, self._ttl_s / 10))

    async def _give_up_hung(self, ctx: JobContext) -> Job | None:
        log.error("job hung and was cut off")
        return await rescue.take_back(self._database, ctx.lease.job_id, ctx.lease.fence, even_valid=True)

    # The pulse --------------------------------------------------------------------------------------------------------

    async def _beat(self) -> None:
        renew_every = self._ttl_s / 3
        upkeep = Upkeep(self._database, self._runtime.loops, lease_ttl_s=self._ttl_s)
        renewed = signed = heard = time.monotonic()
        told = self.draining
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._asked.wait(), self._look_every_s)
            self._asked.clear()
            now = time.monotonic()
            try:
                if self._attempts:
                    if now - renewed >= renew_every:
                        await self._renew()
                        renewed = now
                    else:
                        self._compare(await leases.controls(self._database, self.owner), dict(self._attempts), now)
                    await self._watch(now)
                else:
                    renewed = now
                # After renewing: a process that was frozen must not take back what it can still keep.
                await upkeep.turn()
                if now - heard >= _HEAR_EVERY_S:
                    told = await self._hear_of_draining()
                    heard = now
                if told or now - signed >= _SIGN_EVERY_S:
                    state = workers.WorkerState.DRAINING if self._stopping or self.draining else workers.WorkerState.UP
                    await workers.seen(self._database, self.owner, state)
                    signed, told = now, False
            except DATABASE_ERRORS as error:
                log.warning("the pulse of the runner met a database error", error=str(error)[:300])
            self._fence_self(time.monotonic())

    async def _hear_of_draining(self) -> bool:
        """Looks whether this worker shall rest; its jobs then go back to the queue from their next item. True when that is new."""
        asked = await workers.asked_to_drain(self._database, self.owner)
        if asked == self.draining:
            return False
        self.draining = asked
        log.info("worker takes no more jobs" if asked else "worker takes jobs again")
        for attempt in self._attempts.values() if asked else ():
            attempt.ctx.ask(Control.DRAIN)
        return True

    async def _renew(self) -> None:
        attempts = {job_id: attempt for job_id, attempt in self._attempts.items() if not attempt.hung}
        asked_at = time.monotonic()
        held = await leases.renew(self._database, self.owner, list(attempts), ttl_s=self._ttl_s)
        self._compare(held, attempts, asked_at)

    def _compare(self, held: dict[str, leases.Held], attempts: dict[str, _Attempt], asked_at: float) -> None:
        for job_id, attempt in attempts.items():
            found = held.get(job_id)
            if self._attempts.get(job_id) is not attempt:
                continue
            if found is None or found.fence != attempt.ctx.lease.fence:
                if attempt.renewed_at <= asked_at and not attempt.task.done():
                    attempt.ctx.lose()
                continue
            attempt.renewed_at = max(attempt.renewed_at, asked_at)
            if found.control is not None:
                attempt.ctx.ask(found.control)

    async def _watch(self, now: float) -> None:
        """Cuts off handlers that ignore the loss of their lease, and those that have not moved for too long."""
        for attempt in list(self._attempts.values()):
            if attempt.ctx.lost:
                attempt.lost_at = attempt.lost_at or now
                if now - attempt.lost_at > _LOST_GRACE_S:
                    attempt.task.cancel()
                continue
            still = now - attempt.ctx.moved_at
            if still > 2 * attempt.stall_timeout_s and not attempt.hung:
                attempt.hung = True
                attempt.task.cancel()
            elif still > attempt.stall_timeout_s and not attempt.stalled:
                attempt.stalled = True
                log.warning("job makes no progress", job_id=attempt.job.id, kind=attempt.job.kind, seconds=round(still))
                await self._tell_stalled(attempt)
            elif still <= attempt.stall_timeout_s:
                attempt.stalled = False

    async def _tell_stalled(self, attempt: _Attempt) -> None:
        async with self._database.write() as session:
            await leases.say(session, attempt.ctx.lease, [Line("job.stalled", "warning")])
            await session.commit()

    def _fence_self(self, now: float) -> None:
        """Without a renewal for two thirds of the lease, somebody else may soon own the job: stop before that."""
        for attempt in self._attempts.values():
            if now - max(attempt.renewed_at, attempt.ctx.moved_at) > self._ttl_s * 2 / 3 + _LOOK_EVERY_S:
                attempt.ctx.lose()


def _ending(stopped: Interruption) -> Ending:
    if isinstance(stopped, interruptions.BudgetReached):
        return "halted"
    return "released" if isinstance(stopped, interruptions.Drained) else "control"
