"""One document from its bytes to chunks with vectors: fetch, extract, chunk, embed; a failure becomes its finish."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from semantik.auth.actor import Actor
from semantik.engines.blobs.base import BlobStore
from semantik.engines.chunking import headings
from semantik.engines.chunking.base import Chunker
from semantik.engines.connectors.base import Connector, Item, ItemGone
from semantik.engines.embedding import language as languages
from semantik.engines.embedding.base import Tokenizer
from semantik.engines.extract.base import Extractor, Limits, Member, Outcome, Part, Verdict
from semantik.features.ingestion import projection
from semantik.features.ingestion.embedder import Embedder
from semantik.features.ingestion.values import Batch, ChunkDraft, Fetched, Finish, Measured, NewMember, Target, Work
from semantik.jobs.failpoints import fp
from semantik.kit import logs, metrics, traces
from semantik.kit.concurrency import closing, run_cpu
from semantik.kit.errors import EXHAUSTED, RateLimited, SemantikError, Unavailable
from semantik.kit.files import pieces_of
from semantik.kit.scratch import temporary_folder_on_thread
from semantik.kit.secrets import Keyring

log = logs.get(__name__)

# Chunks of a long document are embedded and published in batches, so that memory does not grow with its length.
_CHUNKS_A_BATCH = 128
_MAX_OUTLINE = 2000
_LANGUAGE_SAMPLE = 2000
# Texts kept of a measured document, to see how many of its kind have vectors already.
_MEASURED_TEXTS = 32


@dataclass(frozen=True, slots=True)
class Stages:
    """The engines one job reads documents with."""

    actor: Actor
    target: Target
    connector: Connector | None
    blobs: BlobStore
    extractor: Extractor
    chunker: Chunker
    tokenizer: Tokenizer
    embedder: Embedder | None  # None where documents are only measured
    keyring: Keyring
    limits: Limits
    max_bytes: int
    told: Callable[[Work, Measured], None] | None = None  # hears what each document gave that was read to its end

    async def read(self, work: Work) -> AsyncIterator[Batch]:
        """Batches of one document, the last with its finish. Raises what concerns the whole job: `Unavailable`, `RateLimited`, no room."""
        try:
            async with closing(self._read(work)) as batches:
                async for batch in batches:
                    yield batch
        except (Unavailable, RateLimited):
            raise
        except SemantikError as error:
            yield self._failed(work, error.code, error.detail, error.hint)
        except ItemGone:
            yield self._failed(work, "gone", "the file was listed and is no longer there", "Sync the source again.")
        except MemoryError:
            raise
        except OSError as error:
            if error.errno in EXHAUSTED:
                raise
            yield self._failed(
                work,
                "unreadable",
                f"the file cannot be read: {error.strerror or type(error).__name__}",
                "Check its permissions, then retry.",
            )
        except Exception as error:
            log.exception("document failed unexpectedly", document_id=work.id, error=type(error).__name__)
            yield self._failed(
                work,
                "internal",
                f"reading it failed unexpectedly ({type(error).__name__})",
                "Retry; if it stays, report it with the log line of this document's id.",
            )

    async def _read(self, work: Work) -> AsyncIterator[Batch]:
        async with AsyncExitStack() as held:
            fetched = await self._timed("fetch", self.fetch(work, held))
            async with closing(self._read_fetched(work, fetched)) as batches:
                async for batch in batches:
                    yield batch

    async def _read_fetched(self, work: Work, fetched: Fetched) -> AsyncIterator[Batch]:
        fp("ingest_fetched")
        known = fetched.content_hash == work.content_hash and work.pipeline_key == self.target.pipeline_key
        if known and work.state in ("indexed", "partial"):
            yield Batch(work=work, finish=Finish(state=work.state, outcome=Outcome(Verdict.OK), fetched=fetched, unchanged=True))
            return
        async with temporary_folder_on_thread() as scratch, closing(_Reading(self, work, fetched, scratch).batches()) as batches:
            async for batch in batches:
                yield batch

    async def measure(self, work: Work, path: Path) -> Measured:
        """What reading the file at `path` would give: extracted and cut as always, nothing stored or embedded."""
        async with temporary_folder_on_thread() as scratch:
            return await _Reading(self, work, Fetched("", work.size_bytes or 0, path), scratch).measured()

    async def fetch(self, work: Work, held: AsyncExitStack) -> Fetched:
        """The original in the blob store, whether it was there before or not. The local file stays until `held` is closed."""
        tenant = self.actor.tenant_id
        if self.connector is None or work.parent_id is not None:
            assert work.content_hash is not None, "uploads and members are stored before their row"
            return Fetched(
                work.content_hash, work.size_bytes or 0, await held.enter_async_context(self.blobs.local(tenant, work.content_hash))
            )
        item = Item(path=work.path, name=work.name, size_bytes=work.size_bytes, signature=work.due)
        ref = await self.blobs.put(tenant, self.connector.fetch(item), max_bytes=self.max_bytes)
        return Fetched(ref.hash, ref.size_bytes, await held.enter_async_context(self.blobs.local(tenant, ref.hash)))

    async def _timed(self, stage: str, step: Any) -> Any:
        began = time.perf_counter()
        try:
            with traces.span(f"ingest {stage}"):
                return await step
        finally:
            metrics.STAGE_SECONDS.labels(stage=stage).observe(time.perf_counter() - began)

    def _failed(self, work: Work, code: str, reason: str, hint: str | None) -> Batch:
        outcome = Outcome(Verdict.FAILED, code=code, reason=reason, hint=hint)
        if self.told is not None:
            self.told(work, Measured(0, 0, 0, 0, 0.0))
        return Batch(work=work, finish=Finish(state="failed", outcome=outcome, fetched=None))


@dataclass(slots=True)
class _Reading:
    """The state of reading one document: where its text stands, what is gathered for the next batch."""

    stages: Stages
    work: Work
    fetched: Fetched
    scratch: Path
    media_type: str | None = None
    language: str | None = None
    offset: int = 0
    count: int = 0
    tokens: int = 0
    elsewhere_s: float = 0.0
    trail: headings.Trail = field(default_factory=headings.Trail)
    outline: list[dict[str, Any]] = field(default_factory=list)
    members: list[NewMember] = field(default_factory=list)
    gathered: list[ChunkDraft] = field(default_factory=list)

    async def measured(self) -> Measured:
        members = self.scratch / "members"
        members.mkdir()
        began, inside = time.perf_counter(), 0
        stream = self.stages.extractor.extract(
            self.fetched.path, name=self.work.name, limits=self._limits(), scratch=members, password=None
        )
        async with closing(stream):
            async for piece in stream:
                match piece:
                    case Part():
                        await run_cpu(self._cut, piece)
                    case Member(path=stored):
                        inside += 1
                        if stored is not None:
                            await run_cpu(stored.unlink)
                    case Outcome():
                        pass
        return Measured(
            chunks=len(self.gathered),
            tokens=sum(chunk.tokens for chunk in self.gathered),
            characters=self.offset,
            members=inside,
            seconds=time.perf_counter() - began,
            texts=tuple((chunk.embedding_hash, chunk.embedded_text, chunk.tokens) for chunk in self.gathered[:_MEASURED_TEXTS]),
        )

    async def batches(self) -> AsyncIterator[Batch]:
        stages, work = self.stages, self.work
        password = stages.keyring.unseal(work.sealed_password).decode() if work.sealed_password else None
        outcome = Outcome(Verdict.FAILED, code="crashed", reason="reading it ended without an outcome")
        text_path = self.scratch / "text"
        members = self.scratch / "members"
        members.mkdir()
        began = time.perf_counter()
        stream = stages.extractor.extract(self.fetched.path, name=work.name, limits=self._limits(), scratch=members, password=password)
        with open(text_path, "w", encoding="utf-8", newline="") as text_file:
            # The stream holds a slot of the extractor.
            async with closing(stream):
                async for piece in stream:
                    match piece:
                        case Part():
                            self.media_type = piece.media_type or self.media_type
                            text_file.write(piece.text)
                            await run_cpu(self._cut, piece)
                            while len(self.gathered) >= _CHUNKS_A_BATCH:
                                left = time.perf_counter()
                                yield await self._embedded(self._take())
                                self.elsewhere_s += time.perf_counter() - left
                        case Member():
                            self.members.append(await self._store_member(piece))
                        case Outcome():
                            outcome = piece
        fp("ingest_extracted")
        seconds = time.perf_counter() - began - self.elsewhere_s
        text_hash = await self._store_text(text_path) if self.offset else None
        last = await self._embedded(self._take())
        if stages.told is not None:
            stages.told(work, Measured(self.count, self.tokens, self.offset, len(self.members), seconds))
        yield replace(last, finish=self._finish(outcome, text_hash))

    def _limits(self) -> Limits:
        limits, container = self.stages.limits, self.work.container
        if container is None:
            return limits
        return replace(
            limits, depth=container["depth"], members_left=container["members_left"], member_bytes_left=container["member_bytes_left"]
        )

    def _cut(self, part: Part) -> None:
        """Runs on a thread: chunks of one part join what is gathered."""
        stages = self.stages
        if self.language is None and part.text.strip():
            fallback = None if stages.target.language == "auto" else stages.target.language
            self.language = languages.detect(part.text[:_LANGUAGE_SAMPLE], fallback=fallback)
        for heading in part.headings:
            if len(self.outline) < _MAX_OUTLINE:
                self.outline.append(
                    {"title": heading.title, "level": heading.level, "start": self.offset + heading.offset, "page": part.page}
                )
        spans = stages.chunker.split(part, stages.tokenizer, stages.target.chunking, self.trail.path)
        for span in spans:
            path = self.trail.at(part, span)
            text = part.text[span.start : span.end]
            embedded = headings.embedded_text(path, text, stages.tokenizer, tokens=span.tokens)
            self.gathered.append(
                ChunkDraft(
                    ordinal=self.count + len(self.gathered),
                    text=text,
                    start=self.offset + span.start,
                    end=self.offset + span.end,
                    tokens=span.tokens,
                    heading_path=path,
                    position=_position(part, span.start, span.end),
                    language=self.language,
                    embedded_text=embedded,
                    embedding_hash=projection.embedding_hash(embedded),
                )
            )
        self.trail.leave(part)
        self.offset += len(part.text)

    def _take(self) -> list[ChunkDraft]:
        taken, self.gathered = self.gathered[:_CHUNKS_A_BATCH], self.gathered[_CHUNKS_A_BATCH:]
        self.count += len(taken)
        self.tokens += sum(chunk.tokens for chunk in taken)
        return taken

    async def _embedded(self, drafts: Sequence[ChunkDraft]) -> Batch:
        if not drafts:
            return Batch(work=self.work)
        assert self.stages.embedder is not None, "who embeds brings an embedder"
        vectors, fresh = await self.stages._timed("embed", self.stages.embedder.embed(drafts))
        fp("ingest_embedded")
        return Batch(work=self.work, chunks=tuple(drafts), vectors=tuple(vectors), fresh=fresh, media_type=self.media_type)

    async def _store_member(self, member: Member) -> NewMember:
        path = f"{self.work.path}!/{member.name}"
        container = self._container()
        if member.path is None:
            return NewMember(path, member.name, None, member.size_bytes, container, member.problem)
        ref = await self.stages.blobs.put(self.stages.actor.tenant_id, pieces_of(member.path))
        await run_cpu(member.path.unlink)
        return NewMember(path, member.name, ref.hash, ref.size_bytes, container, None)

    def _container(self) -> dict[str, int]:
        limits = self._limits()
        return {"depth": limits.depth + 1, "members_left": limits.members_left, "member_bytes_left": limits.member_bytes_left}

    async def _store_text(self, path: Path) -> str:
        ref = await self.stages.blobs.put(self.stages.actor.tenant_id, pieces_of(path))
        return ref.hash

    def _finish(self, outcome: Outcome, text_hash: str | None) -> Finish:
        return Finish(
            state=state_of(outcome, self.count, len(self.members)),
            outcome=_explained(outcome, self.count, len(self.members)),
            fetched=self.fetched,
            text_hash=text_hash,
            text_chars=self.offset,
            chunk_count=self.count,
            language=self.language,
            outline=tuple(self.outline),
            members=_with_shares(self.members),
        )


def state_of(outcome: Outcome, chunks: int, members: int) -> str:
    """The ledger's word for an outcome. A document without a chunk never counts as indexed."""
    match outcome.verdict:
        case Verdict.OK:
            return "indexed" if chunks else "skipped"
        case Verdict.PARTIAL:
            return "partial" if chunks else ("skipped" if members else "failed")
        case Verdict.SKIPPED:
            return "skipped"
        case Verdict.FAILED:
            return "failed"


