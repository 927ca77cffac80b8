"""Connections for whole databases: a source that cannot be written, and a target whose owner we are.

Neither takes on the role of the app (`kit/walls.py`): COPY is refused behind row-level security, and every tenant's rows go.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url

from semantik.kit.database_errors import in_our_words

_CONNECT_S = 10


@contextmanager
def reading(url: str, *, still: bool = False) -> Iterator[sa.Connection]:
    """One snapshot of the database for as long as the block lasts; no statement can write.

    `still`: nobody writes it meanwhile, which the caller knows because it holds the folder. SQLite then leaves not even a lock
    beside the file. Otherwise a server may go on: the block sees the rows as they were at its first statement.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        engine = _sqlite_read_only(Path(str(parsed.database)), still=still)
    else:
        engine = _postgresql(parsed).execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    try:
        with in_our_words(), engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def writing(url: str) -> Iterator[sa.Connection]:
    """A connection that may write everything. The caller says `with connection.begin()` around what belongs together."""
    parsed = make_url(url)
    engine = _sqlite(Path(str(parsed.database))) if parsed.get_backend_name() == "sqlite" else _postgresql(parsed)
    try:
        with in_our_words(), engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _postgresql(url: URL) -> sa.Engine:
    arguments = {"application_name": "semantik-moving", "connect_timeout": _CONNECT_S}
    url = url.set(drivername="postgresql+psycopg")
    return sa.create_engine(url, connect_args=arguments, poolclass=sa.NullPool, hide_parameters=True)


def _sqlite(path: Path) -> sa.Engine:
    engine = sa.create_engine(f"sqlite:///{path}", poolclass=sa.NullPool, hide_parameters=True)

    @sa.event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")

    return _with_begin(engine, "BEGIN IMMEDIATE")


def _sqlite_read_only(path: Path, *, still: bool) -> sa.Engine:
    # A log that a killed process left holds committed rows, and `immutable` would pass over it.
    log = path.with_name(path.name + "-wal")
    immutable = still and not (log.exists() and log.stat().st_size)
    address = f"file:{quote(str(path))}?mode=ro{'&immutable=1' if immutable else ''}"
    engine = sa.create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(address, uri=True, check_same_thread=False),
        poolclass=sa.NullPool,
        hide_parameters=True,
    )
    return _with_begin(engine, "BEGIN")


def _with_begin(engine: sa.Engine, statement: str) -> sa.Engine:
    """Python's driver would begin late, and not at all for a read: a snapshot has to begin when we say so."""

    @sa.event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA busy_timeout=30000")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA cache_size=-64000")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(statement)

    return engine
