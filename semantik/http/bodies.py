"""What no request may carry: too much of it, NUL, half a character, or a number that no database holds.

PostgreSQL refuses NUL in text, UTF-8 has no lone surrogates, and both databases stop at 64-bit integers. Refused here,
once, with a sentence, none of them reaches a statement as a failure of ours.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn
from urllib.parse import unquote_to_bytes

from starlette.types import Message, Receive, Scope

from semantik.http.problems import Refused
from semantik.kit.errors import InvalidInput, TooLarge

# Uploads stream to disk and are bounded file by file by the route that takes them.
_UPLOADS = re.compile(r"/api/v1/collections/([^/]+/uploads|import)/?")
_MAX_INTEGER_DIGITS = 18
_MAX_QUERY_BYTES = 32 * 1024
_MAX_DEPTH = 100


class BadText(InvalidInput):
    code = "bad_text"
    title = "The request holds text that cannot be stored"
    default_hint = "Remove what is no text: NUL (\\u0000, %00) and halves of surrogate pairs such as \\ud83d without their second half."


class BadNumber(InvalidInput):
    code = "bad_number"
    title = "The request holds a number that cannot be stored"
    default_hint = "Send an integer of at most 18 digits or a finite number; what is longer goes into a string."


class TooDeep(InvalidInput):
    code = "too_deep"
    title = "The body is nested too deeply"
    default_hint = "Send a flatter body."


def check_address(scope: Scope) -> None:
    """Raises `BadText` for NUL in path or query, `TooLarge` for an endless query."""
    query: bytes = scope.get("query_string", b"")
    if len(query) > _MAX_QUERY_BYTES:
        raise TooLarge(f"the query string is longer than {_MAX_QUERY_BYTES} bytes")
    if "\x00" in scope["path"] or b"\x00" in unquote_to_bytes(query):
        raise BadText("the address holds a NUL character")


def checked(scope: Scope, receive: Receive, *, max_bytes: int) -> Receive:
    """`receive` that refuses a body past `max_bytes` and, for JSON, one whose values cannot be stored."""
    if scope["method"] in ("GET", "HEAD", "OPTIONS") or _UPLOADS.fullmatch(scope["path"]):
        return receive
    headers = dict(scope["headers"])
    is_json = b"json" in headers.get(b"content-type", b"").lower()
    pieces: list[bytes] = []
    size = 0

    async def receive_on() -> Message:
        nonlocal size
        if _declared_length(headers) > max_bytes:
            _refuse_size(max_bytes)
        message = await receive()
        if message["type"] != "http.request":
            return message
        piece = message.get("body", b"")
        size += len(piece)
        if size > max_bytes:
            _refuse_size(max_bytes)
        if is_json:
            pieces.append(piece)
            if not message.get("more_body", False):
                _check_json(b"".join(pieces))
        return message

    return receive_on


def _declared_length(headers: dict[bytes, bytes]) -> int:
    try:
        return int(headers.get(b"content-length", b"0"))
    except ValueError:
        return 0


def _refuse_size(max_bytes: int) -> NoReturn:
    raise Refused(
        TooLarge(
            f"the body is larger than {max_bytes} bytes",
            hint="Send files to the uploads endpoint; SEMANTIK_REQUEST_MAX_BYTES sets this limit.",
            max_bytes=max_bytes,
        )
    )


def _check_json(body: bytes) -> None:
    """What does not parse is left to the route, which says where; what parses must be storable."""
    try:
        value = json.loads(body, parse_int=_integer, parse_float=_float, parse_constant=_constant)
    except RecursionError:
        raise Refused(TooDeep(f"the body is nested more than {_MAX_DEPTH} levels deep")) from None
    except ValueError:
        return
    _walk(value)


def _walk(root: Any) -> None:
    level, depth = [root], 0
    while level:
        depth += 1
        if depth > _MAX_DEPTH:
            raise Refused(TooDeep(f"the body is nested more than {_MAX_DEPTH} levels deep"))
        below: list[Any] = []
        for value in level:
            if isinstance(value, str):
                _check_text(value)
            elif isinstance(value, dict):
                for key in value:
                    _check_text(key)
                below.extend(value.values())
            elif isinstance(value, list):
                below.extend(value)
        level = below


def _check_text(text: str) -> None:
    if "\x00" in text:
        raise Refused(BadText("a string of the body holds a NUL character", hint="Remove \\u0000."))
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Refused(BadText("a string of the body holds half of a surrogate pair")) from None


def _integer(text: str) -> int:
    if len(text.lstrip("-")) > _MAX_INTEGER_DIGITS:
        raise Refused(BadNumber(f"the body holds the integer {text[:20]}..., which has more than {_MAX_INTEGER_DIGITS} digits"))
    return int(text)


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise Refused(BadNumber(f"the body holds the number {text[:20]}, which is too large"))
    return value


def _constant(text: str) -> NoReturn:
    raise Refused(BadNumber(f"the body holds {text}, which is not JSON"))
