"""Opens the database and hands out sessions; says in both dialects what only one of them says.

SQLite has one writer by design: `Database.write()` sessions take the write lock with their first statement
(BEGIN IMMEDIATE) over a single connection, so they queue here and never meet SQLITE_BUSY half-way; `Database.read()`
sessions see a snapshot and never wait for a writer (WAL). `Database.lookup()` is for a few rows found by index: on
SQLite its statements run on the event loop itself, in a tenth of the time that a trip to a driver's thread and back
takes for each of them. On PostgreSQL all three use one pool.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.dialects import postgresql, registry, sqlite
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool
from sqlalchemy.types import TypeDecorator

from semantik.kit import slow_queries
from semantik.kit.errors import Unavailable

__all__ = ["AsyncSession", "Database", "UtcDateTime", "db_now", "for_update_skip_locked", "insert_ignore", "open_database", "upsert"]


# A pool or a server that is full empties within seconds; two transactions that met do not meet again at once.
_BUSY_RETRY_S = 5.0
_CONFLICT_RETRY_S = 1.0


class DatabaseUnavailable(Unavailable):
    code = "database_unavailable"


class DatabaseBusy(Unavailable):
    """No connection came free, or a statement or a lock took longer than it may."""

    code = "database_busy"
    title = "The database is busy"
    default_hint = "Try again in a few seconds."


class WriteConflict(Unavailable):
    """The transaction met another one and was rolled back whole: a deadlock, a serialization failure.

    Whoever owns the unit of work (the request, the job's runner) does it again from its start.
    """

    code = "write_conflict"
    title = "Another change came in between"
    default_hint = "Nothing of the request was kept; send it again."


class DiskFull(Unavailable):
    code = "disk_full"
    title = "The disk is full"
    default_hint = "Free some space; nothing was lost, and work goes on from where it stopped."


class DatabaseDamaged(Unavailable):
    code = "database_damaged"
    title = "The database file is damaged"
    default_hint = "Nothing was changed. Restore the database from a backup; the index is rebuilt from it."


class OpenedBeforeFork(RuntimeError):
    """A database that was opened before a fork: its connections are shared by all children and answer with each other's rows."""


# The role that sessions on PostgreSQL take on: it owns no table and bypasses no policy (`migrations/walls.py` makes it).
APP_ROLE = "semantik_app"
# What a policy compares a row's tenant with, for the length of a transaction; this value means every tenant.
TENANT_VARIABLE = "semantik.tenant"
EVERY_TENANT = "*"
_TENANT = "tenant"

# Whose rows a session may see: a tenant, what tells it once the first statement comes, or None for every tenant's.
Tenant = str | Callable[[], str | None] | None


class _WalledSession(orm.Session):
    """Tells PostgreSQL with each transaction whose rows it is about."""


@sa.event.listens_for(_WalledSession, "after_begin")
def _name_the_tenant(session: orm.Session, _: object, connection: sa.Connection) -> None:
    if connection.dialect.name == "postgresql":
        tenant: Tenant = session.info.get(_TENANT)
        value = tenant() if callable(tenant) else tenant
        _see(connection, EVERY_TENANT if value is None else value)


def _see(connection: sa.Connection, tenant: str) -> None:
    connection.execute(sa.select(sa.func.set_config(TENANT_VARIABLE, tenant, True)))


async def see_every_tenant(session: AsyncSession) -> None:
    """Lifts the wall for the rest of the transaction: for the few questions of a tenant's job that are about all of them."""
    connection = await session.connection()
    if connection.dialect.name == "postgresql":
        await connection.run_sync(_see, EVERY_TENANT)


class Database:
    """Sessions of one database. Nobody but the request, the job step, the job store and the CLI commits.

    `tenant`: whose rows the session may see, on PostgreSQL by row-level security behind `auth/access`. What serves a
    tenant names it; the engine's own duties, which are for all, do not.
    """

    def __init__(self, engine: AsyncEngine, writer: AsyncEngine, near: AsyncEngine) -> None:
        self._pid = os.getpid()
        self.engine = engine
        self._writer = writer
        self._near = near
        # What every session carries in its `info`; whoever composes the process may add to it.
        self.info: dict[str, Any] = {}
        options: dict[str, Any] = {"expire_on_commit": False, "info": self.info, "sync_session_class": _WalledSession}
        self._read = async_sessionmaker(engine, **options)
        self._write = async_sessionmaker(writer, **options)
        self._lookup = async_sessionmaker(near, **options)

    @property
    def dialect(self) -> str:
        return self.engine.dialect.name

    @asynccontextmanager
    async def read(self, tenant: Tenant = None) -> AsyncIterator[AsyncSession]:
        """A session for reading only: rolled back at the end."""
        self._refuse_after_fork()
        with _in_our_words():
            async with self._read() as session:
                session.info[_TENANT] = tenant
                yield session

    @asynccontextmanager
    async def lookup(self, tenant: Tenant = None) -> AsyncIterator[AsyncSession]:
        """A session for reading a few rows by index, quickly: what scans or counts a table belongs into `read`.

        On SQLite the loop stands still for each statement, which for a row by its key is some 20 microseconds.
        """
        self._refuse_after_fork()
        with _in_our_words():
            async with self._lookup() as session:
                session.info[_TENANT] = tenant
                yield session

    @asynccontextmanager
    async def write(self, tenant: Tenant = None) -> AsyncIterator[AsyncSession]:
        """A session whose owner commits; what is not committed when it closes is rolled back."""
        self._refuse_after_fork()
        with _in_our_words():
            async with self._write() as session:
                session.info[_TENANT] = tenant
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
    slow_query_s: float = 1.0,
) -> Database:
    """Makes the engines; connects lazily. `url` is `sqlite:///path` or `postgresql://...`.

    All but `slow_query_s` are for PostgreSQL: SQLite's pool is sized by its one writer.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        reader, writer = _sqlite(parsed, pool_size=8), _sqlite(parsed, pool_size=1, writer=True)
        near = _sqlite(parsed, pool_size=4, near=True)
    else:
        limits = {"statement_timeout": statement_timeout_s, "lock_timeout": lock_timeout_s}
        reader = writer = near = create_async_engine(
            parsed.set(drivername="postgresql+psycopg"),
            pool_size=pool_size,
            max_overflow=max_overflow,
            pool_pre_ping=True,
            pool_recycle=pool_recycle_s,
            pool_timeout=pool_timeout_s,
            connect_args={
                "application_name": "semantik",
                "connect_timeout": 10,
                "options": " ".join(f"-c {name}={round(1000 * seconds)}" for name, seconds in limits.items()),
            },
            hide_parameters=True,
        )
        sa.event.listen(reader.sync_engine, "connect", _take_on_the_role)
    for engine in {reader, writer, near}:
        slow_queries.watch(engine, at_least_s=slow_query_s)
    return Database(reader, writer, near)


def _take_on_the_role(connection: Any, _: object) -> None:
    cursor = connection.cursor()
    cursor.execute(f"SET ROLE {APP_ROLE}")
    cursor.close()
    connection.commit()


class _Cursor(sqlite3.Cursor):
    """What SQLAlchemy's asynchronous results ask of a cursor beyond the driver's own."""

    server_side = False

    async def _async_soft_close(self) -> None:
        """Nothing is open: rows were fetched when the statement ran."""


class _Connection(sqlite3.Connection):
    def cursor(self, factory: Any = _Cursor) -> Any:
        return super().cursor(factory)


class _OnTheLoop(SQLiteDialect_pysqlite):
    """Python's own SQLite driver behind the asynchronous engine: no statement ever awaits anything."""

    driver = "onloop"
    is_async = True
    supports_statement_cache = True


