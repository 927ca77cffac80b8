"""Reads what is due, in rounds, as far as the budget of the job reaches, and writes down early what that will take."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from semantik.engines.connectors.base import Connector
from semantik.engines.embedding import language as languages
from semantik.engines.embedding.base import Encoder, MeteredEncoder
from semantik.features.ingestion import estimate, pipeline, repository
from semantik.features.ingestion.embedder import Embedder
from semantik.features.ingestion.first_documents import FirstDocuments
from semantik.features.ingestion.opening import stages_of
from semantik.features.ingestion.publish import Publisher
from semantik.features.ingestion.stages import Stages
from semantik.features.ingestion.values import Target, Work
from semantik.jobs.context import JobContext
from semantik.kit.concurrency import cpu_count, end, run_cpu

# A handful of documents is read before an estimate of them would be done.
_LEAST_TO_ESTIMATE = 10
# Who read a document waits for its vectors: with a model that answers over a network more of them wait, so that one call takes
# the texts of many small documents. How many files are read at a time is for the extractor to say.
_READERS_OF_A_REMOTE_MODEL = 32


async def read_due(ctx: JobContext, target: Target, connector: Connector | None) -> None:
    runtime = ctx.runtime
    encoder = await runtime.encoder(target.model)
    async with ctx.step() as session:
        await repository.mark_all_due(session, ctx.actor, target.source_id, target.pipeline_key)
        due = await repository.due_count(session, ctx.actor, target.source_id)
    # What the first document would wait for starts while the index is made ready; an error of it is the first document's to tell.
    starting = [asyncio.create_task(one) for one in (runtime.extractor.start(), run_cpu(languages.load))] if due else []
    try:
        await runtime.vectors.ensure(target.space)
        async with ctx.step(total=ctx.job.processed + due) as session:
            await repository.note_space(session, target.space.key, target.space.dimensions)
            generation = await repository.generation(session, ctx.actor, target.collection_id, target.generation)
        publisher = Publisher(ctx, target, runtime.vectors, generation["mean_terms"] if generation else None)
        await _read(ctx, target, connector, encoder, publisher, due=due)
    finally:
        await end(*starting)
    await ctx.check()


async def _read(ctx: JobContext, target: Target, connector: Connector | None, encoder: Encoder, publisher: Publisher, *, due: int) -> None:
    runtime = ctx.runtime
    embedder = Embedder(encoder, ctx, price=runtime.settings.remote_embedding_price)
    stages = stages_of(runtime, ctx.actor, target, encoder, connector=connector, embedder=embedder)
    first: FirstDocuments | None = None
    if ctx.job.estimate is None and due >= _LEAST_TO_ESTIMATE:
        first = await _choose_first(ctx, target, encoder, embedder)
        stages = replace(stages, told=first.hear)
    telling = asyncio.create_task(first.tell()) if first is not None else None
    try:
        readers = _READERS_OF_A_REMOTE_MODEL if isinstance(encoder, MeteredEncoder) else 2 * cpu_count() + 2
        await _read_rounds(ctx, target, stages, publisher, first.works if first is not None else (), readers=readers)
    finally:
        # Its error comes after: one of the estimate would hide that of the reading, and leave the embedder open.
        await end(telling)
        await embedder.close()
    if telling is not None and not telling.cancelled():
        telling.result()
    if (speed := embedder.tokens_per_s) is not None:
        async with ctx.step() as session:
            await repository.note_speed(session, estimate.subject_of(encoder), speed)


async def _choose_first(ctx: JobContext, target: Target, encoder: Encoder, embedder: Embedder) -> FirstDocuments:
    population = estimate.Population()
    async for work in _all_due(ctx, target):
        population.add(work)
    return FirstDocuments(ctx, encoder, embedder, population)


async def _read_rounds(
    ctx: JobContext, target: Target, stages: Stages, publisher: Publisher, first: Sequence[Work], *, readers: int
) -> None:
    """Reads until nothing is due: archives and mails bring documents of their own, uploads arrive while others are read."""
    processed = -1
    while not ctx.interrupted.is_set() and ctx.job.processed > processed:
        processed = ctx.job.processed
        await pipeline.run(_due(ctx, target, first), stages, publisher, readers=readers, interrupted=ctx.interrupted)
        first = ()
        if (reason := ctx.over(items=1)) is not None:
            async with ctx.read() as session:
                left = await repository.due_count(session, ctx.actor, target.source_id)
            if left:
                ctx.halt(reason)


async def _due(ctx: JobContext, target: Target, first: Sequence[Work]) -> AsyncIterator[Work]:
    """One round of due documents, `first` first, then by id, as far as the job's budget of documents reaches."""
    begun = ctx.job.processed
    async for work in _in_turn(first, _all_due(ctx, target)):
        begun += 1
        if ctx.over(items=begun - ctx.job.processed) is not None:
            # What was begun is finished first: a job that stops for its budget loses nothing of what it paid for.
            return
        yield work


async def _in_turn(first: Sequence[Work], rest: AsyncIterator[Work]) -> AsyncIterator[Work]:
    for work in first:
        yield work
    done = {work.id for work in first}
    async for work in rest:
        if work.id not in done:
            yield work


async def _all_due(ctx: JobContext, target: Target) -> AsyncIterator[Work]:
    after = ""
    while True:
        async with ctx.read() as session:
            page = await repository.due_page(session, ctx.actor, target.source_id, after, 200)
        if not page:
            return
        for work in page:
            yield work
        after = page[-1].id
