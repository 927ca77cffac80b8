"""Runs documents through the stages side by side and hands their batches to one publisher over a bounded queue.

    due documents -> [readers: fetch | extract | chunk | embed] -> queue -> publisher -> index, rows, checkpoint

Memory is bounded by the readers (one batch each), the queue, and the publisher's group, however long a document is.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from semantik.features.ingestion.publish import Publisher
from semantik.features.ingestion.stages import Stages
from semantik.features.ingestion.values import Batch, Work
from semantik.kit.concurrency import closing, end

_QUEUE_BATCHES = 8


async def run(works: AsyncIterator[Work], stages: Stages, publisher: Publisher, *, readers: int, interrupted: asyncio.Event) -> None:
    """Returns when every work is published, or soon after `interrupted` is set with what was complete by then.

    Raises the first error of a reader or of the publisher, after all have ended.
    """
    queue: asyncio.Queue[Batch | None] = asyncio.Queue(_QUEUE_BATCHES)
    turn = asyncio.Lock()

    async def reader() -> None:
        while (work := await _next(works, turn)) is not None:
            async with closing(stages.read(work)) as batches:
                async for batch in batches:
                    await queue.put(batch)

    publishing = asyncio.create_task(publisher.consume(queue))
    reading = {asyncio.create_task(reader()) for _ in range(readers)}
    watching = asyncio.create_task(interrupted.wait())
    pending: set[asyncio.Task[Any]] = {*reading, publishing, watching}
    last: asyncio.Task[None] | None = None
    try:
        while not publishing.done() and not watching.done() and not all(task.done() for task in reading):
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done & reading:
                task.result()
        await end(*reading)
        last = asyncio.create_task(queue.put(None))
        # A publisher that dies takes nothing more out of a full queue.
        await asyncio.wait({last, publishing}, return_when=asyncio.FIRST_COMPLETED)
        await publishing
    finally:
        await end(*reading, last, publishing, watching)


async def _next(works: AsyncIterator[Work], turn: asyncio.Lock) -> Work | None:
    async with turn:
        return await anext(works, None)
