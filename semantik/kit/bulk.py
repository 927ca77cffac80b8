"""Writes many rows at once, in the way that is fastest on each database (decision 0014).

Rows are written in the order of their table's key, whoever writes them: two transactions that insert some of the same rows wait for
each other, and never both at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from semantik.kit.copying import Copy

Row = Mapping[str, Any]

# SQLite takes at most 32,766 variables in one statement.
_MAX_VARIABLES = 30_000
# On PostgreSQL, from as many rows on, COPY and one INSERT are faster than an INSERT for each row in a pipeline.
_WORTH_A_COPY = 200


def insert_into(session: AsyncSession, table: sa.Table) -> Any:
    """The dialect's own insert: only it knows `on_conflict_do_nothing` and `on_conflict_do_update`, the same on both."""
    return sqlite.insert(table) if session.get_bind().dialect.name == "sqlite" else postgresql.insert(table)


async def insert_ignore(session: AsyncSession, table: sa.Table, rows: Sequence[Row]) -> None:
    """Inserts rows and leaves those that exist already as they are."""
    await _write(session, table, rows, lambda statement: statement.on_conflict_do_nothing())


async def upsert(session: AsyncSession, table: sa.Table, rows: Sequence[Row], *, keys: Sequence[str]) -> None:
    """Inserts rows, or overwrites every other given column of the row with equal `keys`. Of rows with equal keys the last one counts."""
    if not rows:
        return
    changed = [name for name in rows[0] if name not in keys]

    def overwrite(statement: Any) -> Any:
        return statement.on_conflict_do_update(index_elements=list(keys), set_={name: statement.excluded[name] for name in changed})

    await _write(session, table, list({tuple(row[key] for key in keys): row for row in rows}.values()), overwrite)


async def _write(session: AsyncSession, table: sa.Table, rows: Sequence[Row], on_conflict: Any) -> None:
    # The statement is made from the first row alone: a column that only others have would be left out in silence.
    assert all(row.keys() == rows[0].keys() for row in rows), "rows written together have the same columns"
    if not rows:
        return
    keys = [column.name for column in table.primary_key if column.name in rows[0]]
    ordered = sorted(rows, key=lambda row: [row[key] for key in keys])
    if len(ordered) >= _WORTH_A_COPY and session.get_bind().dialect.name == "postgresql":
        incoming = await _copied(session, table, ordered)
        names = list(incoming.c.keys())
        taken = sa.select(*incoming.c).order_by(*(incoming.c[key] for key in keys))
        await session.execute(on_conflict(insert_into(session, table).from_select(names, taken)))
        await session.execute(sa.delete(incoming))
        return
    size = max(1, _MAX_VARIABLES // len(rows[0]))
    statement = on_conflict(insert_into(session, table))
    for start in range(0, len(ordered), size):
        await session.execute(statement, [dict(row) for row in ordered[start : start + size]])


async def _copied(session: AsyncSession, table: sa.Table, rows: Sequence[Row]) -> sa.TableClause:
    """The rows in a table that only this connection sees, empty again after the transaction."""
    columns = [table.c[name] for name in rows[0]]
    connection = await session.connection()
    dialect = connection.dialect
    shape = ", ".join(f'"{column.name}" {column.type.compile(dialect)}' for column in columns)
    # It outlives the transaction, which spares making it each time; after a migration the columns differ, and so does the name.
    incoming = sa.table(
        f"incoming_{table.name}_{hashlib.sha256(shape.encode()).hexdigest()[:8]}", *(sa.column(one.name, one.type) for one in columns)
    )
    await session.execute(sa.text(f"CREATE TEMPORARY TABLE IF NOT EXISTS {incoming.name} ({shape}) ON COMMIT DELETE ROWS"))
    copy = Copy(incoming.name, columns, dialect)
    driver: Any = (await connection.get_raw_connection()).driver_connection
    with copy.errors():
        async with driver.cursor() as cursor, cursor.copy(copy.command) as taking:
            for row in rows:
                await taking.write_row(copy.bound(row[column.name] for column in columns))
    return incoming
