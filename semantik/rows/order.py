"""Which tables an installation consists of, parents before children, and which stay behind for a reason."""

from __future__ import annotations

import sqlalchemy as sa

import semantik.tables  # noqa: F401 - registers every table
from semantik.tables.base import metadata

# A new table goes along by itself. Whoever leaves one out says why.
LEFT_OUT = {
    "file_holds": "of backups that are being taken from the source",
    "workers": "heartbeats of the source's processes; those of the target write their own",
    "moves": "how this very database was filled",
}


def moved() -> list[sa.Table]:
    """Every table that goes along, each after all that it refers to."""
    return [table for table in metadata.sorted_tables if table.name not in LEFT_OUT]


def parent_of(table: sa.Table) -> sa.ForeignKey | None:
    """The reference of a table to itself, where it has one: such rows go parents first."""
    found = [key for key in table.foreign_keys if key.column.table is table]
    assert len(found) <= 1, f"{table.name} refers to itself in several columns; `pages` follows one"
    return found[0] if found else None
