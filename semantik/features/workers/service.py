"""Which workers live, and what became of the jobs of those that were lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from semantik.jobs.states import Status
from semantik.jobs.store import workers


def state_of(row: Any, now: datetime) -> workers.WorkerState:
    """What it said last, unless it was asked to drain, or has said nothing for a minute."""
    if row.state != workers.WorkerState.DOWN and (now - row.last_seen_at).total_seconds() > workers.SILENT_S:
        return workers.WorkerState.SILENT
    state = workers.WorkerState(row.state)
    return workers.WorkerState.DRAINING if state is workers.WorkerState.UP and row.drain_asked_at is not None else state


def became(status: str, resumed: bool) -> str:
    """What happened after a lease was lost. A job that another attempt took was resumed, however it ended later."""
    if resumed:
        return "resumed"
    match Status(status):
        case Status.PAUSED | Status.CANCELLED | Status.FAILED:
            return status
        case _:
            return "waiting"


def in_words(fates: Sequence[str]) -> str:
    """The log of recoveries in a sentence."""
    if not fates:
        return "No lease was lost"
    lost = "1 lease lost" if len(fates) == 1 else f"{len(fates)} leases lost"
    many = Counter(fates)
    if many["resumed"] == len(fates):
        return f"{lost}, resumed" if len(fates) == 1 else f"{lost}, all resumed"
    words = {"resumed": "resumed", "waiting": "waiting for a worker", "paused": "paused", "cancelled": "cancelled", "failed": "failed"}
    return f"{lost}: " + ", ".join(f"{many[fate]} {word}" for fate, word in words.items() if many[fate])
