"""Opens what reading a source takes: where its documents go, its connector, the stages they pass."""

from __future__ import annotations

from typing import Any

from semantik.auth.actor import Actor
from semantik.engines import connectors as connector_backends
from semantik.engines.chunking import open_chunker
from semantik.engines.chunking.base import ChunkingSettings
from semantik.engines.connectors.base import Connector
from semantik.engines.embedding.base import Encoder
from semantik.features.ingestion.embedder import Embedder
from semantik.features.ingestion.pipeline_key import pipeline_key
from semantik.features.ingestion.stages import Stages
from semantik.features.ingestion.values import Target
from semantik.kit import registry
from semantik.runtime import Runtime


async def target_of(runtime: Runtime, source: Any, collection: Any) -> Target:
    encoder = await runtime.encoder(collection["embedding_model"])
    space = await runtime.space(collection["embedding_model"])
    chunking = ChunkingSettings(**collection["chunking"])
    return Target(
        collection_id=collection["id"],
        source_id=source["id"],
        generation=collection["generation"],
        chunking=chunking,
        model=collection["embedding_model"],
        model_key=encoder.spec.key,
        space=space,
        language=collection["language"],
        pipeline_key=pipeline_key(runtime.extractor.version, chunking, encoder.spec.key, collection["generation"], runtime.settings),
    )


async def connector_of(runtime: Runtime, source: Any) -> Connector | None:
    """None for uploads, which were stored before their row. The caller closes it."""
    if source["kind"] == "upload":
        return None
    opener = registry.load("connector", connector_backends.BACKENDS, source["kind"])
    credentials = runtime.keyring.unseal(source["sealed_credentials"]) if source["sealed_credentials"] else None
    connector: Connector = await opener(source["settings"], credentials)
    return connector


def stages_of(
    runtime: Runtime, actor: Actor, target: Target, encoder: Encoder, *, connector: Connector | None, embedder: Embedder | None
) -> Stages:
    return Stages(
        actor=actor,
        target=target,
        connector=connector,
        blobs=runtime.blobs,
        extractor=runtime.extractor,
        chunker=open_chunker(target.chunking.strategy),
        tokenizer=encoder.tokenizer,
        embedder=embedder,
        keyring=runtime.keyring,
        limits=runtime.limits(),
        max_bytes=runtime.settings.upload_max_bytes,
    )
