"""Asks each part how it is, all at once, none for longer than two seconds."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from semantik import __version__
from semantik.features.system import repository
from semantik.jobs.store import workers
from semantik.kit.concurrency import Loops, run_cpu
from semantik.kit.database import Database, db_now
from semantik.kit.database_errors import DatabaseUnwritable
from semantik.kit.errors import DiskFull, SemantikError, Unavailable
from semantik.runtime import Bell, Runtime

_TIMEOUT_S = 2.0
_RECENT_S = 1.0
# Below this the next upload or index build may well be the one that fails.
_LOW_DISK_BYTES = 1024**3

State = Literal["ok", "degraded", "down"]


class DiskLow(Unavailable):
    code = "disk_low"
    default_hint = "Free some space before an upload or an index build fails for want of it."


class DiskReadOnly(Unavailable):
    code = "disk_read_only"
    default_hint = "Mount the disk of the data folder for writing again; its file system may have found an error (see the system's log)."


class NoWorkers(Unavailable):
    code = "no_workers"
    default_hint = "Start one: semantik worker."


class WorkersDraining(Unavailable):
    code = "workers_draining"
    default_hint = "Run: semantik workers resume NAME, or start another worker."


@dataclass(frozen=True, slots=True)
class Part:
    """`facts` are what the part says of itself; `code` and `detail` why it is not well, `hint` what to do about it."""

    name: str
    state: State
    latency_ms: float
    code: str | None = None
    detail: str | None = None
    hint: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


class Checks:
    """Asks the parts of a runtime. `recent` shares one look among all who ask within a second: anyone may ask `/readyz`, and some
    parts cost the one who looks."""

    def __init__(self, runtime: Runtime, *, low_disk_bytes: int = _LOW_DISK_BYTES) -> None:
        self._runtime = runtime
        self._low_disk_bytes = low_disk_bytes
        self._looking: asyncio.Task[list[Part]] | None = None
        self._looked_at = 0.0

    async def now(self) -> list[Part]:
        runtime = self._runtime
        checks: dict[str, Callable[[], Awaitable[Mapping[str, Any]]]] = {
            "api": _api,
            "loops": lambda: _loops(runtime.loops),
            "database": lambda: _database(runtime.database),
            "workers": lambda: _workers(runtime.database),
            "vectors": runtime.vectors.health,
            "blobs": runtime.blobs.check,
            "disk": lambda: _disk(runtime.settings.data_dir, self._low_disk_bytes),
        }
        if runtime.settings.redis_url is not None:
            checks["redis"] = runtime.events.check
        if runtime.settings.server_mode:
            checks["broker"] = lambda: _broker(runtime.bell)
        return list(await asyncio.gather(*(_checked(name, check) for name, check in checks.items())))

    async def recent(self) -> list[Part]:
        if self._looking is None or (self._looking.done() and time.monotonic() - self._looked_at > _RECENT_S):
            self._looked_at = time.monotonic()
            self._looking = asyncio.create_task(self.now(), name="health")
        # Shielded: whoever hangs up must not spoil the answer of the others.
        return await asyncio.shield(self._looking)


def serves(parts: list[Part]) -> bool:
    """Whether requests can be answered at all: without the database none can, without any other part most can."""
    return all(part.state != "down" for part in parts if part.name in ("database", "loops"))


def overall(parts: list[Part]) -> State:
    """Down without the database, degraded when anything else is unwell: reading and the web UI still work then."""
    if not serves(parts):
        return "down"
    return "ok" if all(part.state == "ok" for part in parts) else "degraded"


async def _checked(name: str, check: Callable[[], Awaitable[Mapping[str, Any]]]) -> Part:
    started_at = time.perf_counter()

    def taken() -> float:
        return round((time.perf_counter() - started_at) * 1000, 1)

    try:
        facts = await asyncio.wait_for(check(), _TIMEOUT_S)
    except (DiskLow, DiskFull, NoWorkers, WorkersDraining, DatabaseUnwritable) as error:
        return Part(name, "degraded", taken(), error.code, error.detail, error.hint, error.data)
    except SemantikError as error:
        return Part(name, "down", taken(), error.code, error.detail, error.hint)
    except TimeoutError:
        return Part(name, "down", taken(), "timeout", f"no answer within {_TIMEOUT_S:g} s")
    except OSError as error:
        return Part(name, "down", taken(), "unreachable", type(error).__name__)
    return Part(name, "ok", taken(), facts=facts)


async def _api() -> Mapping[str, Any]:
    """The latency is how long the event loop lets a turn wait."""
    await asyncio.sleep(0)
    return {"version": __version__}


async def _loops(loops: Loops) -> Mapping[str, Any]:
    loops.check()
    return {}


async def _broker(bell: Bell) -> Mapping[str, Any]:
    await bell.check()
    return {}


async def _workers(database: Database) -> Mapping[str, Any]:
    async with database.read() as session:
        taking = await workers.living(session)
        since = await db_now(session) - timedelta(seconds=workers.SILENT_S)
        seen = [] if taking else await workers.list_all(session)
    if any(row.state != workers.WorkerState.DOWN and row.last_seen_at > since for row in seen):
        raise WorkersDraining("every worker drains: jobs wait until one takes jobs again")
    if not taking:
        raise NoWorkers("no worker has been seen for a minute: jobs wait")
    return {"workers": len(taking), "slots": sum(row.slots for row in taking)}


async def _database(database: Database) -> Mapping[str, Any]:
    """Reading and writing fail apart: a disk that turned read-only still answers searches."""
    async with database.read() as session:
        await repository.ping(session)
    if database.file is not None:
        await run_cpu(database.file.check)
        await run_cpu(database.file.check_writable)
    return {"dialect": database.dialect}


async def _disk(folder: Path, low_bytes: int) -> Mapping[str, Any]:
    if await run_cpu(_is_read_only, folder):
        raise DiskReadOnly("the disk of the data folder is mounted read-only")
    usage = await run_cpu(shutil.disk_usage, folder)
    if usage.free < low_bytes:
        left = f"{usage.free // 1024**2} MB are left on the disk of the data folder"
        raise DiskLow(left, free_bytes=usage.free, total_bytes=usage.total)
    return {"free_bytes": usage.free, "total_bytes": usage.total}


def _is_read_only(folder: Path) -> bool:
    return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
