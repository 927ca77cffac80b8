"""Writes one collection as a bundle, piece by piece as it is read: rows from one snapshot, stored files after them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import AsyncIterator, Generator, Mapping
from typing import IO, Any

from semantik import __version__
from semantik.auth.actor import Actor
from semantik.engines.blobs.base import BlobDamaged, BlobMissing
from semantik.features.archives import bundle, files, repository
from semantik.kit.archive import MANIFEST, Framer
from semantik.kit.clock import now
from semantik.kit.concurrency import closing, threaded
from semantik.kit.database import AsyncSession
from semantik.kit.ids import TenantId
from semantik.rows import lines, opening, pages
from semantik.runtime import Runtime


async def described(session: AsyncSession, actor: Actor, collection_id: str) -> Mapping[Any, Any] | None:
    """The collection as `export` takes it; None when this actor may not read it, or there is none."""
    return await repository.collection(session, actor, collection_id)


async def export(runtime: Runtime, actor: Actor, collection: Mapping[Any, Any]) -> AsyncIterator[bytes]:
    """All bytes of the bundle. One that breaks off lacks its end, and is refused by whoever takes it in."""
    spec = (await runtime.text_model(collection["embedding_model"])).spec
    model = bundle.Model(name=spec.name, key=spec.key, dimensions=spec.dimensions)
    return _Export(runtime, actor.tenant_id, collection, model=model).pieces()


class _Export:
    """One collection on its way out."""

    def __init__(self, runtime: Runtime, tenant: TenantId, collection: Mapping[Any, Any], *, model: bundle.Model) -> None:
        self._runtime, self._tenant, self._collection, self._model = runtime, tenant, collection, model
        self._framer = Framer()
        self._facts = {"documents": 0, "chunks": 0, "files": 0, "problem_count": 0}

    async def pieces(self) -> AsyncIterator[bytes]:
        framer, facts = self._framer, self._facts
        yield framer.member(MANIFEST, _manifest(self._collection, self._model))
        with tempfile.TemporaryFile("w+", encoding="ascii") as names:
            async with closing(threaded(self._rows(names))) as rows:
                async for piece in rows:
                    yield piece
            names.seek(0)
            for line in names:
                name = line.strip()
                try:
                    async with closing(files.packed(framer, self._runtime.blobs, self._tenant, name, f"blobs/{name}")) as packed:
                        async for piece in packed:
                            yield piece
                    facts["files"] += 1
                except (BlobMissing, BlobDamaged):
                    facts["problem_count"] += 1
        yield framer.end(facts)

    def _rows(self, names: IO[str]) -> Generator[bytes, None, None]:
        """Every table out of one snapshot; writes down the names of the files that its documents name."""
        id, generation, facts = self._collection["id"], self._collection["generation"], self._facts
        with opening.reading(self._runtime.settings.sqlalchemy_url) as connection:
            for part in repository.bundle_parts(self._tenant, id, generation, self._model.key):
                number = 0
                for page in pages.pages(connection, part.table, where=part.where):
                    facts[part.table.name] = facts.get(part.table.name, 0) + len(page.rows)
                    for block in lines.blocks(part.table, page.rows, leave_out=part.leave_out):
                        number += 1
                        yield self._framer.member(f"rows/{part.table.name}/{number:06}.jsonl", block)
            for name in repository.bundle_files(connection, self._tenant, id):
                names.write(name + "\n")


def _manifest(collection: Mapping[Any, Any], model: bundle.Model) -> bytes:
    shown = {name: collection[name] for name in ("name", "description", "chunking", "language", "generation", "mean_terms")}
    made = bundle.Manifest(
        format=bundle.FORMAT,
        version=bundle.VERSION,
        semantik=__version__,
        made_at=now().isoformat(),
        collection=bundle.Described.model_validate(shown),
        model=model,
    )
    return json.dumps(made.model_dump(mode="json"), ensure_ascii=False, indent=1).encode()
