"""The first documents of a job tell what all of them will take, so that its page can say how right that was. Nothing is read twice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress

from semantik.engines.embedding.base import Encoder
from semantik.features.ingestion import estimate
from semantik.features.ingestion.embedder import Embedder
from semantik.features.ingestion.estimate import Population
from semantik.features.ingestion.predict import Range
from semantik.features.ingestion.values import Measured, Work
from semantik.jobs.context import JobContext

# The prediction is made when so many were read, or after so long from what there is by then.
_ENOUGH = 20
_LOOK_S = 3.0


class FirstDocuments:
    """Hears what the documents gave that the job reads first, and writes its estimate as soon as they tell enough."""

    def __init__(self, ctx: JobContext, encoder: Encoder, embedder: Embedder, population: Population) -> None:
        chosen = population.choose()
        self.works: Sequence[Work] = [work for _, _, work, _ in chosen]
        self._ctx = ctx
        self._encoder = encoder
        self._embedder = embedder
        self._population = population
        self._waiting = {work.id: (stratum, size) for stratum, size, work, _ in chosen}
        self._measured: list[tuple[str, int, Measured]] = []
        self._heard = asyncio.Event()

    def hear(self, work: Work, measured: Measured) -> None:
        if (place := self._waiting.pop(work.id, None)) is not None:
            self._measured.append((*place, measured))
        self._heard.set()

    async def tell(self) -> None:
        """Waits until they tell enough. A job that ends before has no estimate."""
        ctx = self._ctx
        known = await estimate.known_speed(ctx.runtime, ctx.actor, self._encoder)
        began = time.monotonic()
        while not self._enough(time.monotonic() - began) or (speed := self._speed(known)) is None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._heard.wait(), _LOOK_S)
            self._heard.clear()
        found = estimate.extrapolate(
            ctx.runtime,
            self._encoder,
            self._population,
            self._measured,
            new=self._embedder.share_without_vector,
            speed=speed,
            speed_from="earlier jobs" if known is not None else "its first documents",
        )
        async with ctx.step(estimate=found.as_row()):
            pass

    def _enough(self, seconds: float) -> bool:
        return not self._waiting or len(self._measured) >= (_ENOUGH if seconds < _LOOK_S else 1)

    def _speed(self, known: Range | None) -> Range | None:
        first = self._embedder.first_tokens_per_s
        return known or (estimate.around(first) if first is not None else None)
