"""Pre-flight: what reading a source will take, from a short look at a few of its documents.

A few seconds are spent on extracting and cutting documents chosen by type and size; `predict` makes totals of it. How fast
texts are embedded is known from earlier jobs of this installation, else from a quick try; a provider that charges is not
tried. A job looks at nothing twice: `first_documents` predicts from those that it reads first. Every amount is a range that
holds nine times of ten.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from semantik.auth.actor import Actor
from semantik.engines.connectors.base import ItemGone
from semantik.engines.embedding.base import Encoder, MeteredEncoder
from semantik.features.ingestion import predict, repository
from semantik.features.ingestion.predict import Range, Seen
from semantik.features.ingestion.stages import Stages
from semantik.features.ingestion.values import Measured, Target, Work
from semantik.kit import logs
from semantik.kit.concurrency import cpu_count, run_cpu
from semantik.kit.errors import SemantikError
from semantik.kit.scratch import temporary_folder_on_thread
from semantik.runtime import Runtime

log = logs.get(__name__)

LOOK_S = 3.0
_MOST_DOCUMENTS = 60
# Of each stratum so many documents are kept as candidates; more are never looked at.
_KEPT_A_STRATUM = 40
# Larger documents would eat the whole look; they are predicted from smaller ones of their kind.
_MOST_BYTES = 16 * 1024**2
# A document that was begun in time may take this much longer, or slow ones would never be seen.
_OVERTIME_S = 2.0
_TRY_S = 1.0
# A provider that was never asked: from a slow line to a fast one.
_UNKNOWN_SPEED = Range(1_000, 10_000, 100_000)
# Bytes on disk of one chunk besides its text and vectors: rows and their indexes in SQL, words and payload in the index.
# Reasoned from the widths of the columns and not measured, hence the wide range.
_CHUNK_BYTES = Range(1_800, 2_600, 4_000)
# The text of a chunk lies in SQL and in the stored text of its document; its vector as float16 in SQL, as float32 and in a
# graph in the index.
_TEXT_COPIES = 2.2
_BYTES_A_DIMENSION = 2 + 4 * 1.5
# Opening engines, listing, the first flush.
_OVERHEAD_S = Range(0.3, 1.0, 4.0)

# Gives a local file with the document: a copy at the path given, or one of its own that stays until the stack is closed.
Fetch = Callable[[Path, AsyncExitStack], Awaitable[Path]]


@dataclass(slots=True)
class Population:
    """The documents to be read, by stratum: the sizes of all, and a random few that may be looked at."""

    sizes: dict[str, list[int]] = field(default_factory=dict)
    kept: dict[str, list[tuple[int, Work, Fetch | None]]] = field(default_factory=dict)
    count: int = 0
    size_bytes: int = 0
    # Seeded: the same listing is judged by the same documents.
    _random: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311 - a sample, no secret

    def add(self, work: Work, fetch: Fetch | None = None) -> None:
        """`fetch`: for a document that is only looked at; a job reads those it chooses as it reads all."""
        size = work.size_bytes or 0
        stratum = predict.stratum_of(Path(work.name).suffix.lower()[:12], size)
        sizes, kept = self.sizes.setdefault(stratum, []), self.kept.setdefault(stratum, [])
        sizes.append(size)
        self.count += 1
        self.size_bytes += size
        # Reservoir sampling (Vitter, Algorithm R): each document of the stratum is kept with equal chance.
        if size <= _MOST_BYTES:
            if len(kept) < _KEPT_A_STRATUM:
                kept.append((size, work, fetch))
            elif (place := self._random.randrange(len(sizes))) < _KEPT_A_STRATUM:
                kept[place] = (size, work, fetch)

    def choose(self) -> list[tuple[str, int, Work, Fetch | None]]:
        """(stratum, size, document, its fetch) of those that tell most, the most telling first."""
        sizes = {stratum: [size for size, _, _ in kept] for stratum, kept in self.kept.items()}
        return [(stratum, *self.kept[stratum][place]) for stratum, place in predict.choose(sizes, _MOST_DOCUMENTS)]


@dataclass(frozen=True, slots=True)
class Estimate:
    """Ranges by meter, as jobs keep them: items, chunks, tokens, minutes, disk_bytes, and cost where a price is known."""

    meters: Mapping[str, Range]
    sampled: int
    paid: bool
    speed_from: str  # earlier jobs | a quick try | a guess

    def as_row(self) -> dict[str, list[float]]:
        return {meter: [_rounded(one) for one in (range_.low, range_.likely, range_.high)] for meter, range_ in self.meters.items()}


async def look(
    runtime: Runtime, actor: Actor, target: Target, encoder: Encoder, stages: Stages, population: Population, *, seconds: float
) -> Estimate:
    """Looks for about `seconds` and predicts. A document that cannot be read counts as one that gives nothing."""
    stages = replace(stages, limits=replace(stages.limits, timeout_s=max(1, math.ceil(seconds + _OVERTIME_S)), ocr_max_pages=2))
    measured = await _measure(stages, population, seconds)
    texts = [text for _, _, one in measured for text in one.texts]
    new = await _share_without_vector(runtime, actor, encoder, [name for name, _, _ in texts])
    speed, speed_from = await _speed(runtime, actor, encoder, [text for text in texts if text[2]])
    return extrapolate(runtime, encoder, population, measured, new=new, speed=speed, speed_from=speed_from)


def extrapolate(
    runtime: Runtime,
    encoder: Encoder,
    population: Population,
    measured: Sequence[tuple[str, int, Measured]],
    *,
    new: float,
    speed: Range,
    speed_from: str,
) -> Estimate:
    """From (stratum, size, what it gave) of some documents to all. `new`: the share of texts without a vector; `speed`: tokens a second."""
    seen = [
        Seen(
            stratum,
            size,
            {"chunks": one.chunks, "tokens": one.tokens, "characters": one.characters, "members": one.members, "seconds": one.seconds},
        )
        for stratum, size, one in measured
    ]
    unseen = {stratum: list(sizes) for stratum, sizes in population.sizes.items()}
    for one in seen:
        unseen[one.stratum].remove(one.size_bytes)
    tokens = predict.total("tokens", unseen, seen).times(new)
    chunks = predict.total("chunks", unseen, seen)
    reading = predict.total("seconds", unseen, seen).times(1 / max(1, min(cpu_count(), runtime.settings.extract_workers or cpu_count())))
    working = predict.side_by_side(reading, tokens.over(speed)) if tokens.likely else reading
    minutes = working.plus(_OVERHEAD_S).times(1 / 60)
    vectors = chunks.times(encoder.spec.dimensions * _BYTES_A_DIMENSION)
    rows = Range(chunks.low * _CHUNK_BYTES.low, chunks.likely * _CHUNK_BYTES.likely, chunks.high * _CHUNK_BYTES.high)
    text = predict.total("characters", unseen, seen).times(_TEXT_COPIES)
    meters = {
        "items": predict.exactly(population.count).plus(_members(unseen, seen)),
        "chunks": chunks,
        "minutes": minutes,
        "disk_bytes": predict.exactly(population.size_bytes).plus(text).plus(vectors).plus(rows),
    }
    paid = isinstance(encoder, MeteredEncoder)
    if paid:
        meters["tokens"] = tokens
        if runtime.settings.remote_embedding_price is not None:
            meters["cost"] = tokens.times(runtime.settings.remote_embedding_price / 1e6)
    return Estimate(meters, len(seen), paid, speed_from)


def _members(unseen: Mapping[str, Sequence[int]], seen: Sequence[Seen]) -> Range:
    """Documents inside others: none, when every kind was looked at and none of them holds any."""
    kinds = {one.stratum.rpartition("/")[0] for one in seen}
    strange = any(sizes and stratum.rpartition("/")[0] not in kinds for stratum, sizes in unseen.items())
    if strange or any(one.amounts["members"] for one in seen):
        return predict.total("members", unseen, seen)
    return predict.exactly(0)


async def _measure(stages: Stages, population: Population, seconds: float) -> list[tuple[str, int, Measured]]:
    """(stratum, size, what it gave) of as many documents as the time allows."""
    async with temporary_folder_on_thread() as folder:
        return await _measure_in(folder, stages, population, seconds)


async def _measure_in(folder: Path, stages: Stages, population: Population, seconds: float) -> list[tuple[str, int, Measured]]:
    chosen = population.choose()
    until = time.monotonic() + seconds
    found: list[tuple[str, int, Measured]] = []

    async def reader(queue: list[tuple[str, int, Work, Fetch | None]]) -> None:
        while queue and time.monotonic() < until:
            stratum, size, work, fetch = queue.pop(0)
            assert fetch is not None, "documents to be looked at come with a way to fetch them"
            try:
                async with AsyncExitStack() as held:
                    found.append((stratum, size, await stages.measure(work, await fetch(folder / work.id, held))))
            except (SemantikError, OSError, ItemGone) as error:
                log.info("document could not be looked at", error=type(error).__name__)
                found.append((stratum, size, Measured(0, 0, 0, 0, 0.0)))
            await run_cpu((folder / work.id).unlink, missing_ok=True)

    readers = [asyncio.create_task(reader(chosen)) for _ in range(cpu_count())]
    try:
        await asyncio.wait(readers, timeout=seconds + _OVERTIME_S)
    finally:
        for task in readers:
            task.cancel()
        ended = await asyncio.gather(*readers, return_exceptions=True)
    for error in ended:
        if isinstance(error, Exception):
            raise error
    return found


async def _share_without_vector(runtime: Runtime, actor: Actor, encoder: Encoder, names: Sequence[str]) -> float:
    """Texts that were embedded before cost nothing; so much of the sample is new."""
    if not names:
        return 1.0
    async with runtime.database.read(actor.tenant_id) as session:
        stored = await repository.stored_vectors(session, actor, encoder.spec.key, list(dict.fromkeys(names)))
    return sum(name not in stored for name in names) / len(names)


async def _speed(runtime: Runtime, actor: Actor, encoder: Encoder, texts: Sequence[tuple[str, str, int]]) -> tuple[Range, str]:
    """Tokens a second of this model on this installation."""
    known = await known_speed(runtime, actor, encoder)
    if known is not None:
        return known, "earlier jobs"
    if isinstance(encoder, MeteredEncoder) or not texts:
        return _UNKNOWN_SPEED, "a guess"
    tokens, began = 0, time.monotonic()
    for start in range(0, len(texts), 8):
        batch = texts[start : start + 8]
        if start == 8:
            # The first call warms caches up and is left out, where there is a second one.
            tokens, began = 0, time.monotonic()
        await encoder.embed_passages([text for _, text, _ in batch])
        tokens += sum(count for _, _, count in batch)
        if time.monotonic() - began > _TRY_S:
            break
    speed = max(1.0, tokens / max(0.001, time.monotonic() - began))
    return around(speed), "a quick try"


async def known_speed(runtime: Runtime, actor: Actor, encoder: Encoder) -> Range | None:
    """Tokens a second as earlier jobs of this installation measured them."""
    async with runtime.database.read(actor.tenant_id) as session:
        return predict.of_speeds(await repository.speeds(session, subject_of(encoder)))


def around(speed: float) -> Range:
    """A speed that was measured once and shortly."""
    return Range(speed / 2, speed, speed * 1.5)


def subject_of(encoder: Encoder) -> str:
    """Under which name the speeds of a model are kept."""
    return f"embed:{encoder.spec.key}"


def _rounded(amount: float) -> float:
    """Three digits: more would be a lie."""
    return round(amount, 2 - math.floor(math.log10(abs(amount)))) if amount else 0.0
