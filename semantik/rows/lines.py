"""Rows as lines of JSON and back, typed by their table: what archives hold.

A block is at most some megabytes: its first line is the list of the columns, each further line one row. Times are ISO 8601 in
UTC, bytes are base64, JSON stands as it is. Reading believes nothing: a value that is not of its column's type is refused.
"""

from __future__ import annotations

import base64
import json
import math
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from semantik.kit.archive import ArchiveDamaged
from semantik.kit.database import UtcDateTime
from semantik.rows.pages import Row

# A block is closed when it is larger than the first; one of a single large row may come to the second.
_BLOCK_BYTES = 4 * 1024 * 1024
MAX_BLOCK_BYTES = 512 * 1024 * 1024


def blocks(table: sa.Table, rows: Sequence[Row], *, leave_out: Collection[str] = ()) -> Iterator[bytes]:
    """The rows (values in the order of the table's columns) as blocks, without the columns that are to be left out."""
    kept = [(number, column) for number, column in enumerate(table.columns) if column.name not in leave_out]
    head = _line([column.name for _, column in kept])
    plain = [(number, _plain(column)) for number, column in kept]
    lines, size = [head], len(head)
    for row in rows:
        lines.append(_line([None if row[number] is None else turn(row[number]) for number, turn in plain]))
        size += len(lines[-1])
        if size > _BLOCK_BYTES:
            yield b"".join(lines)
            lines, size = [head], len(head)
    if len(lines) > 1:
        yield b"".join(lines)


def read(table: sa.Table, block: bytes) -> tuple[list[str], list[list[Any]]]:
    """(names of the columns in the block that the table has, rows in that order). Raises `ArchiveDamaged`."""
    head, *lines = block.splitlines() or [b""]
    named = _parsed(table, head)
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named) or len(set(named)) != len(named):
        raise ArchiveDamaged(f"rows of {table.name} do not begin with their columns")
    columns = [table.columns.get(name) for name in named]
    typed = [None if column is None else _typed(column) for column in columns]
    rows: list[list[Any]] = []
    for line in lines:
        values = _parsed(table, line)
        if not isinstance(values, list) or len(values) != len(named):
            raise ArchiveDamaged(f"a row of {table.name} does not have its {len(named)} values")
        rows.append([_value(turn, value) for turn, value in zip(typed, values, strict=True) if turn is not None])
    return [column.name for column in columns if column is not None], rows


def _value(turn: Callable[[Any], Any], value: Any) -> Any:
    return None if value is None else turn(value)


def _line(values: list[Any]) -> bytes:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _parsed(table: sa.Table, line: bytes) -> Any:
    try:
        value = json.loads(line, parse_constant=_refuse, parse_float=_finite)
        # Ours writes no escapes for these; half a surrogate pair is text that no database takes.
        if b"\\ud" in line.lower():
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise ArchiveDamaged(f"a row of {table.name} is no JSON") from error
    return value


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _finite(digits: str) -> float:
    if not math.isfinite(number := float(digits)):
        raise ValueError("a number beyond what a float holds")
    return number


def _plain(column: sa.Column[Any]) -> Callable[[Any], Any]:
    match column.type:
        case sa.LargeBinary():
            return lambda value: base64.b64encode(value).decode()
        case UtcDateTime():
            return lambda value: value.astimezone(UTC).isoformat()
        case _:
            return lambda value: value


def _typed(column: sa.Column[Any]) -> Callable[[Any], Any]:
    def wrong() -> ArchiveDamaged:
        return ArchiveDamaged(f"a row of {column.table.name} holds something in {column.name} that does not belong there")

    def of(*kinds: type) -> Callable[[Any], Any]:
        def check(value: Any) -> Any:
            if type(value) not in kinds:
                raise wrong()
            return value

        return check

    def parsed(turn: Callable[[str], Any]) -> Callable[[Any], Any]:
        def check(value: Any) -> Any:
            if type(value) is not str:
                raise wrong()
            try:
                return turn(value)
            except (ValueError, OverflowError) as error:
                raise wrong() from error

        return check

    def limited(turn: Callable[[Any], Any], fits: Callable[[Any], bool]) -> Callable[[Any], Any]:
        def check(value: Any) -> Any:
            if not fits(turn(value)):
                raise wrong()
            return value

        return check

    bound = 2**63 if isinstance(column.type, sa.BigInteger) else 2**31
    length = getattr(column.type, "length", None)
    match column.type:
        case sa.JSON():
            return lambda value: value
        case sa.LargeBinary():
            return parsed(lambda text: base64.b64decode(text, validate=True))
        case UtcDateTime():
            return parsed(_time)
        case sa.Boolean():
            return of(bool)
        case sa.Float():
            return lambda value: float(limited(of(int, float), lambda number: abs(number) <= sys.float_info.max)(value))
        case sa.Integer():
            return limited(of(int), lambda number: -bound <= number < bound)
        case _:
            return limited(of(str), lambda text: length is None or len(text) <= length)


def _time(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("a time without its zone")
    # The first and the last day of all have no time in every zone.
    return found.astimezone(UTC)
