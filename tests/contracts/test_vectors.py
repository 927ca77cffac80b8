"""Binds the vector store contract to each backend; a real Qdrant server only where one is named."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from semantik.engines.vectors.base import VectorStore
from semantik.engines.vectors.edge import EdgeStore
from semantik.testing.vectors import VectorStoreContract


class TestEdge(VectorStoreContract):
    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[VectorStore]:
        store = EdgeStore(tmp_path / "vectors")
        yield store
        await store.close()
