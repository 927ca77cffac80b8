"""Cursors of lists: JSON in url-safe letters, opaque to clients; whoever makes one checks what is in it when it comes back."""

from __future__ import annotations

import base64
import json
from typing import Any

from semantik.kit.errors import InvalidInput


class BadCursor(InvalidInput):
    code = "bad_cursor"
    title = "The cursor cannot be used"
    default_hint = "Pass next_cursor of the page before as it is, with the same filters, or leave it out for the first page."


def seal(content: list[Any]) -> str:
    packed = json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def unseal(cursor: str) -> list[Any]:
    """Raises `BadCursor` for anything but the cursor of a list. What is in the list may still be anything."""
    try:
        content = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)))
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, list):
        raise BadCursor("the cursor is not one of this server")
    return content
