"""How much goes into one step of an ingestion job: a step is short, for on SQLite everybody else waits to write."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

T = TypeVar("T")

ROWS_A_STEP = 500
REMOVALS_A_STEP = 100
POINTS_A_STEP = 1000


def split(rows: Sequence[T], size: int) -> list[Sequence[T]]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


async def batches(names: AsyncIterator[str], size: int) -> AsyncIterator[list[str]]:
    """As many at a time: a store may hold more names than fit into memory."""
    batch: list[str] = []
    async for name in names:
        batch.append(name)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
