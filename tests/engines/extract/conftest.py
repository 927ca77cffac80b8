"""One pool for all tests of this room, and a short way to read a file with it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from semantik.engines.extract.base import Limits
from semantik.engines.extract.pool import ExtractorPool
from semantik.testing.extract import Reading, read

Read = Callable[..., Awaitable[Reading]]


@pytest.fixture(scope="session")
async def pool() -> AsyncIterator[ExtractorPool]:
    pool = ExtractorPool(workers=2)
    yield pool
    await pool.close()


@pytest.fixture
def extract(pool: ExtractorPool, tmp_path: Path) -> Read:
    """Reads a path, or bytes under a name, and checks the port's rules."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()

    async def run(source: Path | bytes, name: str | None = None, *, limits: Limits | None = None, password: str | None = None) -> Reading:
        if isinstance(source, bytes):
            path = tmp_path / "source"
            path.write_bytes(source)
        else:
            path = source
        return await read(pool, path, scratch, name=name or path.name, limits=limits, password=password)

    return run
