"""Asks each part how it is, all at once, none for longer than two seconds."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from semantik.engines.blobs.base import BlobStore
from semantik.engines.vectors.base import VectorStore
from semantik.features.system import repository
from semantik.kit.concurrency import run_cpu
from semantik.kit.database import Database
from semantik.kit.errors import SemantikError, Unavailable

_TIMEOUT_S = 2.0
# Below this the next upload or index build may well be the one that fails.
_LOW_DISK_BYTES = 1024**3

State = Literal["ok", "degraded", "down"]


class DiskLow(Unavailable):
    code = "disk_low"


@dataclass(frozen=True, slots=True)
class Part:
    """`facts` are what the part says of itself; `code` and `detail` why it is not well."""

    name: str
    state: State
    latency_ms: float
    code: str | None = None
    detail: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


async def check_all(database: Database, vectors: VectorStore, blobs: BlobStore, folder: Path) -> list[Part]:
    checks: list[Awaitable[Part]] = [
        _checked("database", lambda: _database(database)),
        _checked("vectors", vectors.health),
        _checked("blobs", blobs.check),
        _checked("disk", lambda: _disk(folder)),
    ]
    return list(await asyncio.gather(*checks))


async def check_database(database: Database) -> Part:
    return await _checked("database", lambda: _database(database))


def overall(parts: list[Part]) -> State:
    """Down without the database, degraded when anything else is unwell: reading and the web UI still work then."""
    if any(part.state == "down" and part.name == "database" for part in parts):
        return "down"
    return "ok" if all(part.state == "ok" for part in parts) else "degraded"


async def _checked(name: str, check: Callable[[], Awaitable[Mapping[str, Any]]]) -> Part:
    started_at = time.perf_counter()

    def taken() -> float:
        return round((time.perf_counter() - started_at) * 1000, 1)

    try:
        facts = await asyncio.wait_for(check(), _TIMEOUT_S)
    except DiskLow as error:
        return Part(name, "degraded", taken(), error.code, error.detail, error.data)
    except SemantikError as error:
        return Part(name, "down", taken(), error.code, error.detail)
    except TimeoutError:
        return Part(name, "down", taken(), "timeout", f"no answer within {_TIMEOUT_S:g} s")
    except OSError as error:
        return Part(name, "down", taken(), "unreachable", type(error).__name__)
    return Part(name, "ok", taken(), facts=facts)


async def _database(database: Database) -> Mapping[str, Any]:
    async with database.read() as session:
        await repository.ping(session)
    return {"dialect": database.dialect}


async def _disk(folder: Path) -> Mapping[str, Any]:
    usage = await run_cpu(shutil.disk_usage, folder)
    if usage.free < _LOW_DISK_BYTES:
        left = f"{usage.free // 1024**2} MB are left on the disk of the data folder"
        raise DiskLow(left, free_bytes=usage.free, total_bytes=usage.total)
    return {"free_bytes": usage.free, "total_bytes": usage.total}
