"""Where the next page begins: how many hits were shown, how deep the index was asked, and which request it belongs to."""

from __future__ import annotations

from dataclasses import dataclass

from semantik.kit import cursors
from semantik.kit.cursors import BadCursor


@dataclass(frozen=True, slots=True)
class Place:
    """`depth` 0: not asked yet."""

    offset: int
    depth: int


def seal_place(place: Place, fingerprint: str) -> str:
    return cursors.seal([place.offset, place.depth, fingerprint])


def open_place(cursor: str | None, fingerprint: str) -> Place:
    """Raises `BadCursor` for anything `seal_place` has not made for the same request."""
    if cursor is None:
        return Place(0, 0)
    match cursors.unseal(cursor):
        case [offset, depth, owner]:
            pass
        case _:
            raise BadCursor("the cursor belongs to another list")
    if owner != fingerprint:
        raise BadCursor("the cursor belongs to another search")
    if type(offset) is not int or type(depth) is not int or not 0 <= offset <= 100_000 or not 1 <= depth <= 1_000:
        raise BadCursor("the cursor is not one of this server")
    return Place(offset, depth)
