"""What both databases must do alike, and how a driver's failure becomes a sentence."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from semantik.auth.actor import Actor
from semantik.features.collections import repository as collections
from semantik.kit import logs, sqlite_files
from semantik.kit.clock import now
from semantik.kit.database import Database, OpenedBeforeFork, db_now, insert_ignore, open_database, upsert
from semantik.kit.database_errors import DatabaseBusy, DatabaseDamaged, DatabaseUnavailable, DatabaseUnwritable, translated
from semantik.kit.errors import DiskFull
from semantik.tables.accounts import tenants
from semantik.tables.jobs import schedules
from tests import services

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def row(name: str, at: datetime = AT) -> dict[str, object]:
    return {"id": name, "name": name, "created_at": at}


async def names(database: Database) -> dict[str, str]:
    async with database.read() as session:
        return {one.id: one.name for one in await session.execute(sa.select(tenants).order_by(tenants.c.id))}


async def test_a_time_comes_back_as_it_was_in_utc(database: Database) -> None:
    elsewhere = AT.astimezone(timezone(timedelta(hours=9)))
    async with database.write() as session:
        await session.execute(sa.insert(tenants), [row("a"), row("b", elsewhere), row("c", AT + timedelta(microseconds=1))])
        await session.commit()
    async with database.read() as session:
        found = (await session.execute(sa.select(tenants.c.id, tenants.c.created_at).order_by(tenants.c.created_at, tenants.c.id))).all()
        after = (await session.scalars(sa.select(tenants.c.id).where(tenants.c.created_at > AT))).all()
    assert [tuple(one) for one in found] == [("a", AT), ("b", AT), ("c", AT + timedelta(microseconds=1))]
    assert all(one.created_at.tzinfo is UTC for one in found)
    assert after == ["c"]


async def test_the_databases_clock_is_ours_within_a_second(database: Database) -> None:
    async with database.read() as session:
        assert abs(await db_now(session) - now()) < timedelta(seconds=1)


async def test_nothing_is_kept_without_a_commit(database: Database) -> None:
    async with database.write() as session:
        await session.execute(sa.insert(tenants).values(**row("lost")))

    async def fail_half_way() -> None:
        async with database.write() as session:
            await session.execute(sa.insert(tenants).values(**row("lost")))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_half_way()
    assert await names(database) == {}


async def test_rows_are_ignored_or_overwritten_by_key_in_any_number(database: Database) -> None:
    many = [row(f"{number:06}") for number in range(12_000)]
    async with database.write() as session:
        await insert_ignore(session, tenants, many)
        await insert_ignore(session, tenants, [{**row("000001"), "name": "ignored"}, row("new")])
        await upsert(session, tenants, [{**row("000002"), "name": "changed"}, row("newer")], keys=["id"])
        await insert_ignore(session, tenants, [])
        await upsert(session, tenants, [], keys=["id"])
        await session.commit()
    found = await names(database)
    assert len(found) == 12_002
    assert (found["000001"], found["000002"]) == ("000001", "changed")


@pytest.mark.parametrize("count", [3, 700])
async def test_rows_written_in_bulk_are_as_they_were(database: Database, actor: Actor, count: int) -> None:
    """Few or many: on PostgreSQL they go different ways."""

    def made(number: int, name: str) -> dict[str, Any]:
        params = {"é": ["東京", number, None, '\\N\t"\n'], "name": name}
        last: dict[str, Any] = {"every_s": None if number % 2 else number, "created_at": AT + timedelta(microseconds=number)}
        return {"id": f"{number:06}", "tenant_id": actor.tenant_id, "name": f"{number} \\ \t", "kind": "k", "params": params, **last}

    async with database.write(actor.tenant_id) as session:
        await insert_ignore(session, schedules, [made(number, "first") for number in range(count)])
        await insert_ignore(session, schedules, [made(number, "ignored") for number in range(count)])
        again = [made(number, word) for word in ("earlier", "later") for number in range(0, count, 2)]
        await upsert(session, schedules, again, keys=["id"])
        await session.commit()
    async with database.read(actor.tenant_id) as session:
        found = [dict(one._mapping) for one in await session.execute(sa.select(schedules).order_by(schedules.c.id))]
    expected = [made(number, "first" if number % 2 else "later") for number in range(count)]
    assert [{name: one[name] for name in expected[0]} for one in found] == expected


@pytest.mark.parametrize("count", [199, 3000])
async def test_two_who_write_the_same_rows_in_opposite_orders_do_not_lock_each_other_out(database: Database, count: int) -> None:
    many = [row(f"{number:06}") for number in range(count)]

    async def write(rows: list[dict[str, object]]) -> None:
        async with database.write() as session:
            await insert_ignore(session, tenants, rows)
            await upsert(session, tenants, rows, keys=["id"])
            await session.commit()

    await asyncio.gather(*(write(many[::step]) for step in (1, -1) * 8))
    assert len(await names(database)) == count


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_failure_while_many_rows_are_sent_is_said_in_our_words(database: Database) -> None:
    async def write_on_a_dead_connection() -> None:
        async with database.write() as session:
            pid = await session.scalar(sa.text("SELECT pg_backend_pid()"))
            async with database.read() as other:
                await other.execute(sa.text("SET ROLE postgres"))
                await other.execute(sa.text(f"SELECT pg_terminate_backend({pid})"))
            await insert_ignore(session, tenants, [row(f"{number:06}") for number in range(1000)])

    with pytest.raises(DatabaseUnavailable):
        await write_on_a_dead_connection()
    assert await names(database) == {}


async def test_writers_queue_and_readers_do_not_wait(database: Database) -> None:
    async def add(number: int) -> None:
        async with database.write() as session:
            await session.scalar(sa.select(sa.func.count()).select_from(tenants))
            await session.execute(sa.insert(tenants).values(**row(f"{number:03}")))
            await session.commit()

    async with database.write() as holder:
        await holder.execute(sa.insert(tenants).values(**row("held")))
        async with asyncio.timeout(5):
            assert await names(database) == {}
        await holder.commit()
    await asyncio.gather(*(add(number) for number in range(40)))
    assert len(await names(database)) == 41


def failure(text: str) -> OperationalError:
    return OperationalError("SELECT 1", {}, sqlite3.OperationalError(text))


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("database or disk is full", DiskFull),
        ("could not extend file: No space left on device", DiskFull),
        ("database disk image is malformed", DatabaseDamaged),
        ("file is not a database", DatabaseDamaged),
        ("attempt to write a readonly database", DatabaseUnwritable),
        ("disk I/O error", DatabaseUnwritable),
        ("unable to open database file", DatabaseUnavailable),
        ("database is locked", DatabaseUnavailable),
        ("connection to server at 10.0.0.1 failed: Connection refused", DatabaseUnavailable),
        ("something nobody has seen", OperationalError),
    ],
)
def test_a_drivers_failure_becomes_a_sentence_of_ours(text: str, becomes: type[Exception]) -> None:
    made = translated(failure(text))
    assert type(made) is becomes
    assert "10.0.0.1" not in str(made)


def test_a_disk_that_fails_is_not_called_full() -> None:
    made = translated(failure("disk I/O error"))
    assert isinstance(made, DatabaseUnwritable)
    assert "read-only, failing, or full" in made.detail
    assert made.hint and "mounted read-only" in made.hint and made.retry_after_s


async def test_a_file_that_is_no_database_is_said_so(tmp_path: Path) -> None:
    path = tmp_path / "semantik.db"
    path.write_bytes(b"this is no database at all" * 100)
    opened = open_database(f"sqlite:///{path}")
    with pytest.raises(DatabaseDamaged):
        async with opened.read() as session:
            await session.execute(sa.select(tenants))
    await opened.close()
    assert sqlite_files.damage(path) == "file is not a database"
    assert path.read_bytes().startswith(b"this is no database")


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    opened = open_database("postgresql://nobody:secret@127.0.0.1:9/none")
    with pytest.raises(DatabaseUnavailable) as caught:
        async with opened.read() as session:
            await session.execute(sa.select(tenants))
    await opened.close()
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_the_postgresql_under_test_is_the_version_that_was_asked_for(database: Database) -> None:
    async with database.read() as session:
        assert int(str(await session.scalar(sa.text("SHOW server_version_num")))) // 10_000 == services.POSTGRES_VERSION


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_statement_and_a_lock_have_their_time_and_then_say_so(database: Database, database_url: str) -> None:
    async with database.write() as session:
        await session.execute(sa.insert(tenants).values(**row("a")))
        await session.commit()
    hasty = open_database(database_url, pool_size=2, statement_timeout_s=0.3, lock_timeout_s=0.1)
    with pytest.raises(DatabaseBusy, match="STATEMENT_TIMEOUT"):
        async with hasty.read() as session:
            await session.execute(sa.text("SELECT pg_sleep(5)"))
    async with database.write() as holder:
        await holder.execute(sa.update(tenants).values(name="held"))
        with pytest.raises(DatabaseBusy, match="same rows"):
            async with hasty.write() as session:
                await session.execute(sa.update(tenants).values(name="asked"))
    await hasty.close()


async def test_a_slow_statement_is_named_by_the_function_that_asked_and_nothing_it_asked_for(
    actor: Actor, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    slow = open_database(database_url, slow_query_s=0.0)
    logs.configure("warning", "json")
    async with slow.read() as session:
        await collections.page(session, actor, after=None, limit=10, name_contains="a private word")
    await slow.close()
    said = capsys.readouterr().err
    assert '"query": "features.collections.repository.page"' in said
    assert "private" not in said


async def test_a_database_opened_before_a_fork_is_refused_in_the_child(database: Database) -> None:
    """With it shared, 42 of 200 answers were rows of another child."""
    async with database.read() as session:
        await session.execute(sa.text("SELECT 1"))
    child = os.fork()
    if child == 0:
        code = 1
        try:
            database.read().__aenter__().send(None)
        except OpenedBeforeFork:
            code = 42
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 42


async def test_a_lookup_sees_what_was_committed_and_leaves_nothing(database: Database) -> None:
    async with database.write() as session:
        await session.execute(sa.insert(tenants), [row("kept")])
        async with database.lookup() as other:
            assert await other.scalar(sa.select(tenants.c.id).where(tenants.c.id == "kept")) is None
        await session.commit()
    async with database.lookup() as session:
        assert await session.scalar(sa.select(tenants.c.created_at).where(tenants.c.id == "kept")) == AT
        found = await session.stream(sa.select(tenants.c.id).where(tenants.c.id == "kept"))
        assert [one.id async for one in found] == ["kept"]
        await session.execute(sa.insert(tenants), [row("not kept")])
    assert "not kept" not in await names(database)


async def test_a_lookup_fails_in_our_words(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'nowhere' / 'semantik.db'}")
    with pytest.raises(DatabaseUnavailable):
        async with database.lookup() as session:
            await session.execute(sa.text("SELECT 1"))
    await database.close()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_connection_that_died_while_it_rested_is_replaced_unseen(database: Database, database_url: str) -> None:
    async def pid() -> int:
        async with database.read() as session:
            return int(await session.scalar(sa.text("SELECT pg_backend_pid()")) or 0)

    first, killer = await pid(), open_database(database_url, pool_size=1)
    assert await pid() == first, "it is used again"
    async with killer.read() as session:
        await session.execute(sa.text("SET ROLE postgres"))
        await session.execute(sa.text(f"SELECT pg_terminate_backend({first})"))
    await killer.close()
    await asyncio.sleep(1.1)
    assert await pid() != first
