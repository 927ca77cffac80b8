"""Binds the extractor's contract to the pool of child processes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from semantik.engines.extract.pool import ExtractorPool
from semantik.testing.extract import ExtractorContract


class TestPool(ExtractorContract):
    @pytest.fixture
    async def extractor(self) -> AsyncIterator[ExtractorPool]:
        pool = ExtractorPool(workers=2)
        yield pool
        await pool.close()
