"""Reads a table whole, page by page in the order of a key, so that memory is bounded and a reader can go on where it stopped.

SQLite goes along its row ids, which is the order on disk; PostgreSQL along the primary key. A table that refers to itself is
read level by level, parents first, so that no page refers to a row that comes later.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from semantik.kit.database import UtcDateTime
from semantik.rows.order import moved, parent_of

PAGE_ROWS = 1_000

Row = tuple[Any, ...]
# Plain JSON: the level, then the key of the last row.
Cursor = list[Any]


@dataclass(frozen=True, slots=True)
class Page:
    """`rows`: values in the order of the table's columns, as Python has them. `after`: what to give `pages` to go on behind them."""

    rows: Sequence[Row]
    after: Cursor


def pages(
    connection: sa.Connection,
    table: sa.Table,
    *,
    after: Cursor | None = None,
    where: sa.ColumnElement[bool] | None = None,
    size: int = PAGE_ROWS,
) -> Iterator[Page]:
    """The table's rows (those for which `where` holds), each once, behind the cursor. No page is empty.

    The cursor belongs to this database: another one has another order.
    """
    parent = parent_of(table)
    key: list[sa.ColumnElement[Any]]
    key = [sa.literal_column(f'"{table.name}".rowid')] if connection.dialect.name == "sqlite" else list(table.primary_key.columns)
    level, last = (int(after[0]), after[1:]) if after else (0, [])
    while True:
        statement = sa.select(*table.columns, *(column.label(f"_key_{number}") for number, column in enumerate(key)))
        statement = statement.order_by(*key).limit(size)
        if parent is not None:
            statement = _at_level(statement, table, parent, level)
        if where is not None:
            statement = statement.where(where)
        if last:
            statement = statement.where(sa.tuple_(*key) > sa.tuple_(*_opened(key, last)))
        found = [tuple(row) for row in connection.execute(statement)]
        if found:
            last = _plain(found[-1][len(table.columns) :])
            yield Page([row[: len(table.columns)] for row in found], [level, *last])
        if len(found) == size:
            continue
        if parent is None or not (found or last):
            return
        level, last = level + 1, []


def filled(connection: sa.Connection) -> list[str]:
    """Names of the tables that have rows, of those that go along; none where there are no tables yet."""
    there = set(sa.inspect(connection).get_table_names())
    return [
        table.name
        for table in moved()
        if table.name in there and connection.scalar(sa.select(sa.exists(sa.select(sa.literal(1)).select_from(table))))
    ]


def count(connection: sa.Connection, table: sa.Table) -> int:
    return connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def _at_level(statement: sa.Select[Any], table: sa.Table, parent: sa.ForeignKey, level: int) -> sa.Select[Any]:
    """Narrows to rows that have exactly `level` ancestors."""
    joined: sa.FromClause = table
    below: sa.FromClause = table
    for number in range(level):
        above = table.alias(f"up_{number}")
        joined = joined.join(above, below.c[parent.parent.name] == above.c[parent.column.name])
        below = above
    return statement.select_from(joined).where(below.c[parent.parent.name].is_(None))


def _plain(key: Sequence[Any]) -> list[Any]:
    return [value.isoformat() if isinstance(value, datetime) else value for value in key]


def _opened(key: Sequence[sa.ColumnElement[Any]], values: Sequence[Any]) -> list[sa.ColumnElement[Any]]:
    def opened(column: sa.ColumnElement[Any], value: Any) -> Any:
        return datetime.fromisoformat(value) if isinstance(column.type, UtcDateTime) else value

    return [sa.literal(opened(column, value), column.type) for column, value in zip(key, values, strict=True)]