registry.register("sqlite.onloop", __name__, _OnTheLoop.__name__)


def _sqlite(url: URL, *, pool_size: int, writer: bool = False, near: bool = False) -> AsyncEngine:
    engine = create_async_engine(
        url.set(drivername="sqlite+onloop" if near else "sqlite+aiosqlite"),
        poolclass=AsyncAdaptedQueuePool,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=60,
        connect_args={"timeout": 30, **({"factory": _Connection} if near else {})},
        # Bound values are document text, names and hashes: they belong neither in a log nor in an error.
        hide_parameters=True,
    )

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
        cursor.execute("PRAGMA journal_size_limit=67108864")
        cursor.close()

    @sa.event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writer else "BEGIN")

    return engine


@contextmanager
def _in_our_words() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        ours = translated(error)
        if ours is error:
            raise
        raise ours from error
    except PoolTimeout as error:
        raise DatabaseBusy("all connections to the database are busy", retry_after_s=_BUSY_RETRY_S) from error


def translated(error: DBAPIError) -> Exception:
    """The error of ours that says what a driver's error means; the driver's own error when we cannot tell."""
    match getattr(error.orig, "sqlstate", None):
        case "40001" | "40P01":
            return WriteConflict("the change met another one at the same rows", retry_after_s=_CONFLICT_RETRY_S)
        case "55P03":
            return DatabaseBusy("another change holds the same rows", retry_after_s=_BUSY_RETRY_S)
        case "57014":
            return DatabaseBusy("a statement took longer than SEMANTIK_DATABASE_STATEMENT_TIMEOUT_S allows", retry_after_s=_BUSY_RETRY_S)
        case "53300":
            return DatabaseBusy("the database server takes no more connections", retry_after_s=_BUSY_RETRY_S)
        case "53100":
            return DiskFull("the database cannot be written: no space left on its disk")
        case "57P01" | "57P02" | "57P03":
            return DatabaseUnavailable("the database server is shutting down or starting", retry_after_s=_BUSY_RETRY_S)
    text = str(error.orig).lower()
    if f'role "{APP_ROLE}"' in text:
        return DatabaseUnavailable(f"the database does not let this user act as {APP_ROLE}", hint="Run: semantik migrate-schema")
    if "disk is full" in text or "no space left" in text or "disk i/o error" in text:
        return DiskFull("the database cannot be written: no space left on its disk")
    if "malformed" in text or "not a database" in text:
        return DatabaseDamaged("the database file is damaged")
    if "readonly database" in text:
        return DatabaseUnavailable("the database file is read-only", hint="Give this user the right to write the data folder.")
    if "unable to open database file" in text:
        return DatabaseUnavailable("the database file cannot be opened", hint="Is the data folder there, and may this user write in it?")
    if isinstance(error, OperationalError) and (error.connection_invalidated or "connect" in text or "locked" in text):
        return DatabaseUnavailable("the database does not answer", retry_after_s=_BUSY_RETRY_S)
    return error


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
        return value.strftime("%Y-%m-%dT%H:%M:%S.%f") if dialect.name == "sqlite" else value

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


