"""What reading one document leaves behind when somebody else fails in the middle of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest

from semantik.auth.actor import Actor
from semantik.engines.embedding.base import Tokenizer
from semantik.features.ingestion import repository
from semantik.features.ingestion.opening import stages_of, target_of
from semantik.features.ingestion.stages import Stages
from semantik.features.ingestion.values import Work
from semantik.kit.ids import new_id
from semantik.runtime import Runtime
from tests.flows.steps import make_collection, upload


class Broken(Exception):
    """A fault in the middle of a document."""


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
    kept = []
    for _ in range(runtime.settings.extract_workers or 8):
        with pytest.raises(Broken) as caught:
            await replace(stages, tokenizer=cast(Tokenizer, BrokenTokenizer())).measure(work(path), path)
        kept.append(caught)
    async with asyncio.timeout(20):
        assert (await stages.measure(work(path), path)).chunks > 100
