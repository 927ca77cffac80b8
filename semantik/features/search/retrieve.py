"""Asks the indexes: the query is embedded and cut into terms at once, then each space answers both sides in one round trip."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semantik.engines.embedding import bm25
from semantik.engines.embedding.base import Encoder
from semantik.engines.vectors.base import Answer, Corpus, Filters, Query, Space, VectorStore
from semantik.features.search.values import Mode, Searchable
from semantik.kit import traces
from semantik.kit.concurrency import run_cpu
from semantik.kit.ids import TenantId
from semantik.kit.sparse import SparseVector

# Below this many characters cutting takes less time than going to a thread and back.
_SHORT = 500


@dataclass(frozen=True, slots=True)
class Asked:
    """The query as the engines take it. `surfaces`: term id -> the words as they stand in the query."""

    dense: Mapping[str, NDArray[np.float32]]
    sparse: SparseVector | None
    surfaces: Mapping[int, str]


async def ask(query: str, *, mode: Mode, encoders: Mapping[str, Encoder], languages: Sequence[str | None]) -> Asked:
    """Embeds with each model and cuts for each language, side by side."""
    cutting = asyncio.ensure_future(_cut(query, languages))
    names = list(encoders) if mode is not Mode.SPARSE else []
    try:
        with traces.span("embedding query"):
            vectors = await asyncio.gather(*(encoders[name].embed_queries([query]) for name in names))
    except BaseException:
        cutting.cancel()
        raise
    sparse, surfaces = await cutting
    return Asked(
        dense={name: vector[0] for name, vector in zip(names, vectors, strict=True)},
        sparse=None if mode is Mode.DENSE else sparse,
        surfaces=surfaces,
    )


async def _cut(query: str, languages: Sequence[str | None]) -> tuple[SparseVector, Mapping[int, str]]:
    if len(query) * max(1, len(languages)) < _SHORT:
        return bm25.query_vector(query, languages)
    return await run_cpu(bm25.query_vector, query, languages)


async def answers(
    store: VectorStore,
    spaces: Mapping[Space, Sequence[Searchable]],
    asked: Asked,
    *,
    tenant: TenantId,
    filters: Filters,
    limit: int,
) -> list[Answer]:
    """One answer a space, all spaces at once."""

    async def one(space: Space, members: Sequence[Searchable]) -> Answer:
        corpus = Corpus(tenant, tuple((member.id, member.generation) for member in members))
        dense = asked.dense.get(members[0].model)
        with traces.span("vectors query", {"vectors.space": space.key, "vectors.limit": limit}):
            return await store.query(space, Query(corpus, filters, dense, asked.sparse, limit))

    return list(await asyncio.gather(*(one(space, members) for space, members in spaces.items())))