def for_update_skip_locked(session: AsyncSession, statement: sa.Select[Any]) -> sa.Select[Any]:
    """Row locks on PostgreSQL; SQLite's write transaction is the lock already."""
    return statement if session.get_bind().dialect.name == "sqlite" else statement.with_for_update(skip_locked=True)


def _insert(session: AsyncSession, table: sa.Table) -> Any:
    return sqlite.insert(table) if session.get_bind().dialect.name == "sqlite" else postgresql.insert(table)


# SQLite takes at most 32,766 variables in one statement.
_MAX_VARIABLES = 30_000


async def insert_ignore(session: AsyncSession, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Inserts rows and leaves those that exist already as they are."""
    for batch in _batches(rows):
        await session.execute(_insert(session, table).on_conflict_do_nothing(), batch)


async def upsert(session: AsyncSession, table: sa.Table, rows: Sequence[Mapping[str, Any]], *, keys: Sequence[str]) -> None:
    """Inserts rows, or overwrites every other given column of the row with equal `keys`."""
    if not rows:
        return
    statement = _insert(session, table)
    changed = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    for batch in _batches(rows):
        await session.execute(statement.on_conflict_do_update(index_elements=list(keys), set_=changed), batch)


def _batches(rows: Sequence[Mapping[str, Any]]) -> list[list[dict[str, Any]]]:
    # The statement is made from the first row alone: a column that only others have would be left out in silence.
    assert all(row.keys() == rows[0].keys() for row in rows), "rows written together have the same columns"
    size = max(1, _MAX_VARIABLES // max(1, len(rows[0]))) if rows else 1
    return [[dict(row) for row in rows[start : start + size]] for start in range(0, len(rows), size)]


def sqlite_damage(path: str) -> str | None:
    """What `PRAGMA quick_check` says of a database file that looks wrong; None when it is sound."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        (answer,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        return None if answer == "ok" else str(answer)
    except sqlite3.DatabaseError as error:
        return str(error)
    finally:
        connection.close()
