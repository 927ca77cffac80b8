"""Keyset pages: an opaque cursor that holds the sort key of the last item, and the shape of every list answer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar, overload

from fastapi import Query
from pydantic import BaseModel, Field

from semantik.kit import cursors
from semantik.kit.cursors import BadCursor

Item = TypeVar("Item")
A = TypeVar("A", bound="Key")
B = TypeVar("B", bound="Key")
C = TypeVar("C", bound="Key")
Key = str | int | datetime

# SQLite and PostgreSQL both store at most a signed 64-bit integer.
_MAX_INTEGER = 2**63 - 1

Limit = Annotated[int, Query(ge=1, le=200, description="Items on one page.")]
Cursor = Annotated[str | None, Query(max_length=2000, description="`next_cursor` of the page before.")]


class Page(BaseModel, Generic[Item]):
    """`total` is null where counting would cost more than the page."""

    items: list[Item]
    next_cursor: str | None = Field(None, description="Pass it as `cursor` for the next page; null on the last one.")
    total: int | None = Field(None, description="Items on all pages, where known.")


def encode_cursor(*key: Key) -> str:
    return cursors.seal([part.isoformat() if isinstance(part, datetime) else part for part in key])


@overload
def decode_cursor(cursor: str | None, a: type[A], /) -> tuple[A] | None: ...
@overload
def decode_cursor(cursor: str | None, a: type[A], b: type[B], /) -> tuple[A, B] | None: ...
@overload
def decode_cursor(cursor: str | None, a: type[A], b: type[B], c: type[C], /) -> tuple[A, B, C] | None: ...
def decode_cursor(cursor: str | None, *types: type[Any]) -> tuple[Any, ...] | None:
    """The key of `encode_cursor`, checked against its types: `decode_cursor(cursor, datetime, str)`. None without a cursor.

    Raises `BadCursor` for anything that `encode_cursor` would not have made.
    """
    if cursor is None:
        return None
    key = cursors.unseal(cursor)
    if len(key) != len(types):
        raise BadCursor("the cursor belongs to another list")
    return tuple(map(_part, key, types))


def _part(value: object, wanted: type[Any]) -> Any:
    try:
        match value:
            case str() if wanted is datetime:
                return datetime.fromisoformat(value).astimezone(UTC)
            case str() if wanted is str and "\x00" not in value and not _lone_surrogate(value):
                return value
            case int() if wanted is int and not isinstance(value, bool) and abs(value) <= _MAX_INTEGER:
                return value
    except (ValueError, OverflowError):
        pass
    raise BadCursor("the cursor belongs to another list")


def _lone_surrogate(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return True
    return False
