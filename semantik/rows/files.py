"""Which stored files the rows name: originals and extracted texts, by tenant and hash."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from semantik.tables.documents import documents


@dataclass(frozen=True, slots=True)
class Expected:
    """`content_bytes`: of originals as they were measured, of texts by their characters."""

    files: int
    content_bytes: int


def named(connection: sa.Connection, *, after: tuple[str, str] | None = None) -> Iterator[tuple[str, str]]:
    """(tenant, hash), each pair once, in an order of this database's; read as it is asked for, behind `after`."""
    found = _distinct()
    statement = sa.select(found.c.tenant_id, found.c.hash).order_by(found.c.tenant_id, found.c.hash)
    if after is not None:
        statement = statement.where(sa.tuple_(found.c.tenant_id, found.c.hash) > sa.tuple_(*after))
    for row in connection.execute(statement, execution_options={"yield_per": 1_000}):
        yield row.tenant_id, row.hash


def expected(connection: sa.Connection) -> Expected:
    count = connection.scalar(sa.select(sa.func.count()).select_from(_distinct())) or 0
    originals = sa.select(documents.c.tenant_id, documents.c.content_hash, sa.func.max(documents.c.size_bytes).label("size"))
    originals = originals.where(documents.c.content_hash.is_not(None)).group_by(documents.c.tenant_id, documents.c.content_hash)
    size = connection.scalar(sa.select(sa.func.sum(originals.subquery().c.size))) or 0
    chars = connection.scalar(sa.select(sa.func.sum(documents.c.text_chars)).where(documents.c.text_hash.is_not(None))) or 0
    return Expected(int(count), int(size) + int(chars))


def _distinct() -> sa.Subquery:
    parts = [
        sa.select(documents.c.tenant_id, column.label("hash")).where(column.is_not(None))
        for column in (documents.c.content_hash, documents.c.text_hash)
    ]
    return sa.union(*parts).subquery()
