"""Statements of archives: the hold that keeps stored files in place, the names of files, whether a target is empty."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from datetime import timedelta

import sqlalchemy as sa

from semantik.kit.database import AsyncSession, db_now
from semantik.rows.order import moved
from semantik.tables.documents import documents, file_holds, vector_spaces

_PAGE = 1_000


async def hold_files(session: AsyncSession, hold_id: str, *, seconds: float) -> None:
    await session.execute(sa.insert(file_holds).values(id=hold_id, expires_at=await db_now(session) + timedelta(seconds=seconds)))


async def renew_hold(session: AsyncSession, hold_id: str, *, seconds: float) -> bool:
    """False when it ran out meanwhile: files may have gone since."""
    at = await db_now(session)
    renewed = await session.execute(
        sa.update(file_holds)
        .where(file_holds.c.id == hold_id, file_holds.c.expires_at > at)
        .values(expires_at=at + timedelta(seconds=seconds))
        .returning(file_holds.c.id)
    )
    return renewed.one_or_none() is not None


async def drop_holds(session: AsyncSession, hold_id: str) -> None:
    """This one, and those that killed processes left."""
    at = await db_now(session)
    await session.execute(sa.delete(file_holds).where(sa.or_(file_holds.c.id == hold_id, file_holds.c.expires_at <= at)))


def file_names(connection: sa.Connection) -> Iterator[tuple[str, str]]:
    """(tenant, hash) of every file that a document names, each once, by hash. One page of names is in memory."""
    streams = (_names(connection, column) for column in (documents.c.content_hash, documents.c.text_hash))
    last: tuple[str, str] | None = None
    for name, tenant in heapq.merge(*streams):
        if (name, tenant) != last:
            yield tenant, name
        last = (name, tenant)


def holds_rows(connection: sa.Connection) -> str | None:
    """The name of a table that has rows; None when there are none at all, or no tables yet."""
    there = set(sa.inspect(connection).get_table_names())
    for table in moved():
        if table.name in there and connection.scalar(sa.select(sa.exists(sa.select(sa.literal(1)).select_from(table)))):
            return table.name
    return None


def ask_for_rebuilds(connection: sa.Connection, reason: str) -> None:
    """Has the index filled from the rows at the next start: an archive holds none."""
    connection.execute(sa.update(vector_spaces).values(rebuild_reason=reason))


def _names(connection: sa.Connection, column: sa.Column[str]) -> Iterator[tuple[str, str]]:
    last: tuple[str, str] = ("", "")
    while True:
        # Digits before small letters in every collation, so the two streams can be merged here.
        key = (column, documents.c.tenant_id)
        behind = sa.tuple_(*key) > sa.tuple_(*map(sa.literal, last))
        statement = sa.select(*key).distinct().where(column.is_not(None), behind).order_by(*key).limit(_PAGE)
        page = [(row[0], row[1]) for row in connection.execute(statement)]
        yield from page
        if len(page) < _PAGE:
            return
        last = page[-1]
