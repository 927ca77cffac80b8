"""How much goes into one step of an ingestion job: a step is short, for on SQLite everybody else waits to write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

ROWS_A_STEP = 500
REMOVALS_A_STEP = 100
POINTS_A_STEP = 1000


def split(rows: Sequence[T], size: int) -> list[Sequence[T]]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]
