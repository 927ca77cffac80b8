"""Which stored files the rows name: originals and extracted texts, by tenant and hash."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from semantik.rows.pages import PAGE_ROWS
from semantik.tables.documents import documents

_HASHES = (documents.c.content_hash, documents.c.text_hash)


@dataclass(frozen=True, slots=True)
class Expected:
    """`content_bytes`: each file once; originals as they were measured, texts by their characters."""

    files: int
    content_bytes: int


def named(
    connection: sa.Connection,
    *,
    after: tuple[str, str] | None = None,
    where: sa.ColumnElement[bool] | None = None,
    size: int = PAGE_ROWS,
) -> Iterator[tuple[str, str]]:
    """(tenant, hash) of what documents (those for which `where` holds) name, each pair once, by hash; behind the pair `after`.

    Read page by page as it is asked for: no cursor stays open, and the indexes of both hashes spare a sort.
    """
    last = ("", "") if after is None else (after[1], after[0])
    for pair in heapq.merge(*(_by_hash(connection, column, last, where=where, size=size) for column in _HASHES)):
        if pair != last:
            yield pair[1], pair[0]
        last = pair


def expected(connection: sa.Connection) -> Expected:
    count = connection.scalar(sa.select(sa.func.count()).select_from(_distinct())) or 0
    originals = sa.select(documents.c.tenant_id, documents.c.content_hash, sa.func.max(documents.c.size_bytes).label("size"))
    originals = originals.where(documents.c.content_hash.is_not(None)).group_by(documents.c.tenant_id, documents.c.content_hash)
    size = connection.scalar(sa.select(sa.func.sum(originals.subquery().c.size))) or 0
    # The text of a plain file is that file.
    other = documents.alias()
    is_original = sa.exists().where(other.c.content_hash == documents.c.text_hash, other.c.tenant_id == documents.c.tenant_id)
    texts = sa.select(documents.c.tenant_id, documents.c.text_hash, sa.func.max(documents.c.text_chars).label("chars"))
    texts = texts.where(documents.c.text_hash.is_not(None), ~is_original).group_by(documents.c.tenant_id, documents.c.text_hash)
    chars = connection.scalar(sa.select(sa.func.sum(texts.subquery().c.chars))) or 0
    return Expected(int(count), int(size) + int(chars))


def _by_hash(
    connection: sa.Connection, column: sa.Column[str], last: tuple[str, str], *, where: sa.ColumnElement[bool] | None, size: int
) -> Iterator[tuple[str, str]]:
    # Digits before small letters in every collation, so that two such streams can be merged here.
    key = (column, documents.c.tenant_id)
    statement = sa.select(*key).distinct().where(column.is_not(None)).order_by(*key).limit(size)
    if where is not None:
        statement = statement.where(where)
    while True:
        page = [(row[0], row[1]) for row in connection.execute(statement.where(sa.tuple_(*key) > sa.tuple_(*map(sa.literal, last))))]
        yield from page
        if len(page) < size:
            return
        last = page[-1]


def _distinct() -> sa.Subquery:
    parts = [sa.select(documents.c.tenant_id, column.label("hash")).where(column.is_not(None)) for column in _HASHES]
    return sa.union(*parts).subquery()
