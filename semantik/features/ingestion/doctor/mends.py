"""The mends: what is done about each kind of fault. Slow work first; the rows come back as an effect for the step's transaction.

Whatever can be made again from what is left is made again: points from rows, vectors from the chunk's own text, text and
chunks from the original. Where the original is gone and nobody has it, the document fails and says so; it is never removed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, assert_never

import numpy as np

from semantik.engines.embedding.base import Encoder, MeteredEncoder
from semantik.engines.vectors.base import Space
from semantik.features.ingestion import projection, repository
from semantik.features.ingestion.doctor.looks import file_fault
from semantik.features.ingestion.doctor.values import Fault, Kind
from semantik.features.ingestion.publish import failed_item
from semantik.features.ingestion.removal import forget_files
from semantik.features.ingestion.service import enqueue_ingest
from semantik.features.ingestion.steps import split
from semantik.jobs.context import JobContext
from semantik.jobs.values import Effect, ItemOutcome
from semantik.kit.clock import now
from semantik.kit.concurrency import run_cpu
from semantik.kit.database import AsyncSession

_TEXTS_A_CALL = 32
_HINT = "Upload it again, or retry the document once its source has it."


@dataclass(slots=True)
class Mended:
    """What became of a batch of faults; `effects` are awaited in the transaction of its checkpoint."""

    counts: Counter[str] = field(default_factory=Counter)
    lost: list[ItemOutcome] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    spaces: set[str] = field(default_factory=set)

    def __add__(self, other: Mended) -> Mended:
        counts = self.counts.copy()
        counts.update(other.counts)
        return Mended(counts, [*self.lost, *other.lost], [*self.effects, *other.effects], self.spaces | other.spaces)


async def mend(ctx: JobContext, faults: Sequence[Fault]) -> Mended:
    """Every mend may be repeated: after a crash the same batch is looked at again, and what is right by then is no fault."""
    by_kind: dict[Kind, list[Fault]] = {}
    for fault in faults:
        by_kind.setdefault(fault.kind, []).append(fault)
    return sum([await _mended(ctx, kind, found) for kind, found in by_kind.items()], Mended())


async def _mended(ctx: JobContext, kind: Kind, found: Sequence[Fault]) -> Mended:
    all_of_them: Counter[str] = Counter({kind: len(found)})
    match kind:
        case Kind.BLOB_MISSING | Kind.BLOB_DAMAGED:
            return await _read_again(ctx, kind, [fault.subject for fault in found])
        case Kind.COUNT_WRONG:
            counted = Mended(effects=[_count_set(ctx, fault) for fault in found])
            return counted + await _read_again(ctx, kind, [fault.subject for fault in found])
        case Kind.CHUNK_DAMAGED:
            return await _read_again(ctx, kind, [fault.facts["document"] for fault in found])
        case Kind.BLOB_UNNAMED:
            names = [fault.subject for fault in found]
            return Mended(Counter({kind: await forget_files(ctx, names, older_than_s=found[0].facts["older_than_s"])}))
        case Kind.CHUNK_DEAD:
            spaces: dict[str | None, list[str]] = {}
            for fault in found:
                spaces.setdefault(fault.facts["space"], []).append(fault.subject)
            buried = [_buried(ctx, ids, space) for space, ids in spaces.items()]
            return Mended(all_of_them, effects=buried, spaces={space for space in spaces if space is not None})
        case Kind.VECTOR_MISSING | Kind.VECTOR_DAMAGED:
            return await _embed_again(ctx, found)
        case Kind.POINT_MISSING | Kind.POINT_DIFFERS:
            for space, ids in _by_space(found).items():
                await projection.fill(ctx, space, ids)
            return Mended(all_of_them)
        case Kind.POINT_UNNAMED:
            for space, ids in _by_space(found).items():
                await ctx.runtime.vectors.delete(space, ids)
                await ctx.runtime.vectors.flush(space)
            return Mended(all_of_them)
        case Kind.VECTOR_UNUSED:
            return Mended(all_of_them, effects=[_forgotten(ctx, [(fault.facts["model_key"], fault.subject) for fault in found])])
        case _:
            assert_never(kind)


async def _read_again(ctx: JobContext, kind: Kind, document_ids: Sequence[str]) -> Mended:
    """Makes the documents due, or the container that holds their bytes; what nobody can give again fails with a reason."""
    done = Mended()
    async with ctx.read() as session:
        rows = await repository.documents_by_id(session, ctx.actor, document_ids)
    for document_id, faults in Counter(document_ids).items():
        row = rows.get(document_id)
        if row is None:
            continue
        giver = await _who_gives(ctx, row)
        if giver is None:
            code, reason = await _loss(ctx, row)
            done.effects.append(_lost(ctx, document_id, code, reason))
            done.lost.append(failed_item(document_id, row["path"], code, reason))
        else:
            done.effects.append(_due(ctx, giver))
            done.counts[kind] += faults
    return done


async def _who_gives(ctx: JobContext, row: Mapping[Any, Any]) -> Mapping[Any, Any] | None:
    """The document to read again: this one, or the nearest container whose bytes are whole or can be fetched anew."""
    at: Mapping[Any, Any] | None = row
    while at is not None:
        if at["parent_id"] is None and at["source_kind"] != "upload":
            return at
        if at["content_hash"] is not None and await file_fault(ctx, at["content_hash"], read=True) is None:
            return at
        if at["parent_id"] is None:
            return None
        async with ctx.read() as session:
            at = (await repository.documents_by_id(session, ctx.actor, [at["parent_id"]])).get(at["parent_id"])
    return None


async def _loss(ctx: JobContext, row: Mapping[Any, Any]) -> tuple[str, str]:
    kind = None if row["content_hash"] is None else await file_fault(ctx, row["content_hash"], read=True)
    if kind is Kind.BLOB_DAMAGED:
        return "original_damaged", "the stored original is damaged, and nobody has it but this store"
    return "original_lost", "the stored original is lost, and nobody has it but this store"


def _lost(ctx: JobContext, document_id: str, code: str, reason: str) -> Effect:
    return lambda session: repository.mark_lost(session, ctx.actor, document_id, code=code, reason=reason, hint=_HINT)


def _count_set(ctx: JobContext, fault: Fault) -> Effect:
    return lambda session: repository.set_chunk_count(session, ctx.actor, fault.subject, fault.facts["count"])


def _due(ctx: JobContext, row: Mapping[Any, Any]) -> Effect:
    async def effect(session: AsyncSession) -> None:
        await repository.make_due_again(session, ctx.actor, [row["id"]])
        await enqueue_ingest(
            session,
            ctx.actor,
            source_id=row["source_id"],
            collection_id=row["collection_id"],
            title=f"Read again in {row['collection_name']} what was found damaged",
            listing=False,
        )

    return effect


def _buried(ctx: JobContext, ids: Sequence[str], space: str | None) -> Effect:
    return lambda session: repository.bury_chunks(session, ctx.actor, ids, space)


def _forgotten(ctx: JobContext, keys: Sequence[tuple[str, str]]) -> Effect:
    return lambda session: repository.forget_vectors(session, ctx.actor, keys)


async def _embed_again(ctx: JobContext, found: Sequence[Fault]) -> Mended:
    done = Mended()
    for space, ids in _by_space(found).items():
        kinds = {fault.subject: fault.kind for fault in found}
        for some in split(ids, _TEXTS_A_CALL):
            await ctx.check()
            rows = await _rows(ctx, space, some)
            if not rows:
                continue
            encoder = await ctx.runtime.encoder(rows[0]["embedding_model"])
            texts = [await run_cpu(projection.embedded_text, row, encoder.tokenizer) for row in rows]
            vectors = (await _embedded(ctx, encoder, texts)).astype("<f2")
            fresh = {row["embedding_hash"]: vector.tobytes() for row, vector in zip(rows, vectors, strict=True)}
            await projection.put(ctx, space, [{**row, "vector": fresh[row["embedding_hash"]]} for row in rows])
            done.effects.append(_kept(ctx, encoder.spec.key, fresh))
            done.counts.update(kinds[row["id"]] for row in rows)
    return done


def _kept(ctx: JobContext, model_key: str, fresh: Mapping[str, bytes]) -> Effect:
    at, tenant_id = now(), ctx.actor.tenant_id
    rows = [
        {"tenant_id": tenant_id, "model_key": model_key, "text_hash": name, "vector": vector, "created_at": at}
        for name, vector in fresh.items()
    ]
    return lambda session: repository.overwrite_vectors(session, rows)


async def _embedded(ctx: JobContext, encoder: Encoder, texts: Sequence[str]) -> Any:
    if not isinstance(encoder, MeteredEncoder):
        return np.asarray(await encoder.embed_passages(texts))
    metered = await encoder.embed_metered(texts)
    ctx.spend(tokens=metered.tokens)
    return metered.vectors


async def _rows(ctx: JobContext, space: Space, ids: Sequence[str]) -> list[Mapping[Any, Any]]:
    async with ctx.read() as session:
        return await repository.projection_page(session, ctx.actor, space.key, "", len(ids), ids=ids)


def _by_space(found: Sequence[Fault]) -> dict[Space, list[str]]:
    spaces: dict[Space, list[str]] = {}
    for fault in found:
        spaces.setdefault(Space.of_key(fault.facts["space"]), []).append(fault.subject)
    return spaces
