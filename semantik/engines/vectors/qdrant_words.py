"""Our points, filters and indexes in Qdrant's words, and back. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from qdrant_client import models

from semantik.engines.vectors.base import Corpus, DimensionMismatch, Filters, Moments, Point, Space, SpaceMismatch, SparseVector
from semantik.engines.vectors.checks import public_payload, scopes, stored_payload

# The names of a collection of ours and of the two vectors of its points.
PREFIX = "semantik-"
DENSE, SPARSE = "dense", "bm25"


def dense_of(params: models.CollectionParams) -> models.VectorParams | None:
    return params.vectors.get(DENSE) if isinstance(params.vectors, dict) else None


def check_fit(space: Space, params: models.CollectionParams) -> None:
    """Raises `DimensionMismatch` or `SpaceMismatch` when what is there cannot hold our points or would score them differently."""
    dense, sparse = dense_of(params), (params.sparse_vectors or {}).get(SPARSE)
    if dense is None or sparse is None:
        raise SpaceMismatch(f"index {space.key} has not the vectors {DENSE} and {SPARSE}: something else made it")
    if dense.size != space.dimensions:
        raise DimensionMismatch(f"index {space.key} holds vectors of {dense.size} dimensions, not {space.dimensions}")
    if dense.distance != models.Distance.COSINE:
        raise SpaceMismatch(f"index {space.key} compares by {dense.distance.value}, not by {models.Distance.COSINE.value}")
    if sparse.modifier != models.Modifier.IDF:
        raise SpaceMismatch(f"index {space.key} scores terms without their rarity (IDF)")


def name_of(space: Space) -> str:
    return PREFIX + space.key


def stored(point: Point) -> models.PointStruct:
    vectors: dict[str, Any] = {SPARSE: models.SparseVector(indices=point.sparse.indices.tolist(), values=point.sparse.values.tolist())}
    if point.dense is not None:
        vectors[DENSE] = point.dense.tolist()
    return models.PointStruct(id=point.id, vector=vectors, payload=stored_payload(point.payload))


def point_of(record: models.Record) -> Point:
    vectors: Any = record.vector if isinstance(record.vector, dict) else {}
    terms = vectors.get(SPARSE)
    dense = vectors.get(DENSE)
    indices = np.array(terms.indices if terms is not None else [], np.uint32)
    values = np.array(terms.values if terms is not None else [], np.float32)
    order = np.argsort(indices)
    return Point(
        id=str(record.id),
        dense=None if dense is None else np.array(dense, np.float32),
        sparse=SparseVector(indices[order], values[order]),
        payload=public_payload(record.payload),
    )


def moments_of(scores: Mapping[str, float], sample: Sequence[str], *, sparse: bool) -> Moments | None:
    # A point without any of the terms is not returned, and its score is 0; one without a dense side has none.
    values = np.array([scores.get(id, 0.0) for id in sample if sparse or id in scores], np.float64)
    return Moments(float(values.mean()), float(values.std()), len(values)) if len(values) else None


def index_of(key: str, kind: str) -> Any:
    match kind:
        case "integer":
            return models.IntegerIndexParams(type=models.IntegerIndexType.INTEGER, lookup=True, range=False, enable_hnsw=False)
        case "datetime":
            return models.DatetimeIndexParams(type=models.DatetimeIndexType.DATETIME, enable_hnsw=False)
        case _:
            # Links are made within tenants and scopes; a link for each value of each key would cost more than it finds.
            linked = key in ("tenant", "scope")
            return models.KeywordIndexParams(
                type=models.KeywordIndexType.KEYWORD, is_tenant=True if key == "tenant" else None, enable_hnsw=linked
            )


def equals(key: str, value: Any) -> Any:
    return models.FieldCondition(key=key, match=models.MatchValue(value=value))


def within(corpus: Corpus) -> list[Any]:
    """The access filter, as in the embedded store: THE one place here that makes it."""
    scope = models.FieldCondition(key="scope", match=models.MatchAny(any=scopes(corpus.tenant, corpus.collections)))
    return [equals("tenant", corpus.tenant), scope]


def narrowing(filters: Filters) -> list[Any]:
    any_of = {
        "source": filters.sources,
        "document": filters.documents,
        "media_type": filters.media_types,
        "language": filters.languages,
        "tags": filters.tags,
    }
    conditions: list[Any] = [
        models.FieldCondition(key=key, match=models.MatchAny(any=list(values))) for key, values in any_of.items() if values
    ]
    if filters.modified_after or filters.modified_before:
        span = models.DatetimeRange(gte=filters.modified_after, lt=filters.modified_before)
        conditions.append(models.FieldCondition(key="modified_at", range=span))
    return conditions
