"""Opens the database and hands out sessions; says in both dialects what only one of them says.

SQLite has one writer by design: `Database.write()` sessions take the write lock with their first statement
(BEGIN IMMEDIATE) over a single connection, so they queue here and never meet SQLITE_BUSY half-way; `Database.read()`
sessions see a snapshot and never wait for a writer (WAL). `Database.lookup()` is for a few rows found by index: on
SQLite its statements run on the event loop itself, in a tenth of the time that a trip to a driver's thread and back
takes for each of them. On PostgreSQL all three use one pool.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool
from sqlalchemy.types import TypeDecorator

from semantik.kit import slow_queries, sqlite_on_loop, walls
from semantik.kit.bulk import insert_ignore, insert_into, upsert
from semantik.kit.database_errors import in_our_words
from semantik.kit.database_file import DatabaseFile

__all__ = [
    "AsyncSession",
    "Database",
    "UtcDateTime",
    "among",
    "db_now",
    "for_update_skip_locked",
    "insert_ignore",
    "insert_into",
    "open_database",
    "upsert",
]


_FRESH_S = 1.0


class OpenedBeforeFork(RuntimeError):
    """A database that was opened before a fork: its connections are shared by all children and answer with each other's rows."""


class Database:
    """Sessions of one database. Nobody but the request, the job step, the job store and the CLI commits.

    `tenant`: whose rows the session may see, on PostgreSQL by row-level security behind `auth/access`. What serves a
    tenant names it; the engine's own duties, which are for all, do not.
    """

    def __init__(self, engine: AsyncEngine, writer: AsyncEngine, near: AsyncEngine, file: DatabaseFile | None) -> None:
        """`file`: of SQLite; a session that could only write into a deleted one, and a connection to another one, are refused."""
        self._pid = os.getpid()
        self.file = file
        self.engine = engine
        self._writer = writer
        self._near = near
        # What every session carries in its `info`; whoever composes the process may add to it.
        self.info: dict[str, Any] = {}
        options: dict[str, Any] = {"expire_on_commit": False, "info": self.info, "sync_session_class": walls.WalledSession}
        self._read = async_sessionmaker(engine, **options)
        self._write = async_sessionmaker(writer, **options)
        self._lookup = async_sessionmaker(near, **options)

    @property
    def dialect(self) -> str:
        return self.engine.dialect.name

    @asynccontextmanager
    async def read(self, tenant: walls.Tenant = None) -> AsyncIterator[AsyncSession]:
        """A session for reading only: rolled back at the end."""
        self._refuse_after_fork()
        with in_our_words():
            async with self._read() as session:
                session.info[walls.TENANT] = tenant
                yield session

    @asynccontextmanager
    async def lookup(self, tenant: walls.Tenant = None) -> AsyncIterator[AsyncSession]:
        """A session for reading a few rows by index, quickly: what scans or counts a table belongs into `read`.

        On SQLite the loop stands still for each statement, which for a row by its key is some 20 microseconds.
        """
        self._refuse_after_fork()
        with in_our_words():
            async with self._lookup() as session:
                session.info[walls.TENANT] = tenant
                yield session

    @asynccontextmanager
    async def write(self, tenant: walls.Tenant = None) -> AsyncIterator[AsyncSession]:
        """A session whose owner commits; what is not committed when it closes is rolled back."""
        self._refuse_after_fork()
        if self.file is not None:
            self.file.check()
        with in_our_words():
            async with self._write() as session:
                session.info[walls.TENANT] = tenant
                yield session

    def _refuse_after_fork(self) -> None:
        if os.getpid() != self._pid:
            raise OpenedBeforeFork("this database was opened before the fork; open it anew in the child")

    async def close(self) -> None:
        for engine in {self.engine, self._writer, self._near}:
            await engine.dispose()


def open_database(
    url: str,
    *,
    pool_size: int = 20,
    max_overflow: int = 40,
    pool_timeout_s: float = 10,
    pool_recycle_s: int = 3600,
    statement_timeout_s: float = 120,
    lock_timeout_s: float = 20,
    idle_transaction_timeout_s: float = 300,
    slow_query_s: float = 1.0,
) -> Database:
    """Makes the engines; connects lazily. `url` is `sqlite:///path` or `postgresql://...`.

    All but `slow_query_s` are for PostgreSQL: SQLite's pool is sized by its one writer.
    """
    parsed, file = make_url(url), DatabaseFile.of(url)
    if file is not None:
        reader, writer = _sqlite(parsed, file, pool_size=8), _sqlite(parsed, file, pool_size=1, writer=True)
        near = _sqlite(parsed, file, pool_size=4, near=True)
    else:
        # The role with the connection itself: whatever it does, the policies hold for it from its first statement.
        options = [f"-c role={walls.APP_ROLE}"]
        limits = {
            "statement_timeout": statement_timeout_s,
            "lock_timeout": lock_timeout_s,
            # Who freezes inside a transaction holds its rows: without this nobody could take them back.
            "idle_in_transaction_session_timeout": idle_transaction_timeout_s,
        }
        for name, seconds in limits.items():
            options.append(f"-c {name}={round(1000 * seconds)}")
        reader = writer = near = create_async_engine(
            parsed.set(drivername="postgresql+psycopg"),
            pool_size=pool_size,
            max_overflow=max_overflow,
            pool_recycle=pool_recycle_s,
            pool_timeout=pool_timeout_s,
            connect_args={
                "application_name": "semantik",
                "connect_timeout": 10,
                "options": " ".join(options),
            },
            hide_parameters=True,
        )
        _ping_after_a_rest(near)
    for engine in {reader, writer, near}:
        slow_queries.watch(engine, at_least_s=slow_query_s)
    return Database(reader, writer, near, file)


