"""Runs a job made of items: the engine owns cursor, counters, interruption, retries and the quarantine of killers.

Slow work happens outside any transaction. Its effects are committed with the cursor: after each item that took 50 ms or
more, else for what came together in 250 ms or 64 items. The row always names the item in hand (or the first of the batch
in hand), so when a process dies, the next attempt knows where; it then goes item by item, and one that killed its process
three times is put aside.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from semantik.jobs.context import JobContext
from semantik.jobs.failpoints import fp
from semantik.jobs.handlers import Items
from semantik.jobs.interruptions import BudgetReached, LeaseLost
from semantik.jobs.retry import ErrorClass, PermanentFailure, TooManyFailures, circuit_open, classify, failure_of
from semantik.jobs.store import leases, reading
from semantik.jobs.values import Effect, Failure, Item, ItemOutcome
from semantik.kit import logs
from semantik.kit.concurrency import closing
from semantik.kit.errors import Forbidden, Misconfigured, Unauthenticated

log = logs.get(__name__)

_SLOW_ITEM_S = 0.05
_BATCH_S = 0.25
_BATCH_ITEMS = 64
_MOST_CRASHES = 3
_INLINE_RETRIES = 2

# Wrong for every item alike, so for the job.
_OF_THE_JOB = (PermanentFailure, Misconfigured, Forbidden, Unauthenticated)


async def run_items(ctx: JobContext, handler: Items, args: Any, *, ttl_s: float) -> dict[str, Any] | None:
    """Processes all items from the job's cursor on. Raises what ends the attempt; what was done is committed before."""
    chosen = await reading.chosen_items(ctx.runtime.database, ctx.job)
    total = None
    if ctx.job.total is None and (count := getattr(handler, "total", None)) is not None:
        total = await count(ctx, args)
    batch = _Batch(ctx, total=total, careful=ctx.job.inflight_crashes > 0, chosen=chosen)
    first = True
    async with closing(_with_next(handler.items(ctx, args, ctx.job.cursor))) as items:
        async for item, following in items:
            if ctx.interrupted.is_set():
                await batch.commit(next_key=item.key)
                await ctx.check()
            if chosen is not None and item.key not in chosen:
                continue
            if (reason := await batch.over(handler, args, item)) is not None:
                await batch.commit(next_key=item.key)
                # Said again: what waited in the batch is in the row now.
                raise BudgetReached(await batch.over(handler, args, item) or reason)
            if first or ctx.job.inflight_key is None:
                first = False
                await _mark_inflight(ctx, item, ttl_s)
            next_key = following.key if following is not None else None
            if item.key == ctx.job.inflight_key and ctx.job.inflight_crashes >= _MOST_CRASHES:
                batch.quarantine(item, ctx.job.inflight_crashes)
                await batch.commit(next_key=next_key)
                continue
            await batch.process(handler, args, item)
            if batch.due or following is None:
                await batch.commit(next_key=next_key)
    await batch.commit(next_key=None)
    finish = getattr(handler, "finish", None)
    result: dict[str, Any] | None = await finish(ctx, args) if finish is not None else None
    return result


