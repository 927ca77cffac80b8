"""Engines broken on purpose: the harness and its oracle must notice each of them."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from semantik.jobs.context import JobContext
from semantik.jobs.failpoints import fp
from semantik.jobs.store import rows
from semantik.kit.database import AsyncSession
from semantik.tables.jobs import jobs


def apply(name: str | None) -> None:
    """Breaks the engine of this process in the named way."""
    match name:
        case "cursor_late":
            # The cursor is committed before the effects it stands for: a crash in between loses them.
            JobContext.step = _cursor_first  # type: ignore[method-assign]
        case "effects_early":
            # The effects are committed before the cursor: a crash in between doubles them.
            JobContext.step = _effects_first  # type: ignore[method-assign]
        case "ack_early":
            # The caller is told before the commit: a crash in between takes back what was promised.
            AsyncSession.commit = _die  # type: ignore[method-assign]
        case "no_fence":
            # Writes name the job alone: a zombie writes into its successor's run.
            setattr(rows, "held", lambda lease: [jobs.c.id == lease.job_id])  # noqa: B010 - breaking it is the point
            # Nor does it stop of itself: on a busy machine its pulse could notice before the next item is written.
            JobContext.lose = lambda self: None  # type: ignore[method-assign]
        case _:
            pass


_true_step = JobContext.step
_true_commit = AsyncSession.commit


async def _die(self: AsyncSession) -> None:
    if self.sync_session.info.get("job_events"):
        os.kill(os.getpid(), signal.SIGKILL)
    await _true_commit(self)


@asynccontextmanager
async def _cursor_first(self: JobContext, **given: Any) -> AsyncIterator[AsyncSession]:
    async with _true_step(self, **given):
        pass
    async with self.runtime.database.write() as session:
        yield session
        fp("before_process")
        await session.commit()


@asynccontextmanager
async def _effects_first(self: JobContext, **given: Any) -> AsyncIterator[AsyncSession]:
    async with self.runtime.database.write() as session:
        yield session
        await session.commit()
    async with _true_step(self, **given):
        pass
