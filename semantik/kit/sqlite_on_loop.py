"""Python's own SQLite driver behind the asynchronous engine, without a thread: what `Database.lookup` runs on.

Importing this module makes the dialect `sqlite+onloop` known; such an engine connects with `factory=Connection`.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite


class _Cursor(sqlite3.Cursor):
    """What SQLAlchemy's asynchronous results ask of a cursor beyond the driver's own."""

    server_side = False

    async def _async_soft_close(self) -> None:
        """Nothing is open: rows were fetched when the statement ran."""


class Connection(sqlite3.Connection):
    def cursor(self, factory: Any = _Cursor) -> Any:
        return super().cursor(factory)


class _OnTheLoop(SQLiteDialect_pysqlite):
    """Python's own SQLite driver behind the asynchronous engine: no statement ever awaits anything."""

    driver = "onloop"
    is_async = True
    supports_statement_cache = True


registry.register("sqlite.onloop", __name__, _OnTheLoop.__name__)