def _explained(outcome: Outcome, chunks: int, members: int) -> Outcome:
    if outcome.verdict is Verdict.OK and not chunks:
        if members:
            return replace(outcome, code="container", reason=f"it holds {members:,} documents, listed on their own", hint=None)
        return replace(outcome, code="no_text", reason="no text was found in it", hint=None)
    return outcome


def _with_shares(members: Sequence[NewMember]) -> tuple[NewMember, ...]:
    """Splits what is left of the tree's budgets evenly, so that containers inside cannot each spend the whole of it."""
    if not members:
        return ()
    spent = sum(member.size_bytes for member in members)
    count = len(members)
    return tuple(
        replace(
            member,
            container={
                "depth": member.container["depth"],
                "members_left": max(0, member.container["members_left"] - count) // count,
                "member_bytes_left": max(0, member.container["member_bytes_left"] - spent),
            },
        )
        for member in members
    )


def _position(part: Part, start: int, end: int) -> dict[str, Any]:
    position: dict[str, Any] = {}
    if part.page is not None:
        position["page"] = part.page
    if part.slide is not None:
        position["slide"] = part.slide
    if part.sheet is not None:
        position["sheet"] = part.sheet
    if part.ocr:
        position["ocr"] = True
    if part.rows:
        inside = [row for offset, row in part.rows if start <= offset < end]
        before = [row for offset, row in part.rows if offset <= start]
        first = before[-1] if before else (inside[0] if inside else None)
        if first is not None:
            position["row_start"] = first
            position["row_end"] = inside[-1] if inside else first
    return position