class _Batch:
    """Items whose slow work is done and whose effects wait for their checkpoint."""

    def __init__(self, ctx: JobContext, *, total: int | None, careful: bool, chosen: Mapping[str, str | None] | None) -> None:
        self.ctx = ctx
        self.chosen = chosen
        self._total = total
        self._careful = careful
        self._done: list[tuple[Item, Effect | None]] = []
        self._outcomes: list[ItemOutcome] = []
        self._last: Item | None = None
        self._began = time.monotonic()
        self._slow = False

    @property
    def due(self) -> bool:
        waiting = len(self._done) + len(self._outcomes)
        return waiting > 0 and (self._careful or self._slow or waiting >= _BATCH_ITEMS or time.monotonic() - self._began >= _BATCH_S)

    async def over(self, handler: Items, args: Any, item: Item) -> str | None:
        """Which budget the item would exceed; a kind that has meters of its own says by `cost` what an item may come to."""
        if not self.ctx.job.budget:
            return None
        cost = getattr(handler, "cost", None)
        own: dict[str, float] = await cost(self.ctx, args, item) if cost is not None else {}
        return self.ctx.over(items=len(self._done) + len(self._outcomes) + 1, **own)

    def quarantine(self, item: Item, crashes: int) -> None:
        text = f"it ended the process {crashes} times"
        self._outcomes.append(
            ItemOutcome(item.key, "quarantined", item.label, crashes=crashes, error_class="crash", error_code="poison", error_message=text)
        )
        self._last = item

    async def process(self, handler: Items, args: Any, item: Item) -> None:
        started = time.monotonic()
        for tried in range(1, _INLINE_RETRIES + 2):
            try:
                fp("before_process")
                effect = await handler.process(self.ctx, args, item)
                fp("after_process")
            except Exception as error:  # noqa: BLE001 (the job runner's boundary: an item's error is not the job's)
                if not await self._again(error, tried):
                    await self._fail(item, error, tried)
                    break
            else:
                self._done.append((item, effect))
                break
        self._last = item
        self._slow = time.monotonic() - started >= _SLOW_ITEM_S

    async def _again(self, error: Exception, tried: int) -> bool:
        """Whether to try the item once more here and now; raises when the whole job has to stop for the error."""
        verdict = classify(error)
        stops = verdict.error_class in (ErrorClass.RATE_LIMITED, ErrorClass.RESOURCE) or isinstance(error, _OF_THE_JOB)
        if verdict.error_class is ErrorClass.TRANSIENT and tried > _INLINE_RETRIES:
            stops = True
        if stops:
            await self.commit(next_key=None)
            raise error
        if not verdict.again or tried > _INLINE_RETRIES:
            return False
        await asyncio.sleep(0.1 * 2**tried)
        return True

    async def _fail(self, item: Item, error: Exception, tried: int) -> None:
        failure = self._told(error)
        self._outcomes.append(
            ItemOutcome(
                item.key,
                "failed",
                item.label,
                attempts=tried,
                error_class=failure.error_class,
                error_code=failure.code,
                error_message=failure.message,
            )
        )
        job = self.ctx.job
        failed = job.failed + sum(one.state == "failed" for one in self._outcomes)
        if circuit_open(failed, job.processed + len(self._done) + len(self._outcomes)):
            self._last = item
            await self.commit(next_key=None)
            raise TooManyFailures(
                f"{failed} items failed, the last one with: {failure.message}", hint="The fault is likely not in the items."
            )

    def _told(self, error: Exception) -> Failure:
        """What the row says of the item's error; one that nobody foresaw leaves its trace in the log."""
        verdict = classify(error)
        failure = failure_of(error, verdict)
        if verdict.error_class is ErrorClass.UNKNOWN:
            log.error("item failed unexpectedly", job_id=self.ctx.job.id, error=type(error).__name__, exc_info=error)
        return failure

    async def commit(self, *, next_key: str | None) -> None:
        """The checkpoint of everything that waits; a no-op when nothing does."""
        if self._last is None:
            return
        try:
            await self._step(self._done, self._outcomes, self._last, next_key)
        except Exception as error:
            if classify(error).error_class is not ErrorClass.UNKNOWN:
                raise
            await self._one_by_one(next_key)
        self._done, self._outcomes, self._last = [], [], None
        self._began, self._slow, self._total = time.monotonic(), False, None

    async def _one_by_one(self, next_key: str | None) -> None:
        assert self._last is not None
        done, self._done = self._done, []
        for place, (item, effect) in enumerate(done):
            following = done[place + 1][0].key if place + 1 < len(done) else next_key
            try:
                await self._step([(item, effect)], [], item, following)
            except Exception as error:
                if classify(error).error_class is not ErrorClass.UNKNOWN:
                    raise
                failure = self._told(error)
                outcome = ItemOutcome(
                    item.key, "failed", item.label, error_class=failure.error_class, error_code=failure.code, error_message=failure.message
                )
                await self._step([], [outcome], item, following)
        if self._outcomes:
            await self._step([], self._outcomes, self._last, next_key)

    async def _step(self, done: list[tuple[Item, Effect | None]], outcomes: list[ItemOutcome], last: Item, next_key: str | None) -> None:
        again = [ItemOutcome(item.key, "done", item.label) for item, _ in done if self.chosen is not None]
        async with self.ctx.step(
            cursor=last.cursor,
            done=len(done),
            failed=sum(one.state == "failed" for one in outcomes),
            quarantined=sum(one.state == "quarantined" for one in outcomes),
            total=self._total,
            message=last.label,
            inflight_key=next_key,
            items=[*outcomes, *again],
        ) as session:
            for _, effect in done:
                if effect is not None:
                    await effect(session)


async def _mark_inflight(ctx: JobContext, item: Item, ttl_s: float) -> None:
    if ctx.job.inflight_key != item.key and not await leases.mark_inflight(ctx.runtime.database, ctx.lease, item.key, ttl_s=ttl_s):
        ctx.lose()
        raise LeaseLost(ctx.lease)


async def _with_next(items: AsyncIterator[Item]) -> AsyncIterator[tuple[Item, Item | None]]:
    """Each item together with the one after it."""
    before: Item | None = None
    async with closing(items):
        async for item in items:
            if before is not None:
                yield before, item
            before = item
    if before is not None:
        yield before, None
