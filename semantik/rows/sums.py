"""Checksums of tables that are equal on both databases exactly when the rows are.

A row is written down in one canonical way (numbers by value, times in UTC, JSON with sorted keys), hashed, and the hashes are
added: the order, which differs by database and collation, does not count, and a row twice counts twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC
from decimal import Decimal
from struct import pack
from typing import Any

import sqlalchemy as sa

from semantik.kit.database import UtcDateTime
from semantik.rows.pages import Row, count, pages

_DIGEST_BYTES = 32
_MODULUS = 1 << (8 * _DIGEST_BYTES)


@dataclass(frozen=True, slots=True)
class Sum:
    """`digest`: 64 hex digits. `content_bytes`: of the canonical rows, about what they take without indexes."""

    rows: int
    digest: str
    content_bytes: int


class Tally:
    """Adds up rows of one table, in any order and in any number of steps."""

    def __init__(self, table: sa.Table) -> None:
        self._writers = [_writer(column) for column in table.columns]
        self._rows, self._total, self._bytes = 0, 0, 0

    def add(self, rows: Sequence[Row]) -> None:
        for row in rows:
            written = _written(self._writers, row)
            self._total += int.from_bytes(hashlib.blake2b(written, digest_size=_DIGEST_BYTES).digest(), "big")
            self._bytes += len(written)
        self._rows += len(rows)

    @property
    def sum(self) -> Sum:
        return Sum(self._rows, f"{self._total % _MODULUS:0{2 * _DIGEST_BYTES}x}", self._bytes)


def of_table(
    connection: sa.Connection,
    table: sa.Table,
    *,
    where: sa.ColumnElement[bool] | None = None,
    seen: Callable[[int], None] = lambda rows: None,
) -> Sum:
    """Reads the whole table. `seen` hears how many rows each page had."""
    tally = Tally(table)
    for page in pages(connection, table, where=where):
        tally.add(page.rows)
        seen(len(page.rows))
    return tally.sum


# Keys of both sides are held side by side below this many rows: some 100 MB.
_NAMED_UP_TO = 500_000


def differing(one: sa.Connection, other: sa.Connection, table: sa.Table, *, limit: int = 5) -> list[str]:
    """Keys of rows that only one of two databases holds, or holds otherwise; empty where the table is too long to tell."""
    if max(count(one, table), count(other, table)) > _NAMED_UP_TO:
        return []
    mine, theirs = (dict(_digests(connection, table)) for connection in (one, other))
    return [" ".join(map(str, key)) for key in sorted(mine.keys() | theirs.keys(), key=str) if mine.get(key) != theirs.get(key)][:limit]


def _digests(connection: sa.Connection, table: sa.Table) -> Iterator[tuple[Row, bytes]]:
    names = [column.name for column in table.columns]
    places = [names.index(column.name) for column in table.primary_key.columns]
    writers = [_writer(column) for column in table.columns]
    for page in pages(connection, table):
        for row in page.rows:
            yield tuple(row[place] for place in places), hashlib.blake2b(_written(writers, row), digest_size=8).digest()


def _written(writers: Sequence[Callable[[Any], bytes]], row: Row) -> bytes:
    return b"".join([b"-" if value is None else write(value) for write, value in zip(writers, row, strict=True)])


def _writer(column: sa.Column[Any]) -> Callable[[Any], bytes]:
    match column.type:
        case sa.JSON():
            return _json
        case sa.LargeBinary():
            return lambda value: _framed(b"b", bytes(value))
        case sa.Float():
            # Adding zero takes the sign from minus zero, which SQLite does not keep.
            return lambda value: b"d" + pack(">d", value + 0.0)
        case sa.Boolean():
            return lambda value: b"t" if value else b"f"
        case sa.Integer():
            return lambda value: b"i%d;" % value
        case sa.String():
            return lambda value: _framed(b"s", value.encode("utf-8", "surrogatepass"))
        case UtcDateTime():
            return lambda value: b"T" + value.astimezone(UTC).isoformat(timespec="microseconds").encode()
        case other:
            raise AssertionError(f"{column}: nobody taught {other!r} to be written down")


def _framed(tag: bytes, content: bytes) -> bytes:
    return b"%b%d:%b" % (tag, len(content), content)


def _json(value: Any) -> bytes:
    return _framed(b"j", json.dumps(_by_value(value), sort_keys=True, separators=(",", ":")).encode())


def _by_value(value: Any) -> Any:
    """JSONB keeps numbers as decimals: 1e16 comes back as an integer, minus zero without its sign."""
    match value:
        case dict():
            return {key: _by_value(part) for key, part in value.items()}
        case list() | tuple():
            return [_by_value(part) for part in value]
        case float() if value.is_integer():
            return int(Decimal(repr(value)))
        case _:
            return value
