"""Takes a bundle in as a new collection of the job's tenant. Nothing is embedded when the model is the same.

The whole file is read through first. Then the collection is made under its tombstone, and rows, files, vectors and points
follow in the order of the bundle, a member a step; only the last step shows it. Ids follow from the job, so a step that is
repeated after a crash writes the same rows. A second job waits for the end of this one and removes what was not shown; the step
that shows takes it back.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from semantik.engines.blobs.base import BlobMissing
from semantik.engines.chunking.check import check as check_chunking
from semantik.engines.embedding.base import TextModel
from semantik.engines.vectors.base import Space
from semantik.features.archives import bundle, files, mapping, repository
from semantik.features.archives.job_args import ImportCollection
from semantik.features.collections.job_args import DeleteCollection
from semantik.features.ingestion import projection
from semantik.features.ingestion.removal import forget_files
from semantik.features.ingestion.service import enqueue_ingest
from semantik.jobs.context import JobContext
from semantik.jobs.failpoints import fp
from semantik.jobs.queue import enqueue
from semantik.jobs.retry import PermanentFailure
from semantik.jobs.states import WrongState
from semantik.jobs.store import control
from semantik.jobs.store.create import JobUnknown
from semantik.kit.archive import Archive, ArchiveDamaged, Member
from semantik.kit.concurrency import run_cpu
from semantik.kit.database import AsyncSession
from semantik.kit.files import opened
from semantik.rows.lines import MAX_BLOCK_BYTES

_ROWS_A_STEP = 500
_MADE = {"sources": mapping.sources, "documents": mapping.documents, "embeddings": mapping.embeddings}


class BundleGone(PermanentFailure):
    code = "bundle_gone"


class BundleUnfit(PermanentFailure):
    code = "bundle_unfit"


async def bring_in(ctx: JobContext, args: ImportCollection) -> dict[str, Any]:
    try:
        async with ctx.runtime.blobs.local(ctx.actor.tenant_id, args.bundle) as path:
            with opened(path) as file:
                archive = Archive(file, bundle.NAMES)
                result = await _Import(ctx, args, archive, bundle.manifest_of(archive)).run()
    except BlobMissing as error:
        raise BundleGone("the uploaded bundle is no longer stored", hint="Upload it again.") from error
    except ArchiveDamaged as error:
        await forget_files(ctx, [args.bundle], older_than_s=0)
        raise BundleUnfit(error.detail, hint="Nothing of it is kept. Export the collection again.") from error
    await forget_files(ctx, [args.bundle], older_than_s=0)
    return result


class _Import:
    """One bundle on its way in."""

    def __init__(self, ctx: JobContext, args: ImportCollection, archive: Archive, manifest: bundle.Manifest) -> None:
        self._ctx, self._args, self._archive, self._manifest = ctx, args, archive, manifest
        self._id = mapping.collection_id_of(ctx.job.id)

    async def run(self) -> dict[str, Any]:
        ctx, manifest = self._ctx, self._manifest
        await ctx.progress(message="Reading the bundle through")
        facts = bundle.end_of(await run_cpu(self._archive.verify))
        model = await ctx.runtime.text_model(manifest.model.name)
        same = (model.spec.key, model.spec.dimensions) == (manifest.model.key, manifest.model.dimensions)
        check_chunking(manifest.collection.chunking.settings(), model.spec)
        space = await ctx.runtime.space(manifest.model.name)
        await ctx.runtime.vectors.ensure(space)
        into = mapping.Destination(ctx.job.id, self._id, manifest, same, ctx.runtime.settings)
        await self._begin(facts, model, space)
        for member in self._archive.members(int((ctx.job.cursor or {}).get("at", 0))):
            await ctx.check()
            await self._take(member, into, model, space)
            fp("bundle_member_taken")
        name = await self._show()
        return {
            "collection_id": self._id,
            "name": name,
            "documents": facts.documents,
            "chunks": facts.chunks if same else 0,
            "files": facts.files,
            "files_missing": facts.problem_count,
            "embedded_again": not same,
        }

    async def _begin(self, facts: bundle.End, model: TextModel, space: Space) -> None:
        described = self._manifest.collection
        values = {
            **described.model_dump(),
            "id": self._id,
            # Until it is shown nobody sees the name, and two that are on their way may have the same.
            "name": self._args.name or described.name,
            "embedding_model": model.spec.name,
        }
        async with self._ctx.step(total=facts.documents + facts.chunks + facts.files) as session:
            await repository.add_collection(session, self._ctx.actor, values, space=space.key, dimensions=space.dimensions)
            # However this job ends: what is still under its tombstone then is removed, and a collection that is shown is let be.
            tidying = await enqueue(
                session,
                DeleteCollection(collection_id=self._id),
                actor=self._ctx.actor,
                title=f"Tidy up after importing {values['name']}",
                collection_id=self._id,
                dedup_key=f"import:{self._id}",
                depends_on=[self._ctx.job.id],
                dep_policy="all_finished",
            )
        self._tidying = tidying.id

    async def _take(self, member: Member, into: mapping.Destination, model: TextModel, space: Space) -> None:
        kind, _, rest = member.name.partition("/")
        if kind == "blobs":
            await self._take_file(member, rest)
        elif kind == "rows":
            await self._take_rows(member, rest.partition("/")[0], into, model, space)

    async def _take_file(self, member: Member, blob_hash: str) -> None:
        if not await files.unpacked(self._archive, member, self._ctx.runtime.blobs, self._ctx.actor.tenant_id, blob_hash):
            raise ArchiveDamaged("a file of the bundle is not the one that it is named for")
        async with self._ctx.step(cursor={"at": member.next}, done=1, message="Storing files") as session:
            if not await repository.sized(session, self._ctx.actor, self._id, blob_hash, size_bytes=member.size):
                raise ArchiveDamaged("a document of the bundle has more text than is stored of it")

    async def _take_rows(self, member: Member, name: str, into: mapping.Destination, model: TextModel, space: Space) -> None:
        if not into.same and name in ("embeddings", "chunks"):
            return
        ctx = self._ctx
        given = await run_cpu(mapping.read, name, self._archive.read(member, most=MAX_BLOCK_BYTES))
        if name == "chunks":
            rows = await run_cpu(mapping.chunks, into, given, model.tokenizer)
        else:
            rows = await run_cpu(_MADE[name], into, given)
        for start in range(0, len(rows), _ROWS_A_STEP):
            async with ctx.step(message=f"Taking in {name}") as session:
                some = await self._tied(session, name, rows[start : start + _ROWS_A_STEP])
                await repository.add_rows(session, ctx.actor, name, some)
            if name == "chunks":
                await projection.fill(ctx, space, [row["id"] for row in some])
        done = len(rows) if name in ("documents", "chunks") else 0
        async with ctx.step(cursor={"at": member.next}, done=done):
            pass

    async def _tied(self, session: AsyncSession, name: str, rows: list[mapping.Row]) -> list[mapping.Row]:
        """The rows to be added, if what they refer to is there."""
        match name:
            case "documents":
                await self._require_places(session, rows)
                return rows
            case "chunks":
                return await self._of_documents(session, rows)
            case _:
                return rows

    async def _require_places(self, session: AsyncSession, rows: list[mapping.Row]) -> None:
        actor, sources = self._ctx.actor, {row["source_id"] for row in rows}
        if sources - await repository.there(session, actor, "sources", sources):
            raise ArchiveDamaged("documents of the bundle refer to sources that it does not hold")
        archives = {row["parent_id"] for row in rows if row["parent_id"] is not None}
        there = await repository.there(session, actor, "documents", archives - {row["id"] for row in rows})
        for row in rows:
            # An archive comes before what was in it: so none lies in itself, by whatever way round.
            if row["parent_id"] is not None and row["parent_id"] not in there:
                raise ArchiveDamaged("documents of the bundle lie in archives that it does not hold, or not before them")
            there.add(row["id"])

    async def _of_documents(self, session: AsyncSession, rows: list[mapping.Row]) -> list[mapping.Row]:
        """Without those of documents that are read again here: theirs come with that."""
        found = await repository.texts(session, self._ctx.actor, {row["document_id"] for row in rows})
        for row in rows:
            if (text := found.get(row["document_id"])) is None:
                raise ArchiveDamaged("chunks of the bundle refer to documents that it does not hold")
            if text.version and row["version"] != text.version:
                raise ArchiveDamaged(f"a chunk of the bundle has version {row['version']}, and its document version {text.version}")
            if text.version and row["end"] > text.chars:
                raise ArchiveDamaged(f"a chunk of the bundle ends at {row['end']:,}, and its document's text at {text.chars:,}")
        return [row for row in rows if found[row["document_id"]].version]

    async def _show(self) -> str:
        ctx = self._ctx
        while True:
            async with ctx.step(message="Showing the collection") as session:
                settled = await repository.settle(
                    session, ctx.actor, self._id, coming=mapping.COMING, to_read=mapping.TO_READ, limit=_ROWS_A_STEP
                )
            if settled < _ROWS_A_STEP:
                break
        async with ctx.step() as session:
            # All of it is shown with this step: nothing is left to tidy up. Somebody may have cancelled that job before.
            with suppress(JobUnknown, WrongState):
                await control.cancel(session, self._tidying, by=None)
                await control.delete(session, self._tidying)
            name = await repository.free_name(session, ctx.actor, self._args.name or self._manifest.collection.name)
            for source_id in await repository.publish(session, ctx.actor, self._id, name):
                await enqueue_ingest(
                    session, ctx.actor, source_id=source_id, collection_id=self._id, title=f"Read what came into {name}", listing=False
                )
        return name
