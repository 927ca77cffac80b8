"""Gives texts their vectors: from SQL when they were embedded before, else from the encoder, batched across documents.

What costs money is stored the moment it arrives, in one transaction with its price: a crash pays at most for the calls in
flight once more. A call that the job's budget has no room for is not made; the job then stops with what is complete.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semantik.engines.embedding.base import Encoder, MeteredEncoder
from semantik.features.ingestion import repository
from semantik.features.ingestion.values import ChunkDraft
from semantik.jobs.context import JobContext
from semantik.kit import metrics
from semantik.kit.clock import now
from semantik.kit.concurrency import end

# Two calls of this size keep every core busy while a third is being gathered; larger ones only delay the first document.
_TEXTS_A_CALL = 128
_CALLS_AT_ONCE = 2
# Calls that cost money may still come in for this long when the job is asked to stop.
_LAND_S = 1.5


Vector = NDArray[np.float16]


class Embedder:
    """Shared by all documents of one job. One text in flight is computed once, however many documents ask for it."""

    def __init__(self, encoder: Encoder, ctx: JobContext, *, price: float | None = None) -> None:
        """`price`: of a million tokens, when the encoder is one that charges."""
        self._encoder = encoder
        self._ctx = ctx
        self._price = price if isinstance(encoder, MeteredEncoder) else None
        self._waiting: dict[str, tuple[str, int, asyncio.Future[Vector]]] = {}
        self._running: dict[str, asyncio.Future[Vector]] = {}
        self._calls: set[asyncio.Task[None]] = set()
        self._kept: set[str] = set()
        self._reserved = 0
        self._tokens = 0
        self._asked = 0
        self._found = 0
        self._busy_s = 0.0
        self._busy_since = 0.0

    async def embed(self, chunks: Sequence[ChunkDraft]) -> tuple[list[Vector], frozenset[str]]:
        """Vectors as the index will hold them (float16) in the order of `chunks`, and the hashes that SQL does not hold yet."""
        texts = {chunk.embedding_hash: chunk for chunk in chunks}
        async with self._ctx.runtime.database.lookup(self._ctx.actor.tenant_id) as session:
            stored = await repository.stored_vectors(session, self._ctx.actor, self._encoder.spec.key, list(texts))
        vectors = {name: np.frombuffer(data, dtype="<f2") for name, data in stored.items()}
        metrics.EMBEDDING_CACHE_HITS.inc(len(vectors))
        self._asked += len(texts)
        self._found += len(vectors)
        missing = {name: self._ask(name, chunk) for name, chunk in texts.items() if name not in vectors}
        self._start_calls()
        for name, future in missing.items():
            # Shielded: another document may wait for the same text when this one is cancelled.
            vectors[name] = await asyncio.shield(future)
        return [vectors[chunk.embedding_hash] for chunk in chunks], frozenset(missing.keys() - self._kept)

    @property
    def tokens_per_s(self) -> float | None:
        """The speed while there was something to embed; None after too little to tell."""
        return self._speed(2000, 0.5)

    @property
    def first_tokens_per_s(self) -> float | None:
        """The same, told sooner and less surely."""
        return self._speed(500, 0.01)

    @property
    def share_without_vector(self) -> float:
        """How many of the texts asked for had no vector yet."""
        return 1 - self._found / self._asked if self._asked else 1.0

    def _speed(self, tokens: int, seconds: float) -> float | None:
        busy = self._busy_s + (time.monotonic() - self._busy_since if self._calls else 0.0)
        return self._tokens / busy if self._tokens >= tokens and busy > seconds else None

    async def close(self) -> None:
        """Ends what is still running. Vectors that nobody published are computed again by whoever resumes, but for paid ones."""
        self._waiting.clear()
        if self._calls and isinstance(self._encoder, MeteredEncoder):
            await asyncio.wait(self._calls, timeout=_LAND_S)
        await end(*self._calls)

    def _ask(self, name: str, chunk: ChunkDraft) -> asyncio.Future[Vector]:
        if name in self._running:
            return self._running[name]
        if name not in self._waiting:
            self._waiting[name] = (chunk.embedded_text, chunk.tokens, asyncio.get_running_loop().create_future())
        return self._waiting[name][2]

    def _start_calls(self) -> None:
        while self._waiting and len(self._calls) < _CALLS_AT_ONCE:
            names = self._affordable(list(self._waiting)[:_TEXTS_A_CALL])
            if not names:
                return
            batch = {name: self._waiting.pop(name) for name in names}
            self._running.update({name: future for name, (_, _, future) in batch.items()})
            if not self._calls:
                self._busy_since = time.monotonic()
            call = asyncio.create_task(self._call(batch))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)

    def _affordable(self, names: list[str]) -> list[str]:
        """As many of the texts as the budget has room for; with none the job is told to stop."""
        if not isinstance(self._encoder, MeteredEncoder):
            return names
        tokens = 0
        for place, name in enumerate(names):
            tokens += self._waiting[name][1]
            reason = self._ctx.over(**self._bill(self._reserved + tokens))
            if reason is not None:
                # What is on its way may turn out cheaper than it was reserved for.
                if place == 0 and not self._calls:
                    self._ctx.halt(reason)
                return names[:place]
        return names

    def _bill(self, tokens: int) -> dict[str, float]:
        return {"tokens": tokens} | ({"cost": tokens * self._price / 1e6} if self._price is not None else {})

    async def _call(self, batch: dict[str, tuple[str, int, asyncio.Future[Vector]]]) -> None:
        expected = sum(tokens for _, tokens, _ in batch.values())
        self._reserved += expected
        try:
            vectors = await self._vectors({name: text for name, (text, _, _) in batch.items()})
            metrics.TEXTS_EMBEDDED.labels(engine=self._encoder.spec.engine).inc(len(batch))
            self._tokens += expected
            for (_, _, future), vector in zip(batch.values(), vectors, strict=True):
                if not future.done():
                    future.set_result(vector)
        except BaseException as error:
            # Every waiter learns of it, cancellation included, or it would wait for ever.
            for _, _, future in batch.values():
                if not future.done():
                    future.set_exception(error if isinstance(error, Exception) else asyncio.CancelledError())
                    future.exception()
            if not isinstance(error, Exception):
                raise
        finally:
            self._reserved -= expected
            for name in batch:
                self._running.pop(name, None)
            current = asyncio.current_task()
            assert current is not None, "a call is a task"
            self._calls.discard(current)
            if not self._calls:
                self._busy_s += time.monotonic() - self._busy_since
            self._start_calls()

    async def _vectors(self, texts: dict[str, str]) -> list[Vector]:
        if not isinstance(self._encoder, MeteredEncoder):
            return [vector.astype("<f2") for vector in await self._encoder.embed_passages(list(texts.values()))]
        metered = await self._encoder.embed_metered(list(texts.values()))
        vectors = [vector.astype("<f2") for vector in metered.vectors]
        self._ctx.spend(**self._bill(metered.tokens))
        at = now()
        rows: list[dict[str, Any]] = [
            {
                "tenant_id": self._ctx.actor.tenant_id,
                "model_key": self._encoder.spec.key,
                "text_hash": name,
                "vector": vector.tobytes(),
                "created_at": at,
            }
            for name, vector in zip(texts, vectors, strict=True)
        ]
        async with self._ctx.step() as session:
            await repository.store_vectors(session, rows)
        self._kept.update(texts)
        return vectors
