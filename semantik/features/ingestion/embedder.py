"""Gives texts their vectors: from SQL when they were embedded before, else from the encoder, batched across documents."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from semantik.auth.actor import Actor
from semantik.engines.embedding.base import Encoder
from semantik.features.ingestion import repository
from semantik.features.ingestion.values import ChunkDraft
from semantik.kit import metrics
from semantik.kit.database import Database

# Two calls of this size keep every core busy while a third is being gathered; larger ones only delay the first document.
_TEXTS_A_CALL = 128
_CALLS_AT_ONCE = 2


Vector = NDArray[np.float16]


class Embedder:
    """Shared by all documents of one job. One text in flight is computed once, however many documents ask for it."""

    def __init__(self, encoder: Encoder, database: Database, actor: Actor) -> None:
        self._encoder = encoder
        self._database = database
        self._actor = actor
        self._waiting: dict[str, tuple[str, asyncio.Future[Vector]]] = {}
        self._running: dict[str, asyncio.Future[Vector]] = {}
        self._calls: set[asyncio.Task[None]] = set()

    async def embed(self, chunks: Sequence[ChunkDraft]) -> tuple[list[Vector], frozenset[str]]:
        """Vectors as the index will hold them (float16) in the order of `chunks`, and the hashes that SQL does not hold yet."""
        texts = {chunk.embedding_hash: chunk.embedded_text for chunk in chunks}
        async with self._database.lookup(self._actor.tenant_id) as session:
            stored = await repository.stored_vectors(session, self._actor, self._encoder.spec.key, list(texts))
        vectors = {name: np.frombuffer(data, dtype="<f2") for name, data in stored.items()}
        metrics.EMBEDDING_CACHE_HITS.inc(len(vectors))
        missing = {name: self._ask(name, text) for name, text in texts.items() if name not in vectors}
        self._start_calls()
        for name, future in missing.items():
            # Shielded: another document may wait for the same text when this one is cancelled.
            vectors[name] = await asyncio.shield(future)
        return [vectors[chunk.embedding_hash] for chunk in chunks], frozenset(missing)

    async def close(self) -> None:
        """Ends what is still running. Vectors that nobody published are computed again by whoever resumes."""
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)

    def _ask(self, name: str, text: str) -> asyncio.Future[Vector]:
        if name in self._running:
            return self._running[name]
        if name not in self._waiting:
            self._waiting[name] = (text, asyncio.get_running_loop().create_future())
        return self._waiting[name][1]

    def _start_calls(self) -> None:
        while self._waiting and len(self._calls) < _CALLS_AT_ONCE:
            names = list(self._waiting)[:_TEXTS_A_CALL]
            batch = {name: self._waiting.pop(name) for name in names}
            self._running.update({name: future for name, (_, future) in batch.items()})
            call = asyncio.create_task(self._call(batch))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)

    async def _call(self, batch: dict[str, tuple[str, asyncio.Future[Vector]]]) -> None:
        try:
            vectors = await self._encoder.embed_passages([text for text, _ in batch.values()])
            metrics.TEXTS_EMBEDDED.labels(engine=self._encoder.spec.engine).inc(len(batch))
            for (_, future), vector in zip(batch.values(), vectors, strict=True):
                if not future.done():
                    future.set_result(vector.astype("<f2"))
        except BaseException as error:
            # Every waiter learns of it, cancellation included, or it would wait for ever.
            for _, future in batch.values():
                if not future.done():
                    future.set_exception(error if isinstance(error, Exception) else asyncio.CancelledError())
                    future.exception()
            if not isinstance(error, Exception):
                raise
        finally:
            for name in batch:
                self._running.pop(name, None)
            self._calls.discard(asyncio.current_task())
            self._start_calls()
