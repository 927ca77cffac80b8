"""The looks: each compares two parts of what is stored, page by page, and yields what disagrees. Nothing is changed here.

Work that is under way is no fault: documents that are due are being read, points among the dead are being swept, and young
files are about to be named. What a page finds is asked again before it counts, because rows may go while files are read.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence, Set
from datetime import timedelta
from typing import Any

from semantik.auth.actor import Actor
from semantik.engines.blobs.base import BlobDamaged, BlobMissing
from semantik.engines.blobs.verify import read_through
from semantik.engines.embedding.base import Tokenizer
from semantik.engines.vectors.base import Point, Space
from semantik.features.ingestion import projection, repository, steps
from semantik.features.ingestion.doctor.values import Batch, Fault, Kind
from semantik.features.ingestion.job_args import Doctor
from semantik.jobs.context import JobContext
from semantik.kit.clock import now
from semantik.kit.concurrency import run_cpu
from semantik.kit.database import AsyncSession

Look = Callable[[JobContext, Doctor, str], AsyncIterator[Batch]]
_Read = Callable[[AsyncSession, Actor, str, int], Awaitable[Sequence[Mapping[Any, Any]]]]

# Files are read through one by one, so a page of documents is a step of seconds.
_DOCUMENTS = 32
_ROWS = 500
# Of documents whose original was found lost before: told once, they stay failed until somebody brings it again.
LOST = ("original_lost", "original_damaged")


async def originals(ctx: JobContext, args: Doctor, after: str) -> AsyncIterator[Batch]:
    """Each document against the files it names: its original and its text."""
    async for page in _pages(ctx, repository.documents_with_files, after=after, size=_DOCUMENTS):
        seen: dict[str, Kind | None] = {}
        found = [(row, faults) for row in page if (faults := await _files_of(ctx, row, seen, read=args.hashes))]
        if found:
            async with ctx.read() as session:
                rows = await repository.documents_by_id(session, ctx.actor, [row["id"] for row, _ in found])
            found = [(row, faults) for row, faults in found if _same_files(row, rows.get(row["id"]))]
        yield Batch(page[-1]["id"], len(page), tuple(fault for _, faults in found for fault in faults))


async def rows(ctx: JobContext, args: Doctor, after: str) -> AsyncIterator[Batch]:
    """Chunks against their documents: those that no version claims."""
    async for page in _pages(ctx, repository.dead_chunks, after=after, size=_ROWS):
        faults = [Fault(Kind.CHUNK_DEAD, row["id"], facts={"space": row["space"]}) for row in page]
        yield Batch(page[-1]["id"], len(page), tuple(faults))


async def chunks(ctx: JobContext, args: Doctor, after: str) -> AsyncIterator[Batch]:
    """Each chunk against its own hash, its stored vector and its point in the index. `after` = space, a bar, the chunk."""
    for space, model in await _spaces(ctx, after):
        begun, _, last = after.partition("|")
        last = last if begun == space.key else ""
        await ctx.runtime.vectors.ensure(space)
        tokenizer = (await ctx.runtime.text_model(model)).tokenizer
        while True:
            async with ctx.read() as session:
                page = await repository.projection_page(session, ctx.actor, space.key, last, _ROWS)
            if not page:
                break
            present = await ctx.runtime.vectors.present(space, [row["id"] for row in page])
            wrong = await run_cpu(_wrong_rows, page, space, tokenizer, args.hashes)
            faults = [fault for row in page for fault in _chunk_faults(row, wrong.get(row["id"]), present, space)]
            if faults:
                async with ctx.read() as session:
                    still = await repository.known_chunks(session, ctx.actor, [fault.subject for fault in faults])
                faults = [fault for fault in faults if fault.subject in still]
            last = page[-1]["id"]
            yield Batch(f"{space.key}|{last}", len(page), tuple(faults))


async def points(ctx: JobContext, args: Doctor, after: str) -> AsyncIterator[Batch]:
    """Each point of the index against its chunk. Points come in no order: after a break its space is gone through again."""
    async with ctx.read() as session:
        # Also those that no collection of the tenant uses any more.
        every = sorted(key for key, _, _ in await repository.spaces_with_points(session))
    for space in [Space.of_key(key) for key in every if key > after]:
        await ctx.runtime.vectors.ensure(space)
        async for batch in ctx.runtime.vectors.scan(space, tenant=ctx.actor.tenant_id):
            async with ctx.read() as session:
                known = await repository.known_chunks(session, ctx.actor, [point.id for point in batch])
                unnamed = {point.id: point.payload.get("document") for point in batch if point.id not in known}
                moving = await repository.in_flight(session, ctx.actor, space.key, unnamed) if unnamed else set()
            strays = await _still_stray(ctx, space, unnamed.keys() - moving)
            faults = [Fault(Kind.POINT_UNNAMED, id, facts={"space": space.key}) for id in strays]
            faults += [
                Fault(Kind.POINT_DIFFERS, point.id, facts={"space": space.key})
                for point in batch
                if point.id in known and _says(point) != known[point.id]
            ]
            yield Batch("", len(batch), tuple(faults))
        yield Batch(space.key, 0)


async def _still_stray(ctx: JobContext, space: Space, points: Set[str]) -> list[str]:
    """Those that have no chunk even now: meanwhile the rows of what was coming may have come, and what was leaving may have left."""
    if not points:
        return []
    there = await ctx.runtime.vectors.present(space, sorted(points))
    async with ctx.read() as session:
        known = await repository.known_chunks(session, ctx.actor, sorted(there))
    return sorted(there - known.keys())


async def counts(ctx: JobContext, args: Doctor, after: str) -> AsyncIterator[Batch]:
    """The ledger: how many chunks each document says it has against how many there are."""
    async for page in _pages(ctx, repository.counts_page, after=after, size=_ROWS):
        faults = [
            Fault(Kind.COUNT_WRONG, row["id"], row["path"], {"count": row["there"]}) for row in page if row["there"] != row["chunk_count"]
        ]
        yield Batch(page[-1]["id"], len(page), tuple(faults))


async def files(ctx: JobContext, args: Doctor, after: str) -> AsyncIterator[Batch]:
    """Each stored file against the documents: those that none names, but for young ones."""
    stored = ctx.runtime.blobs.hashes(ctx.actor.tenant_id, older_than_s=args.older_than_s)
    async for names in steps.batches(stored, _ROWS):
        async with ctx.read() as session:
            unnamed = await repository.unused_blobs(session, ctx.actor, set(names))
        faults = [Fault(Kind.BLOB_UNNAMED, name, facts={"older_than_s": args.older_than_s}) for name in sorted(unnamed)]
        yield Batch("", len(names), tuple(faults))


async def vectors(ctx: JobContext, args: Doctor, after: str) -> AsyncIterator[Batch]:
    """Stored vectors against the chunks: those of texts that no chunk holds, but for young ones. `after` = model key, a bar, the hash."""
    before = now() - timedelta(seconds=args.older_than_s)
    while True:
        model_key, _, text_hash = after.rpartition("|")
        async with ctx.read() as session:
            page = await repository.unused_vectors(session, ctx.actor, before=before, after=(model_key, text_hash), limit=_ROWS)
        if not page:
            return
        after = "|".join(page[-1])
        faults = [Fault(Kind.VECTOR_UNUSED, text_hash, facts={"model_key": model_key}) for model_key, text_hash in page]
        yield Batch(after, len(page), tuple(faults))


# In this order: what is mended first is not found again by what follows.
STAGES: Mapping[str, tuple[Look, str]] = {
    "originals": (originals, "Reading stored files"),
    "rows": (rows, "Looking for chunks that no document claims"),
    "chunks": (chunks, "Comparing chunks with vectors and index"),
    "points": (points, "Comparing the index with chunks"),
    "counts": (counts, "Adding up the ledger"),
    "files": (files, "Looking for files that nobody names"),
    "vectors": (vectors, "Looking for vectors that nobody uses"),
}


async def file_fault(ctx: JobContext, blob_hash: str, *, read: bool) -> Kind | None:
    """What is wrong with a stored file; None when it is there and, where it is to be read, has the bytes of its name."""
    blobs, tenant = ctx.runtime.blobs, ctx.actor.tenant_id
    try:
        if not read:
            return None if await blobs.exists(tenant, blob_hash) else Kind.BLOB_MISSING
        await read_through(blobs, tenant, blob_hash)
    except BlobMissing:
        return Kind.BLOB_MISSING
    except BlobDamaged:
        return Kind.BLOB_DAMAGED
    return None


async def _pages(ctx: JobContext, read: _Read, *, after: str, size: int) -> AsyncIterator[Sequence[Mapping[Any, Any]]]:
    """Pages of rows behind the id, each in a session of its own, which is over before the page is looked at. None is empty."""
    while True:
        async with ctx.read() as session:
            page = await read(session, ctx.actor, after, size)
        if not page:
            return
        yield page
        after = page[-1]["id"]


async def _files_of(ctx: JobContext, row: Mapping[Any, Any], seen: dict[str, Kind | None], *, read: bool) -> list[Fault]:
    faults: list[Fault] = []
    if row["code"] in LOST:
        return faults
    for part, name in (("original", row["content_hash"]), ("text", row["text_hash"])):
        if name is None or (part == "text" and name == row["content_hash"]):
            continue
        await ctx.check()
        if name not in seen:
            seen[name] = await file_fault(ctx, name, read=read)
        kind = seen[name]
        if kind is not None:
            faults.append(Fault(kind, row["id"], row["path"], {"part": part}))
    return faults


def _same_files(row: Mapping[Any, Any], present: Mapping[Any, Any] | None) -> bool:
    return present is not None and all(row[name] == present[name] for name in ("content_hash", "text_hash", "due"))


async def _spaces(ctx: JobContext, after: str) -> Sequence[tuple[Space, str]]:
    begun = after.partition("|")[0]
    async with ctx.read() as session:
        found = await repository.own_spaces(session, ctx.actor)
    return [(Space.of_key(key), model) for key, model in found if key >= begun]


def _wrong_rows(page: Sequence[Any], space: Space, tokenizer: Tokenizer, hashes: bool) -> dict[str, Kind]:
    wrong: dict[str, Kind] = {}
    for row in page:
        vector = _vector_fault(row["vector"], space.dimensions)
        # A text that is no longer what was embedded must be read again; its vector is that of another text.
        if (hashes or vector) and projection.embedding_hash(projection.embedded_text(row, tokenizer)) != row["embedding_hash"]:
            wrong[row["id"]] = Kind.CHUNK_DAMAGED
        elif vector is not None:
            wrong[row["id"]] = vector
    return wrong


def _vector_fault(stored: bytes | None, dimensions: int) -> Kind | None:
    if stored is None:
        return Kind.VECTOR_MISSING
    return None if projection.is_vector(stored, dimensions) else Kind.VECTOR_DAMAGED


def _chunk_faults(row: Mapping[Any, Any], wrong: Kind | None, present: set[str], space: Space) -> list[Fault]:
    facts = {"space": space.key, "document": row["document_id"]}
    faults = [] if wrong is None else [Fault(wrong, row["id"], facts=facts)]
    # A new vector brings a new point with it, and so does reading again.
    if wrong is None and row["id"] not in present:
        faults.append(Fault(Kind.POINT_MISSING, row["id"], facts=facts))
    return faults


def _says(point: Point) -> tuple[Any, Any, Any]:
    return point.payload.get("collection"), point.payload.get("generation"), point.payload.get("document")
