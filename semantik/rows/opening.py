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

from semantik.kit import sqlite_files
from semantik.kit.database_errors import in_our_words
from semantik.kit.errors import Conflict, Misconfigured

_CONNECT_S = 10
_ALONE = 7302520
_SYNTAX = "Write postgresql://user@host:5432/name or sqlite:///file."


class ClaimLost(Conflict):
    code = "claim_lost"
    title = "Others may have written to the database meanwhile"
    default_hint = "Give the same command once more: it goes on from there, and compares all of it."


# So that whoever carries rows between two need not import the library that opens them.
Connection = sa.Connection


@contextmanager
def reading(url: str, *, still: bool = False) -> Iterator[sa.Connection]:
    """One snapshot of the database for as long as the block lasts; no statement can write.

    `still`: nobody writes it meanwhile, which the caller knows because it holds the folder. SQLite then leaves not even a lock
    beside the file. Otherwise a server may go on: the block sees the rows as they were at its first statement.
    """
    parsed = _address(url)
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
    parsed = _address(url)
    engine = _sqlite(Path(str(parsed.database))) if parsed.get_backend_name() == "sqlite" else _postgresql(parsed)
    try:
        with in_our_words(), engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def alone(url: str) -> Iterator[bool]:
    """Says whether nobody else is in such a block of this database, from whatever machine. A SQLite file has its folder's lock.

    Raises `ClaimLost` at the end when that cannot be said of the whole block.
    """
    if _address(url).get_backend_name() == "sqlite":
        yield True
        return
    with writing(url) as connection:
        # The lock is the connection's, not the transaction's, which would otherwise stand open for hours.
        with connection.begin():
            taken = bool(connection.scalar(sa.select(sa.func.pg_try_advisory_lock(_ALONE))))
        yield taken
        if taken:
            # Said aloud: the server hears of a closed connection later than whoever asks next.
            with connection.begin():
                kept = connection.scalar(sa.select(sa.func.pg_advisory_unlock(_ALONE)))
            if not kept:
                raise ClaimLost("the connection that kept others away was lost meanwhile, and somebody else may have written too")


def place(url: str) -> str:
    """Where a database lies, for people and for comparing: without user and password."""
    parsed = _address(url)
    if parsed.get_backend_name() == "sqlite":
        return f"sqlite:///{Path(str(parsed.database)).resolve()}"
    return f"postgresql://{parsed.host or 'localhost'}:{parsed.port or 5432}/{parsed.database}"


def exists(url: str) -> bool:
    """Whether there is a database at all; a server that does not answer is no answer to that."""
    parsed = _address(url)
    return parsed.get_backend_name() != "sqlite" or Path(str(parsed.database)).is_file()


def has_table(connection: sa.Connection, name: str) -> bool:
    return sa.inspect(connection).has_table(name)


def revision(connection: sa.Connection) -> str | None:
    """Where its schema stands; None for a database without ours."""
    if not has_table(connection, "alembic_version"):
        return None
    found: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return found


def processes(connection: sa.Connection) -> int:
    """Connections that servers and workers have to a PostgreSQL database. SQLite has none: there the data folder has an owner."""
    if connection.dialect.name != "postgresql":
        return 0
    statement = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'semantik'"
    return connection.scalar(sa.text(statement)) or 0


def size_bytes(connection: sa.Connection) -> int:
    """What the whole database takes where it lies, indexes included."""
    if connection.dialect.name == "postgresql":
        return connection.scalar(sa.text("SELECT pg_database_size(current_database())")) or 0
    return int(connection.scalar(sa.text("PRAGMA page_count")) or 0) * int(connection.scalar(sa.text("PRAGMA page_size")) or 0)


def analyse(connection: sa.Connection) -> None:
    """Tells PostgreSQL's planner what came in: it would read whole tables at first. SQLite's plans were chosen without statistics."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("ANALYZE")


def encoding(connection: sa.Connection) -> str:
    if connection.dialect.name != "postgresql":
        return "UTF8"
    return str(connection.scalar(sa.text("SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()")))


def _address(url: str) -> URL:
    """Raises `Misconfigured`, which repeats nothing of the address: it may hold a password."""
    try:
        parsed = make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        raise Misconfigured("the address of a database cannot be read", hint=_SYNTAX) from None
    if parsed.get_backend_name() not in ("postgresql", "sqlite"):
        raise Misconfigured("the address of a database names neither PostgreSQL nor SQLite", hint=_SYNTAX)
    return parsed


def _postgresql(url: URL) -> sa.Engine:
    arguments = {"application_name": "semantik-rows", "connect_timeout": _CONNECT_S}
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
    sqlite_files.roll_back(path)
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
