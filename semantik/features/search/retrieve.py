"""Asks the indexes: the query is embedded and cut into terms at once, and each space looks for keywords while the vector is made."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from semantik.engines.embedding import bm25
from semantik.engines.embedding.base import Encoder
from semantik.engines.vectors.base import Answer, Corpus, Filters, Query, Space, VectorStore
from semantik.features.search.values import Searchable
from semantik.kit import metrics, traces
from semantik.kit.concurrency import end, run_cpu
from semantik.kit.ids import TenantId
from semantik.kit.sparse import SparseVector

# Below this many characters cutting takes less time than going to a thread and back.
_SHORT = 500


@dataclass(slots=True)
class Asked:
    """The query as the engines take it, its vectors perhaps still being made. Owns their tasks: use it as a context.

    `sparse` and `surfaces` (term id -> the words as they stand in the query) are there after `cut`.
    """

    query: str
    sparse: SparseVector | None = None
    surfaces: Mapping[int, str] = field(default_factory=dict)
    _vectors: dict[str, asyncio.Task[NDArray[np.float32]]] = field(default_factory=dict)

    def embed(self, model: str, encoder: Encoder) -> None:
        """Starts to embed with a model, once."""
        if model not in self._vectors:
            self._vectors[model] = asyncio.create_task(_embedded(self.query, encoder))

    async def cut(self, languages: Sequence[str | None], *, to_show: bool = False) -> None:
        """Cuts for each language. `to_show`: the words are to be marked in what is found, and nothing else."""
        if len(self.query) * max(1, len(languages)) < _SHORT:
            sparse, self.surfaces = bm25.query_vector(self.query, languages)
        else:
            sparse, self.surfaces = await run_cpu(bm25.query_vector, self.query, languages)
        self.sparse = None if to_show else sparse

    def vector(self, model: str) -> asyncio.Task[NDArray[np.float32]] | None:
        """What brings the vector of a model, as often as it is awaited; None when it was not asked for."""
        return self._vectors.get(model)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await end(*self._vectors.values())


async def _embedded(query: str, encoder: Encoder) -> NDArray[np.float32]:
    began = time.perf_counter()
    with traces.span("embedding query"):
        (vector,) = await encoder.embed_queries([query])
    metrics.SEARCH_SECONDS.labels(stage="embed").observe(time.perf_counter() - began)
    return np.asarray(vector, np.float32)


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
        coming = asked.vector(members[0].model)
        with traces.span("vectors query", {"vectors.space": space.key, "vectors.limit": limit}):
            return await store.query(space, Query(corpus, filters, None, asked.sparse, limit), coming=coming)

    return list(await asyncio.gather(*(one(space, members) for space, members in spaces.items())))
