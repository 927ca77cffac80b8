"""Keyset pages: an opaque cursor that holds the sort key of the last item, and the shape of every list answer."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field

from semantik.kit.errors import InvalidInput

Item = TypeVar("Item")
Key = str | int | float | None

# SQLite and PostgreSQL both store at most a signed 64-bit integer.
_MAX_INTEGER = 2**63 - 1

Limit = Annotated[int, Query(ge=1, le=200, description="Items on one page.")]
Cursor = Annotated[str | None, Query(max_length=2000, description="`next_cursor` of the page before.")]


class BadCursor(InvalidInput):
    code = "bad_cursor"
    title = "The cursor cannot be used"
    default_hint = "Pass next_cursor of the page before as it is, or leave it out for the first page."


class Page(BaseModel, Generic[Item]):
    """`total` is null where counting would cost more than the page."""

    items: list[Item]
    next_cursor: str | None = Field(None, description="Pass it as `cursor` for the next page; null on the last one.")
    total: int | None = Field(None, description="Items on all pages, where known.")


def encode_cursor(*key: Key) -> str:
    packed = json.dumps(list(key), separators=(",", ":"), ensure_ascii=False).encode()
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def decode_cursor(cursor: str | None, *types: type) -> tuple[Key, ...] | None:
    """The key of `encode_cursor`, checked against its types: `decode_cursor(cursor, str, int)`. None without a cursor.

    Raises `BadCursor` for anything that `encode_cursor` would not have made.
    """
    if cursor is None:
        return None
    try:
        key = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        raise BadCursor("the cursor is not one of this server") from None
    if not isinstance(key, list) or len(key) != len(types) or not all(map(_fits, key, types)):
        raise BadCursor("the cursor belongs to another list")
    return tuple(key)


def page(items: Sequence[Item], limit: int, key: Sequence[Key] | None, total: int | None = None) -> Page[Item]:
    """A page of what was asked with LIMIT `limit + 1`; `key` is the sort key of item number `limit`, if there is one."""
    more = len(items) > limit
    return Page(items=list(items[:limit]), next_cursor=encode_cursor(*key) if more and key is not None else None, total=total)


def _fits(value: object, wanted: type) -> bool:
    if value is None:
        return True
    if isinstance(value, bool) or not isinstance(value, (int, float) if wanted is float else wanted):
        return False
    if isinstance(value, int):
        return -_MAX_INTEGER <= value <= _MAX_INTEGER
    return not (isinstance(value, str) and (("\x00" in value) or _lone_surrogate(value)))


def _lone_surrogate(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return True
    return False