# The most that SQLite maps; what lies beyond is read.
_MAPPED_BYTES = 2 * 1024**3


def _ping_after_a_rest(engine: AsyncEngine) -> None:
    """Asks a connection whether it lives before it is used, unless it was used within the last second.

    SQLAlchemy's own `pool_pre_ping` asks each time, which is a tenth of all round trips under load. A connection that died within
    that second fails its request with 503, and has every older one replaced.
    """

    @sa.event.listens_for(engine.sync_engine, "checkin")
    def rests(_: Any, record: sa.pool.ConnectionPoolEntry) -> None:
        record.info["rests_since"] = time.monotonic()

    @sa.event.listens_for(engine.sync_engine, "checkout")
    def ping(connection: Any, record: sa.pool.ConnectionPoolEntry, _: Any) -> None:
        since = record.info.get("rests_since")
        if since is None or time.monotonic() - since < _FRESH_S:
            return
        try:
            alive = engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise sa.exc.DisconnectionError("the server is gone or was started anew") from error
        assert alive, "a ping answers or raises"


def _sqlite(url: URL, file: DatabaseFile, *, pool_size: int, writer: bool = False, near: bool = False) -> AsyncEngine:
    engine = create_async_engine(
        url.set(drivername="sqlite+onloop" if near else "sqlite+aiosqlite"),
        poolclass=AsyncAdaptedQueuePool,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=60,
        connect_args={"timeout": 30, **({"factory": sqlite_on_loop.Connection} if near else {})},
        # Bound values are document text, names and hashes: they belong neither in a log nor in an error.
        hide_parameters=True,
    )

    @sa.event.listens_for(engine.sync_engine, "do_connect")
    def _look(*_: Any) -> None:
        # Where the file is gone, SQLite would make an empty one in its place.
        file.check()

    @sa.event.listens_for(engine.sync_engine, "connect")
    def _configure(connection: Any, _: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        # A reader waits only while a crash is being mended; the loop must not.
        cursor.execute(f"PRAGMA busy_timeout={100 if near else 30000}")
        cursor.execute("PRAGMA cache_size=-8000")
        if near:
            # Rows of hits lie all over the file: mapped, finding 200 of 100,000 takes 0.9 ms instead of 1.5.
            cursor.execute(f"PRAGMA mmap_size={_MAPPED_BYTES}")
        cursor.execute("PRAGMA journal_size_limit=67108864")
        cursor.close()

    @sa.event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writer else "BEGIN")

    return engine


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC datetime on both databases: timestamptz on PostgreSQL; on SQLite text that sorts by time."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> Any:
        return dialect.type_descriptor(sa.String(32) if dialect.name == "sqlite" else sa.DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> Any:
        if value is None:
            return None
        assert value.tzinfo is not None, "datetimes carry a time zone"
        value = value.astimezone(UTC)
        # Not strftime: it writes the year 800 with three digits, which neither sorts nor can be read again.
        return value.replace(tzinfo=None).isoformat(timespec="microseconds") if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        if isinstance(value, str):
            return datetime.fromisoformat(value).replace(tzinfo=UTC)
        return value.astimezone(UTC) if isinstance(value, datetime) else None


async def db_now(session: AsyncSession) -> datetime:
    """The database's clock: leases and schedules compare nothing else."""
    if session.get_bind().dialect.name == "sqlite":
        text = await session.scalar(sa.text("SELECT strftime('%Y-%m-%dT%H:%M:%f', 'now')"))
        return datetime.fromisoformat(str(text)).replace(tzinfo=UTC)
    value = await session.scalar(sa.select(sa.func.clock_timestamp()))
    assert isinstance(value, datetime)
    return value.astimezone(UTC)


class _Texts(TypeDecorator[list[str]]):
    """Any number of texts as one parameter: an array on PostgreSQL, JSON on SQLite."""

    impl = sa.JSON
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> Any:
        return dialect.type_descriptor(sa.JSON() if dialect.name == "sqlite" else postgresql.ARRAY(sa.String))


def among(dialect: str, column: sa.ColumnElement[str], parameter: str) -> sa.ColumnElement[bool]:
    """`column IN (...)` with the list that `parameter` names: one value, so that the statement stays the same however long it is."""
    texts = sa.bindparam(parameter, type_=_Texts())
    if dialect == "sqlite":
        return column.in_(sa.select(sa.func.json_each(texts).table_valued("value", name="wanted").c.value))
    return column == sa.any_(texts)


def for_update_skip_locked(session: AsyncSession, statement: sa.Select[Any]) -> sa.Select[Any]:
    """Row locks on PostgreSQL; SQLite's write transaction is the lock already."""
    return statement if session.get_bind().dialect.name == "sqlite" else statement.with_for_update(skip_locked=True)
