"""Readers and the publisher end together, whichever of them ends first and however."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from semantik.features.ingestion import pipeline


class _Reading:
    """Reads each work as so many batches."""

    def __init__(self, batches: int) -> None:
        self._batches = batches

    async def read(self, work: str) -> AsyncIterator[int]:
        for number in range(self._batches):
            yield number


class _Dying:
    """Takes one batch, and fails when so many wait behind it that no more fit."""

    def __init__(self, interrupted: asyncio.Event | None) -> None:
        self._interrupted = interrupted

    async def consume(self, queue: asyncio.Queue[int | None]) -> None:
        await queue.get()
        while not queue.full():
            await asyncio.sleep(0)
        if self._interrupted is not None:
            self._interrupted.set()
        for _ in range(20):
            await asyncio.sleep(0)
        raise ConnectionError("the index is away")


async def _works() -> AsyncIterator[str]:
    yield "report.pdf"


@pytest.mark.parametrize(("batches", "stopped"), [(50, True), (9, False)], ids=["it is paused meanwhile", "all is read"])
async def test_a_publisher_that_dies_behind_a_full_queue_ends_the_run(batches: int, stopped: bool) -> None:
    interrupted = asyncio.Event()
    publisher = _Dying(interrupted if stopped else None)
    stages, publisher, works = (cast(Any, one) for one in (_Reading(batches), publisher, _works()))
    async with asyncio.timeout(10):
        with pytest.raises(ConnectionError):
            await pipeline.run(works, stages, publisher, readers=1, interrupted=interrupted)
