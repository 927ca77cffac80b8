"""Long work on a thread, which an interrupt ends at the next page."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Concatenate, ParamSpec

from semantik.features.moving.values import Watcher
from semantik.kit.concurrency import run_cpu

P = ParamSpec("P")


class _Stopped(Exception):
    """Somebody interrupted the command."""


class _Stoppable(Watcher):
    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self.stop = threading.Event()

    def step(self, name: str, total: int | None, done: int = 0) -> None:
        self._watcher.step(name, total, done)

    def seen(self, count: int) -> None:
        self._watcher.seen(count)
        if self.stop.is_set():
            raise _Stopped


async def watched(function: Callable[Concatenate[Watcher, P], None], watcher: Watcher, *args: P.args, **kwargs: P.kwargs) -> None:
    """Runs `function(watcher, ...)`, which tells the watcher of each page once that is kept. Returns or raises when it has ended."""
    stoppable = _Stoppable(watcher)
    work = asyncio.ensure_future(run_cpu(function, stoppable, *args, **kwargs))
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        stoppable.stop.set()
        with suppress(_Stopped):
            await work
        raise
