"""Keeps the event loop free: CPU work on threads, bounded gathering, owned tasks."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Coroutine, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, ParamSpec, TypeVar

from semantik.kit import logs
from semantik.kit.errors import Unavailable

log = logs.get(__name__)

P = ParamSpec("P")
T = TypeVar("T")
U = TypeVar("U", bound=AsyncIterable[Any])


def cpu_count() -> int:
    """Cores this process may use: affinity and the cgroup's cpu.max, at least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        with open("/sys/fs/cgroup/cpu.max", encoding="ascii") as file:
            quota, period = file.read().split()
    except (OSError, ValueError):
        return max(1, cores)
    return max(1, cores if quota == "max" else min(cores, int(quota) // int(period)))


def lower_thread_priority() -> None:
    """Puts the calling thread at nice 19, so that queries win over ingestion. Linux only; a no-op elsewhere."""
    if hasattr(os, "setpriority") and os.uname().sysname == "Linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)


_executor = ThreadPoolExecutor(max_workers=max(4, cpu_count()), thread_name_prefix="cpu")


async def run_cpu(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Runs CPU-bound or blocking `function` on a thread and awaits its result."""
    return await asyncio.get_running_loop().run_in_executor(_executor, partial(function, *args, **kwargs))


async def threaded(pieces: Generator[T, None, None]) -> AsyncGenerator[T, None]:
    """What a blocking generator gives, one step of it at a time on a thread; closed when nobody wants more."""
    step: asyncio.Task[T | None] | None = None
    try:
        while True:
            step = asyncio.create_task(run_cpu(next, pieces, None))
            # Shielded: a thread cannot be cancelled, and a generator not be closed while it runs.
            piece = await asyncio.shield(step)
            if piece is None:
                return
            yield piece
    finally:
        if step is not None:
            await asyncio.wait({step})
        await run_cpu(pieces.close)


@asynccontextmanager
async def closing(source: U) -> AsyncGenerator[U, None]:
    """Closes the source at the end of the block, read to its own end or not.

    Without it the collector does, which may be never: the traceback of an error holds the frames, and they what the source holds.
    """
    try:
        yield source
    finally:
        await close(source)


async def close(source: AsyncIterable[Any]) -> None:
    """Closes what can be closed, a generator for one."""
    if (aclose := getattr(source, "aclose", None)) is not None:
        await aclose()


async def together(parts: Iterable[Coroutine[Any, Any, T]], *, at_once: int) -> list[T]:
    """The results in order. The first failure ends the others, and is raised as it is."""
    gate = asyncio.Semaphore(at_once)

    async def one(part: Coroutine[Any, Any, T]) -> T:
        async with gate:
            return await part

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(part)) for part in parts]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


class LoopDied(Unavailable):
    code = "loop_died"
    title = "A part of this process has died"
    default_hint = "Start the process anew; its log says why."


class Loops:
    """The background loops of a process. One that dies of an error is our fault, and nobody awaits it: here it is said aloud.

    `on_death` is told its name; without one, `dead` is what a health check reports. A loop that returns has done its work.
    """

    def __init__(self, on_death: Callable[[str], None] | None = None) -> None:
        self.dead: list[str] = []
        self._on_death = on_death
        self._running: set[asyncio.Task[None]] = set()

    def start(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """The caller ends it with `end`."""
        task = asyncio.create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    def check(self) -> None:
        """Raises `LoopDied` when one of them did."""
        if self.dead:
            raise LoopDied(f"{', '.join(self.dead)} ended by an error")

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.dead.append(task.get_name())
            log.critical("a background loop died", loop=task.get_name(), exc_info=error)
            if self._on_death is not None:
                self._on_death(task.get_name())


async def end(*tasks: asyncio.Task[Any] | None) -> None:
    """Cancels the tasks and returns when they are over; how they ended is not raised again."""
    running = [task for task in tasks if task is not None]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
