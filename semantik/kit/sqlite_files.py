"""SQLite files before anybody works with them: whether one is sound, and what a killed process left half written in it."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from urllib.parse import quote


def damage(path: Path) -> str | None:
    """What `PRAGMA quick_check` says of a file that looks wrong; None when it is sound. Nothing is written, but for `roll_back`."""
    roll_back(path)
    with contextlib.closing(sqlite3.connect(_address(path, "ro"), uri=True)) as connection:
        try:
            (answer,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.DatabaseError as error:
            return str(error)
    return None if answer == "ok" else str(answer)


def roll_back(path: Path) -> None:
    """Undoes a transaction that a killed process left half written, which SQLite does by itself only where it may write."""
    journal = path.with_name(f"{path.name}-journal")
    if journal.exists() and journal.stat().st_size:
        with contextlib.closing(sqlite3.connect(_address(path, "rw"), uri=True)) as connection, contextlib.suppress(sqlite3.DatabaseError):
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()


def _address(path: Path, mode: str) -> str:
    return f"file:{quote(str(path))}?mode={mode}"
