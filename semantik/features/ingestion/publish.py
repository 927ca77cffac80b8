"""Makes finished work searchable: points upserted and flushed first, then rows and checkpoint in one transaction.

A crash in between leaves points without rows, which no search shows, and the same ids are written again when the
job resumes: at-least-once work, exactly-once result. A document's new version becomes visible in the same transaction
in which the old one ends, so there is no moment in which neither is searchable.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from semantik.engines.embedding import bm25
from semantik.engines.vectors.base import Point, VectorStore
from semantik.features.ingestion import repository
from semantik.features.ingestion.values import Batch, ChunkDraft, Finish, NewMember, Target, Work
from semantik.jobs.context import JobContext
from semantik.jobs.failpoints import fp
from semantik.jobs.retry import ErrorClass
from semantik.jobs.store import items
from semantik.jobs.values import ItemOutcome
from semantik.kit import metrics, traces
from semantik.kit.clock import now
from semantik.kit.concurrency import run_cpu
from semantik.kit.database import AsyncSession
from semantik.kit.ids import derived_id, new_id

_GROUP_CHUNKS = 512
_GROUP_DOCUMENTS = 64
_GROUP_SECONDS = 1.0
# A first group may be tiny or odd; this many typical chunks steady the mean that BM25 keeps for good.
_PRIOR_CHUNKS = 20


@dataclass(frozen=True, slots=True)
class _Inside:
    """What a container holds now, against what was known of it."""

    fresh: Sequence[Mapping[str, Any]]  # rows of members that are new
    changed: Sequence[tuple[str, NewMember]]  # (document, member to be read again)
    refused: Sequence[tuple[str, NewMember]]  # (document, member that the container does not give, or no longer)
    gone: Sequence[str]  # documents that it holds no longer

    @property
    def to_come(self) -> int:
        return sum(row["due"] is not None for row in self.fresh) + len(self.changed)

    def failed(self) -> list[ItemOutcome]:
        new = [failed_item(row["id"], row["path"], row["code"], row["reason"]) for row in self.fresh if row["state"] == "failed"]
        known = [(document_id, member.path, refusal(member)) for document_id, member in self.refused]
        return new + [failed_item(id, path, why["code"], why["reason"]) for id, path, why in known if why["state"] == "failed"]


class Publisher:
    """The one consumer of a job's batches."""

    def __init__(self, ctx: JobContext, target: Target, vectors: VectorStore, mean_terms: float | None) -> None:
        self._ctx = ctx
        self._target = target
        self._vectors = vectors
        self._mean_terms = mean_terms
        self.published_chunks = 0

    async def consume(self, queue: asyncio.Queue[Batch | None]) -> None:
        """Publishes groups until None arrives."""
        ended = False
        while not ended:
            group, ended = await self._gather(queue)
            if group:
                await self._publish(group)

    async def _gather(self, queue: asyncio.Queue[Batch | None]) -> tuple[list[Batch], bool]:
        group: list[Batch] = []
        deadline: float | None = None
        while True:
            try:
                batch = await asyncio.wait_for(queue.get(), None if deadline is None else max(0.0, deadline - time.monotonic()))
            except TimeoutError:
                return group, False
            if batch is None:
                return group, True
            group.append(batch)
            deadline = deadline or time.monotonic() + _GROUP_SECONDS
            if sum(len(one.chunks) for one in group) >= _GROUP_CHUNKS or len(group) >= _GROUP_DOCUMENTS:
                return group, False

    async def _publish(self, group: Sequence[Batch]) -> None:
        began = time.perf_counter()
        if any(batch.chunks for batch in group):
            mean_terms = await self._settled_mean(group)
            points = await run_cpu(self._points, group, mean_terms)
            with traces.span("vectors upsert", {"vectors.space": self._target.space.key, "vectors.points": len(points)}):
                await self._vectors.upsert(self._target.space, points)
                fp("ingest_upserted")
                await self._vectors.flush(self._target.space)
            fp("ingest_flushed")
        finishes = [(batch.work, batch.finish) for batch in group if batch.finish is not None]
        ended = [finish.state for _, finish in finishes]
        inside = await self._inside(finishes)
        refused = [outcome for one in inside.values() for outcome in one.failed()]
        failed = refused + [_failed(work, finish) for work, finish in finishes if finish.state == "failed"]
        more = sum(one.to_come for one in inside.values()) + len(refused)
        self._ctx.spend(chunks=sum(len(batch.chunks) for batch in group))
        async with self._ctx.step(
            done=sum(state in ("indexed", "partial") for state in ended),
            failed=len(failed),
            skipped=ended.count("skipped"),
            total=(self._ctx.job.total or 0) + more if more else None,
            message=group[-1].work.name,
            items=failed,
        ) as session:
            await self._store(session, group)
            for work, finish in finishes:
                await self._finish(session, work, finish)
                if work.id in inside:
                    await self._members(session, inside[work.id])
            # What became of them is told by this job from now on, and not by one that failed to read them before.
            told = {one.key for one in failed} | {work.id for work, _ in finishes if work.version or work.state == "failed"}
            await items.take_over(session, tenant_id=self._ctx.actor.tenant_id, keys=sorted(told), by_job=self._ctx.job.id)
        fp("ingest_published")
        for state in ended:
            metrics.DOCUMENTS_INGESTED.labels(state=state).inc()
        self.published_chunks += sum(len(batch.chunks) for batch in group)
        metrics.CHUNKS_PUBLISHED.inc(sum(len(batch.chunks) for batch in group))
        metrics.STAGE_SECONDS.labels(stage="publish").observe(time.perf_counter() - began)

    async def _settled_mean(self, group: Sequence[Batch]) -> float:
        if self._mean_terms is None:
            drafts = [chunk for batch in group for chunk in batch.chunks]
            total = await run_cpu(lambda: sum(bm25.count_terms(draft.embedded_text, draft.language) for draft in drafts))
            mean = (total + _PRIOR_CHUNKS * bm25.TYPICAL_MEAN_TERMS) / (len(drafts) + _PRIOR_CHUNKS)
            actor, target = self._ctx.actor, self._target
            async with self._ctx.step() as session:
                await repository.settle_mean_terms(session, actor, target.collection_id, target.generation, mean)
                row = await repository.generation(session, actor, target.collection_id, target.generation)
            self._mean_terms = float(row["mean_terms"]) if row is not None else mean
        return self._mean_terms

    def _points(self, group: Sequence[Batch], mean_terms: float) -> list[Point]:
        return [
            Point(
                id=self._point_id(batch.work, chunk),
                dense=vector.astype(np.float32),
                sparse=bm25.document_vector(chunk.embedded_text, chunk.language, mean_terms),
                payload=payload(
                    tenant=self._ctx.actor.tenant_id,
                    collection=self._target.collection_id,
                    generation=self._target.generation,
                    source=self._target.source_id,
                    document=batch.work.id,
                    media_type=batch.media_type,
                    language=chunk.language,
                    tags=batch.work.tags,
                    modified_at=batch.work.modified_at,
                ),
            )
            for batch in group
            for chunk, vector in zip(batch.chunks, batch.vectors, strict=True)
        ]

    def _point_id(self, work: Work, chunk: ChunkDraft) -> str:
        return derived_id(work.id, work.version + 1, self._target.generation, chunk.ordinal)

    async def _store(self, session: AsyncSession, group: Sequence[Batch]) -> None:
        tenant_id, at = self._ctx.actor.tenant_id, now()
        vectors, rows = {}, []
        for batch in group:
            for chunk, vector in zip(batch.chunks, batch.vectors, strict=True):
                if chunk.embedding_hash in batch.fresh:
                    vectors[chunk.embedding_hash] = {
                        "tenant_id": tenant_id,
                        "model_key": self._target.model_key,
                        "text_hash": chunk.embedding_hash,
                        "vector": vector.tobytes(),
                        "created_at": at,
                    }
                rows.append(
                    {
                        "id": self._point_id(batch.work, chunk),
                        "tenant_id": tenant_id,
                        "collection_id": self._target.collection_id,
                        "document_id": batch.work.id,
                        "version": batch.work.version + 1,
                        "generation": self._target.generation,
                        "ordinal": chunk.ordinal,
                        "text": chunk.text,
                        "start": chunk.start,
                        "end": chunk.end,
                        "tokens": chunk.tokens,
                        "page": chunk.position.get("page"),
                        "heading_path": list(chunk.heading_path),
                        "position": dict(chunk.position),
                        "language": chunk.language,
                        "embedding_hash": chunk.embedding_hash,
                    }
                )
        await repository.store_vectors(session, list(vectors.values()))
        await repository.store_chunks(session, rows)

    async def _finish(self, session: AsyncSession, work: Work, finish: Finish) -> None:
        actor = self._ctx.actor
        if finish.unchanged:
            await repository.finish_document(session, actor, work.id, {"due": None, "signature": work.due})
            return
        await repository.retire_chunks(
            session, actor, document_id=work.id, keep_version=work.version + 1, keep_below=finish.chunk_count, space=self._target.space.key
        )
        outcome, fetched = finish.outcome, finish.fetched
        values: dict[str, Any] = {
            "due": None,
            "signature": work.due,
            "state": finish.state,
            "code": outcome.code if finish.state != "indexed" else None,
            "reason": outcome.reason if finish.state != "indexed" else None,
            "hint": outcome.hint if finish.state != "indexed" else None,
            "warnings": list(outcome.warnings),
            "version": work.version + 1,
            "pipeline_key": self._target.pipeline_key,
            "chunk_count": finish.chunk_count,
            "text_chars": finish.text_chars,
            "text_hash": finish.text_hash,
            "language": finish.language,
            "pages": outcome.pages,
            "title": outcome.title,
            "outline": list(finish.outline),
            "metadata": dict(outcome.metadata),
            "indexed_at": now() if finish.state in ("indexed", "partial") else None,
        }
        if fetched is not None:
            values |= {"content_hash": fetched.content_hash, "size_bytes": fetched.size_bytes, "media_type": outcome.media_type}
        await repository.finish_document(session, actor, work.id, values)

    async def _inside(self, finishes: Sequence[tuple[Work, Finish]]) -> dict[str, _Inside]:
        inside: dict[str, _Inside] = {}
        async with self._ctx.read() as session:
            for work, finish in finishes:
                if finish.unchanged:
                    continue
                before = await repository.children(session, self._ctx.actor, work.id) if work.version or finish.members else {}
                listed = {member.path for member in finish.members}
                known = [(before[member.path], member) for member in finish.members if member.path in before]
                inside[work.id] = _Inside(
                    fresh=[self._member_row(work, member) for member in finish.members if member.path not in before],
                    changed=[
                        (row["id"], member)
                        for row, member in known
                        if member.problem is None and row["content_hash"] != member.content_hash
                    ],
                    refused=[(row["id"], member) for row, member in known if member.problem is not None],
                    gone=[row["id"] for path, row in before.items() if path not in listed],
                )
        return inside

    async def _members(self, session: AsyncSession, inside: _Inside) -> None:
        actor, space = self._ctx.actor, self._target.space.key
        await repository.remove_documents(session, actor, inside.gone, space)
        await repository.add_documents(session, inside.fresh)
        for document_id, member in inside.refused:
            await repository.refuse_document(session, actor, document_id, refusal(member), space)
        for document_id, member in inside.changed:
            values = {
                "content_hash": member.content_hash,
                "size_bytes": member.size_bytes,
                "container": dict(member.container),
                "pipeline_key": None,
                "due": "member",
            }
            await repository.finish_document(session, actor, document_id, values)

    def _member_row(self, work: Work, member: NewMember) -> Mapping[str, Any]:
        fate: dict[str, Any] = {"state": "pending", "due": "member"} if member.problem is None else refusal(member)
        return new_document(
            tenant_id=self._ctx.actor.tenant_id,
            collection_id=self._target.collection_id,
            source_id=self._target.source_id,
            parent_id=work.id,
            path=member.path,
            name=member.name.rpartition("/")[2] or member.name,
            container=dict(member.container),
            content_hash=member.content_hash,
            size_bytes=member.size_bytes,
            modified_at=work.modified_at,
            tags=list(work.tags),
            **fate,
        )


