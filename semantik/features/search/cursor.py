"""Where the next page begins: how many hits were shown, how deep the index was asked, and which request it belongs to."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass

from semantik.kit.errors import InvalidInput


class BadCursor(InvalidInput):
    code = "bad_cursor"
    title = "The cursor cannot be used"
    default_hint = "Send the cursor of the page before with the same query and filters, or none for the first page."


@dataclass(frozen=True, slots=True)
class Place:
    """`depth` 0: not asked yet."""

    offset: int
    depth: int


def seal_place(place: Place, fingerprint: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([place.offset, place.depth, fingerprint]).encode()).rstrip(b"=").decode()


def open_place(cursor: str | None, fingerprint: str) -> Place:
    """Raises `BadCursor` for anything `seal_place` has not made for the same request."""
    if cursor is None:
        return Place(0, 0)
    try:
        offset, depth, owner = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)))
    except (ValueError, TypeError, RecursionError):
        raise BadCursor("the cursor is not one of this server") from None
    if owner != fingerprint:
        raise BadCursor("the cursor belongs to another search")
    if type(offset) is not int or type(depth) is not int or not 0 <= offset <= 100_000 or not 1 <= depth <= 1_000:
        raise BadCursor("the cursor is not one of this server")
    return Place(offset, depth)
