"""A job of a few steps, one of which may fail, for tests of what shows jobs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, ClassVar

from semantik.jobs.context import JobContext
from semantik.jobs.handlers import handles
from semantik.jobs.retry import ItemFailed
from semantik.jobs.values import Item, JobArgs


class Walk(JobArgs):
    """`bad`: the step that fails; with one it is completed in part."""

    kind: ClassVar[str] = "walk"
    steps: int = 3
    pause_s: float = 0.0
    bad: int = -1


def register() -> None:
    @handles(Walk)
    class WalkJob:
        async def total(self, ctx: JobContext, args: Walk) -> int:
            return args.steps

        async def items(self, ctx: JobContext, args: Walk, cursor: Any) -> AsyncIterator[Item]:
            for number in range(cursor or 0, args.steps):
                yield Item(f"step-{number}", number, number + 1, f"step {number}")

        async def process(self, ctx: JobContext, args: Walk, item: Item) -> None:
            await asyncio.sleep(args.pause_s)
            if item.value == args.bad:
                raise ItemFailed("a stone in the way", reason_code="stone")
