"""Binds the vector store contract to each backend; a real Qdrant server only where one is named."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from semantik.engines.vectors.base import Space, VectorStore
from semantik.engines.vectors.edge import EdgeStore
from semantik.engines.vectors.qdrant import MEMORY, QdrantStore
from semantik.testing.vectors import SPACE, VectorStoreContract


class TestEdge(VectorStoreContract):
    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[VectorStore]:
        store = EdgeStore(tmp_path / "vectors")
        yield store
        await store.close()


@pytest.mark.filterwarnings("ignore::UserWarning")
class TestQdrantLocalMode(VectorStoreContract):
    @pytest.fixture
    async def store(self) -> AsyncIterator[VectorStore]:
        store = QdrantStore(MEMORY)
        yield store
        await store.close()


class TestQdrantOverHttp(VectorStoreContract):
    """The client's other half: requests over a socket instead of calls. The stand-in keeps its points between tests, like a server."""

    @pytest.fixture
    async def store(self, qdrant_url: str) -> AsyncIterator[VectorStore]:
        store = QdrantStore(qdrant_url)
        for space in (SPACE, Space("contract-4", 4)):
            await store.drop(space)
        yield store
        await store.close()


@pytest.mark.skipif("SEMANTIK_TEST_QDRANT_URL" not in os.environ, reason="SEMANTIK_TEST_QDRANT_URL names no Qdrant server")
class TestQdrantServer(VectorStoreContract):
    @pytest.fixture
    async def store(self) -> AsyncIterator[VectorStore]:
        store = QdrantStore(os.environ["SEMANTIK_TEST_QDRANT_URL"])
        for space in (SPACE, Space("contract-4", 4)):
            await store.drop(space)
        yield store
        await store.close()
