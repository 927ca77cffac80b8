"""A database whose process was killed in the middle of a transaction is sound, and says so before anybody works with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from semantik.kit import sqlite_files
from semantik.rows.opening import reading

_KILLED = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("CREATE TABLE kept (body TEXT)")
connection.execute("INSERT INTO kept VALUES ('before')")
connection.execute("PRAGMA cache_size=2")
connection.execute("BEGIN")
connection.executemany("INSERT INTO kept VALUES (?)", [("half " * 500,)] * 200)
os._exit(9)
"""


@pytest.fixture
def left(tmp_path: Path) -> Path:
    path = tmp_path / "semantik #1.db"
    assert subprocess.run([sys.executable, "-c", _KILLED, str(path)]).returncode == 9
    journal = path.with_name(f"{path.name}-journal")
    assert journal.stat().st_size, "SQLite keeps what the transaction overwrote"
    return path


def test_what_was_half_written_is_rolled_back_and_no_damage(left: Path) -> None:
    assert sqlite_files.damage(left) is None
    assert not left.with_name(f"{left.name}-journal").exists()


def test_it_can_be_read_by_who_may_only_read(left: Path) -> None:
    with reading(f"sqlite:///{left}") as connection:
        assert list(connection.scalars(sa.text("SELECT body FROM kept"))) == ["before"]


def test_a_file_that_is_no_database_stays_as_it_is(tmp_path: Path) -> None:
    path, journal = tmp_path / "notes.db", tmp_path / "notes.db-journal"
    path.write_bytes(b"this is no database at all" * 100)
    journal.write_bytes(b"nor is this a journal" * 100)
    before = path.read_bytes()
    assert sqlite_files.damage(path) == "file is not a database"
    assert path.read_bytes() == before
