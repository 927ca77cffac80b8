"""Keeps the event loop free: CPU work on threads, bounded gathering, owned tasks."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


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
