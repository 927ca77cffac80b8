"""What reading one document leaves behind when somebody else fails in the middle of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import httpx2
import numpy as np
import pytest

from semantik.auth.actor import Actor
from semantik.engines.embedding.base import Tokenizer
from semantik.features.ingestion import repository
from semantik.features.ingestion.embedder import Embedder, Vector
from semantik.features.ingestion.opening import stages_of, target_of
from semantik.features.ingestion.stages import Stages
from semantik.features.ingestion.values import ChunkDraft, Work
from semantik.kit.concurrency import closing, cpu_count
from semantik.kit.ids import new_id
from semantik.runtime import Runtime
from semantik.testing.blobs import pieces
from tests.flows.steps import make_collection, upload


class Broken(Exception):
    """A fault in the middle of a document."""


class Vectorless:
    """Gives batches that nobody will store."""

    async def embed(self, chunks: Sequence[ChunkDraft]) -> tuple[list[Vector], frozenset[str]]:
        return [np.zeros(1, dtype=np.float16)] * len(chunks), frozenset()


class BrokenTokenizer:
    def __getattr__(self, name: str) -> Any:
        raise Broken(name)


@pytest.fixture
async def stages(client: httpx2.AsyncClient, runtime: Runtime, actor: Actor) -> Stages:
    collection = await make_collection(client)
    await upload(client, collection["id"], {"a.txt": b"The boiler was replaced."})
    async with runtime.database.write(actor.tenant_id) as session:
        row = await repository.collection(session, actor, collection["id"])
        source = await repository.source(session, actor, await repository.upload_source(session, actor, collection["id"]))
    assert row is not None
    target = await target_of(runtime, source, row)
    return stages_of(runtime, actor, target, await runtime.encoder(target.model), connector=None, embedder=None)


def work(path: Path) -> Work:
    return Work(
        id=new_id(), path=path.name, name=path.name, due="", version=0, state="pending", content_hash=None, pipeline_key=None,
        parent_id=None, container=None, media_type=None, size_bytes=path.stat().st_size, sealed_password=None, modified_at=None, tags=(),
    )  # fmt: skip


@pytest.mark.embedded
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_document_that_is_given_up_in_the_middle_frees_its_reader_at_once(stages: Stages, runtime: Runtime, tmp_path: Path) -> None:
    """Whoever keeps the error keeps its traceback, and by it all frames: nothing may wait for the collector to free a reader."""
    path = tmp_path / "long.txt"
    path.write_text("Plant seven keeps its valves tight. " * 50_000)
    kept: list[object] = []
    for _ in range(runtime.settings.extract_workers or cpu_count()):
        with pytest.raises(Broken) as caught:
            await replace(stages, tokenizer=cast(Tokenizer, BrokenTokenizer())).measure(work(path), path)
        kept.append(caught)
    async with asyncio.timeout(20):
        assert (await stages.measure(work(path), path)).chunks > 100


@pytest.mark.embedded
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_batches_that_nobody_wants_any_more_free_their_reader_at_once(stages: Stages, runtime: Runtime, tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_text("Plant seven keeps its valves tight. " * 50_000)
    ref = await runtime.blobs.put(stages.actor.tenant_id, pieces(path.read_bytes()))
    wanted = replace(stages, embedder=cast(Embedder, Vectorless()))
    kept: list[object] = []
    for _ in range(runtime.settings.extract_workers or cpu_count()):
        async with closing(wanted.read(replace(work(path), content_hash=ref.hash))) as batches:
            async for batch in batches:
                assert batch.finish is None, "it is left in the middle"
                break
        kept.append(batches)
    async with asyncio.timeout(20):
        assert (await stages.measure(work(path), path)).chunks > 100
