"""A shelf of documents: rows and points as ingestion leaves them, without running it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa

from semantik.auth.actor import Actor
from semantik.engines.embedding import bm25
from semantik.engines.vectors.base import Point
from semantik.kit.clock import now
from semantik.kit.ids import derived_id, new_id
from semantik.runtime import Runtime
from semantik.tables.collections import collections, generations
from semantik.tables.documents import chunks, documents
from semantik.tables.sources import sources


@dataclass
class Shelf:
    """Makes searchable collections. `texts`: document name -> its passages."""

    runtime: Runtime
    made: dict[str, str] = field(default_factory=dict)

    async def collection(
        self, actor: Actor, name: str, texts: Mapping[str, Sequence[str]], *, model: str = "hashing", **document: Any
    ) -> str:
        collection_id, source_id = new_id(), new_id()
        space = await self.runtime.space(model)
        tenant = {"tenant_id": actor.tenant_id}
        async with self.runtime.database.write() as session:
            await session.execute(
                sa.insert(collections).values(
                    **tenant,
                    id=collection_id,
                    name=name,
                    embedding_model=model,
                    chunking={},
                    generation=1,
                    created_at=now(),
                    updated_at=now(),
                )
            )
            await session.execute(
                sa.insert(generations).values(
                    **tenant, collection_id=collection_id, number=1, space=space.key, mean_terms=20.0, state="live", created_at=now()
                )
            )
            await session.execute(
                sa.insert(sources).values(
                    **tenant, id=source_id, collection_id=collection_id, kind="upload", name="Uploads", settings={}, created_at=now()
                )
            )
            await session.commit()
        for title, passages in texts.items():
            await self.document(actor, collection_id, source_id, title, passages, model=model, **document)
        return collection_id

    async def document(
        self,
        actor: Actor,
        collection_id: str,
        source_id: str,
        name: str,
        passages: Sequence[str],
        *,
        model: str = "hashing",
        language: str = "en",
        media_type: str = "text/plain",
        version: int = 1,
    ) -> str:
        document_id = self.made.get(f"{collection_id}/{name}") or new_id()
        self.made[f"{collection_id}/{name}"] = document_id
        encoder, space = await self.runtime.encoder(model), await self.runtime.space(model)
        vectors = await encoder.embed_passages(passages)
        ids = [derived_id(document_id, version, 1, ordinal) for ordinal in range(len(passages))]
        point_payload = {
            "tenant": actor.tenant_id,
            "collection": collection_id,
            "generation": 1,
            "source": source_id,
            "document": document_id,
            "media_type": media_type,
            "language": language,
        }
        points = [
            Point(id, vector, bm25.document_vector(text, language, 20.0), point_payload)
            for id, vector, text in zip(ids, vectors, passages, strict=True)
        ]
        await self.runtime.vectors.ensure(space)
        await self.runtime.vectors.upsert(space, points)
        common = {"tenant_id": actor.tenant_id, "collection_id": collection_id, "language": language}
        async with self.runtime.database.write() as session:
            if version == 1:
                await session.execute(
                    sa.insert(documents).values(
                        **common, id=document_id, source_id=source_id, path=f"files/{name}", path_hash=derived_id(name), name=name,
                        state="indexed", warnings=[], version=1, media_type=media_type, tags=[], metadata={}, created_at=now(),
                        updated_at=now(),
                    )
                )  # fmt: skip
            else:
                await session.execute(sa.update(documents).where(documents.c.id == document_id).values(version=version))
            at = 0
            for ordinal, (id, text) in enumerate(zip(ids, passages, strict=True)):
                await session.execute(
                    sa.insert(chunks).values(
                        **common, id=id, document_id=document_id, version=version, generation=1, ordinal=ordinal, text=text, start=at,
                        end=at + len(text), tokens=len(text.split()), heading_path=["Part"], position={}, embedding_hash="0" * 64,
                    )
                )  # fmt: skip
                at += len(text) + 1
            await session.commit()
        return document_id


@pytest.fixture
def shelf(runtime: Runtime) -> Shelf:
    return Shelf(runtime)
