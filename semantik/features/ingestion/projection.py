"""Makes points of the index from rows: the stored float16 vectors and the same words, so nothing is embedded."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from semantik.engines.chunking import headings
from semantik.engines.embedding import bm25
from semantik.engines.embedding.base import Tokenizer
from semantik.engines.vectors.base import Point, Space
from semantik.features.ingestion import repository
from semantik.features.ingestion.publish import payload
from semantik.jobs.context import JobContext
from semantik.kit.concurrency import run_cpu


def points(tenant_id: str, rows: Sequence[Any], tokenizer: Tokenizer) -> list[Point]:
    """`rows`: of `repository.projection_page`. A row without a vector becomes a point that only words find."""
    return [_point(tenant_id, row, tokenizer) for row in rows]


async def fill(ctx: JobContext, space: Space, ids: Sequence[str]) -> None:
    """Writes the points of these chunks from their rows, durably."""
    async with ctx.read() as session:
        rows = await repository.projection_page(session, ctx.actor, space.key, "", len(ids), ids=ids)
    await put(ctx, space, rows)


async def put(ctx: JobContext, space: Space, rows: Sequence[Any]) -> None:
    if not rows:
        return
    tokenizer = (await ctx.runtime.text_model(rows[0]["embedding_model"])).tokenizer
    await ctx.runtime.vectors.upsert(space, await run_cpu(points, ctx.actor.tenant_id, rows, tokenizer))
    await ctx.runtime.vectors.flush(space)


def is_vector(stored: bytes, dimensions: int) -> bool:
    """Whether the bytes are a vector that can be found by: float16 little-endian, of that length, finite and not zero."""
    if len(stored) != 2 * dimensions:
        return False
    vector = np.frombuffer(stored, dtype="<f2")
    return bool(np.isfinite(vector).all() and vector.any())


def embedded_text(row: Any, tokenizer: Tokenizer) -> str:
    """What was embedded for the chunk."""
    return headings.embedded_text(row["heading_path"], row["text"], tokenizer, tokens=row["tokens"])


def embedding_hash(embedded: str) -> str:
    return hashlib.sha256(embedded.encode("utf-8", "surrogatepass")).hexdigest()


def _point(tenant_id: str, row: Any, tokenizer: Tokenizer) -> Point:
    return Point(
        id=row["id"],
        dense=None if row["vector"] is None else np.frombuffer(row["vector"], dtype="<f2").astype(np.float32),
        sparse=bm25.document_vector(embedded_text(row, tokenizer), row["language"], row["mean_terms"] or bm25.TYPICAL_MEAN_TERMS),
        payload=payload(
            tenant=tenant_id,
            collection=row["collection_id"],
            generation=row["generation"],
            source=row["source_id"],
            document=row["document_id"],
            media_type=row["media_type"],
            language=row["language"],
            tags=row["tags"],
            modified_at=row["modified_at"],
        ),
    )