def refusal(member: NewMember) -> dict[str, Any]:
    """What the row of a member says that its container does not give."""
    assert member.problem is not None, "only refused members have a reason"
    code, reason, hint = member.problem
    state = "failed" if code in ("needs_password", "wrong_password", "damaged") else "skipped"
    return {"state": state, "code": code, "reason": reason, "hint": hint, "due": None}


def failed_item(document_id: str, path: str, code: str | None, reason: str | None) -> ItemOutcome:
    """A failed document as an item of the job: its key is the document's id."""
    said = reason or "it cannot be read"
    return ItemOutcome(document_id, "failed", path, error_class=str(ErrorClass.ITEM), error_code=code or "failed", error_message=said)


def _failed(work: Work, finish: Finish) -> ItemOutcome:
    return failed_item(work.id, work.path, finish.outcome.code, finish.outcome.reason)


def new_document(**values: Any) -> dict[str, Any]:
    """A complete row of `documents` from what is known when it is listed."""
    at = now()
    row = {
        "id": new_id(), "parent_id": None, "code": None, "reason": None, "hint": None, "due": None, "container": None,
        "content_hash": None, "size_bytes": None, "modified_at": None,
        "media_type": None, "signature": None,
        "tags": [], "metadata": {}, "warnings": [], "version": 0, "chunk_count": 0, "text_chars": 0,
        "created_at": at, "updated_at": at,
    } | values  # fmt: skip
    return row | {"path_hash": repository.path_hash(row["path"])}


def payload(*, modified_at: Any, tags: Sequence[str], **values: Any) -> dict[str, Any]:
    """The payload of a point; keys without a value are left out, as both engines drop them anyway."""
    found = {name: value for name, value in values.items() if value is not None}
    if tags:
        found["tags"] = list(tags)
    if modified_at is not None:
        found["modified_at"] = modified_at.isoformat()
    return found
