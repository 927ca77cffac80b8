"""What the points of an index are made of: the rows that a projection needs, and what an index should hold."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from semantik.tables.collections import collections, generations
from semantik.tables.documents import chunks, documents, embeddings, vector_spaces

_OF_GENERATION = sa.and_(generations.c.collection_id == chunks.c.collection_id, generations.c.number == chunks.c.generation)


def page_of(tenant_id: str, space: str, *, after: str, limit: int) -> sa.Select[Any]:
    """Everything a point of the space is made of, by chunk id."""
    return (
        sa.select(
            chunks.c.id, chunks.c.text, chunks.c.tokens, chunks.c.heading_path, chunks.c.language, chunks.c.collection_id,
            chunks.c.generation, chunks.c.document_id, chunks.c.embedding_hash,
            embeddings.c.vector, generations.c.mean_terms, collections.c.embedding_model, documents.c.source_id,
            documents.c.media_type, documents.c.tags, documents.c.modified_at,
        )
        .join(documents, documents.c.id == chunks.c.document_id)
        .join(collections, collections.c.id == chunks.c.collection_id)
        .join(generations, _OF_GENERATION)
        .outerjoin(
            embeddings,
            sa.and_(
                embeddings.c.tenant_id == chunks.c.tenant_id,
                embeddings.c.text_hash == chunks.c.embedding_hash,
                embeddings.c.model_key == space.rpartition("-")[0],
            ),
        )
        .where(chunks.c.tenant_id == tenant_id, generations.c.space == space, chunks.c.id > after)
        .order_by(chunks.c.id)
        .limit(limit)
    )  # fmt: skip


def page(connection: sa.Connection, tenant_id: str, space: str, *, after: str, limit: int) -> Sequence[Any]:
    return [row._mapping for row in connection.execute(page_of(tenant_id, space, after=after, limit=limit))]


def spaces(connection: sa.Connection) -> list[tuple[str, int]]:
    """(space, dimensions) of every vector space of the installation."""
    return [(row.space, row.dimensions) for row in connection.execute(sa.select(vector_spaces).order_by(vector_spaces.c.space))]


def corpora(connection: sa.Connection, space: str) -> list[tuple[str, str, int, int]]:
    """(tenant, collection, generation, points) that the space should hold."""
    columns = (chunks.c.tenant_id, chunks.c.collection_id, chunks.c.generation)
    statement = sa.select(*columns, sa.func.count()).join(generations, _OF_GENERATION)
    statement = statement.where(generations.c.space == space).group_by(*columns).order_by(*columns)
    return [tuple(row) for row in connection.execute(statement)]


def sample(connection: sa.Connection, tenant_id: str, space: str, *, count: int, seed: int) -> list[Any]:
    """`count` rows of `page_of` at random places, or all there are: ids are hashes, so the next one behind a random id is a fair draw."""
    first = page(connection, tenant_id, space, after="", limit=count + 1)
    if len(first) <= count:
        return list(first)
    draw = random.Random(seed)  # noqa: S311 - a sample, no secret
    found: dict[str, Any] = {}
    while len(found) < count:
        place = str(uuid.UUID(int=draw.getrandbits(128)))
        row = next(iter(page(connection, tenant_id, space, after=place, limit=1)), first[0])
        # One that is drawn already stands for its neighbour: among few rows the last would be long in coming.
        while row["id"] in found:
            row = next(iter(page(connection, tenant_id, space, after=row["id"], limit=1)), first[0])
        found[row["id"]] = row
    return list(found.values())


def known(connection: sa.Connection, ids: Iterable[str]) -> set[str]:
    """Those of the ids that a chunk has: an index may still hold points that are about to leave it."""
    return set(connection.scalars(sa.select(chunks.c.id).where(chunks.c.id.in_(list(ids)))))
