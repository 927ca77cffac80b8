"""Writes rows as `pages` gives them: by COPY on PostgreSQL, in one prepared insert on SQLite. Nothing here commits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from semantik.kit.copying import Copy
from semantik.kit.errors import Conflict
from semantik.rows.pages import Row

_PLACE = re.compile(r"COPY \S+, line (\d+)(?:, column (\w+))?")


class RowUnfit(Conflict):
    """The target cannot hold a row of the source: a NUL in a text, a number beyond its column, a reference to nothing."""

    code = "row_unfit"
    title = "A row does not fit into the target"


def write(connection: sa.Connection, table: sa.Table, rows: Sequence[Row]) -> None:
    """Adds whole rows, values in the order of the table's columns, within the caller's transaction.

    Raises `RowUnfit` naming table, row and column, never a value.
    """
    assert connection.in_transaction(), "rows and the note of them belong into one transaction of the caller's"
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        _copy(connection, table, rows)
    else:
        _insert(connection, table, rows)


def reset_sequences(connection: sa.Connection, tables: Sequence[sa.Table]) -> None:
    """PostgreSQL counts on behind the highest number that was written; SQLite does so by itself."""
    if connection.dialect.name != "postgresql":
        return
    for table in tables:
        name = connection.dialect.identifier_preparer.format_table(table)
        for column in table.columns:
            if not isinstance(column.type, sa.Integer):
                continue
            sequence = connection.scalar(sa.select(sa.func.pg_get_serial_sequence(name, column.name)))
            if sequence is not None:
                highest = sa.select(sa.func.max(column)).scalar_subquery()
                # The third argument: whether that number is taken. Of an empty table none is.
                connection.execute(sa.select(sa.func.setval(sequence, sa.func.coalesce(highest, 1), highest.is_not(None))))


def _copy(connection: sa.Connection, table: sa.Table, rows: Sequence[Row]) -> None:
    copy = Copy(connection.dialect.identifier_preparer.format_table(table), list(table.columns), connection.dialect)
    driver: Any = connection.connection.driver_connection
    try:
        with copy.errors(), driver.cursor() as cursor, cursor.copy(copy.command) as taking:
            for row in rows:
                taking.write_row(copy.bound(row))
    except (sa.exc.DataError, sa.exc.IntegrityError) as error:
        # What the server says quotes the row: neither a log nor an error may.
        raise RowUnfit(f"{table.name}{_place(table, rows, error.orig)}: {_reason(error.orig)}") from None


def _insert(connection: sa.Connection, table: sa.Table, rows: Sequence[Row]) -> None:
    names = [column.name for column in table.columns]
    try:
        connection.execute(table.insert(), [dict(zip(names, row, strict=True)) for row in rows])
    except sa.exc.IntegrityError as error:
        raise RowUnfit(f"{table.name}: {error.orig}") from None


def _reason(error: Any) -> str:
    return str(error.diag.message_primary or "a text holds the character NUL, which PostgreSQL cannot store")


def _place(table: sa.Table, rows: Sequence[Row], error: Any) -> str:
    """Which row and column, as far as PostgreSQL says; its own words would quote the value."""
    found = _PLACE.search(str(error.diag.context or ""))
    if found is None:
        return f".{error.diag.column_name}" if error.diag.column_name else ""
    line, column = int(found[1]), found[2]
    key = ""
    if 0 < line <= len(rows):
        named = dict(zip(table.columns.keys(), rows[line - 1], strict=True))
        key = ", ".join(f"{part.name} {named[part.name]}" for part in table.primary_key.columns)
    return (f".{column}" if column else "") + (f" of {key}" if key else "")
