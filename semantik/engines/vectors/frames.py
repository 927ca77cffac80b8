"""The wire between the serving process and its index process: one JSON head and raw arrays in a frame."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

LENGTH = struct.Struct("<I")
# Top bit of the head's length: a request that goes before the writes that wait.
_URGENT = 1 << 31
Array = NDArray[Any]


def pack(head: Mapping[str, Any], arrays: Sequence[Array] = (), *, urgent: bool = False) -> bytes:
    """Length of all that follows, length of the head with the urgent bit, head, arrays in order."""
    shapes = [[array.dtype.str, list(array.shape)] for array in arrays]
    text = json.dumps({**head, "arrays": shapes}, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
    bodies = [np.ascontiguousarray(array).tobytes() for array in arrays]
    size = LENGTH.size + len(text) + sum(map(len, bodies))
    return b"".join((LENGTH.pack(size), LENGTH.pack(len(text) | (_URGENT if urgent else 0)), text, *bodies))


def unpack(body: bytes) -> tuple[dict[str, Any], list[Array]]:
    """Head and arrays of a frame without its leading length. The arrays are views into `body`."""
    (head_length,) = LENGTH.unpack_from(body)
    at = LENGTH.size + (head_length & ~_URGENT)
    head: dict[str, Any] = json.loads(body[LENGTH.size : at].decode("utf-8", "surrogatepass"))
    arrays: list[Array] = []
    for dtype, shape in head.pop("arrays"):
        count = math.prod(shape)
        arrays.append(np.frombuffer(body, dtype, count, at).reshape(shape))
        at += count * np.dtype(dtype).itemsize
    return head, arrays


def is_urgent(body: bytes) -> bool:
    return bool(LENGTH.unpack_from(body)[0] & _URGENT)


def array_of(ids: Sequence[bytes]) -> Array:
    """Ids of 16 bytes as one array."""
    return np.frombuffer(b"".join(ids), np.uint8).reshape(-1, 16)


def ids_of(array: Array) -> list[bytes]:
    """The ids of `array_of` in order."""
    raw = array.tobytes()
    return [raw[at : at + 16] for at in range(0, len(raw), 16)]


def texts_of(array: Array) -> list[str]:
    """The ids of `array_of` as UUIDs are written."""
    digits = array.tobytes().hex()
    each = (digits[at : at + 32] for at in range(0, len(digits), 32))
    return [f"{id[:8]}-{id[8:12]}-{id[12:16]}-{id[16:20]}-{id[20:]}" for id in each]
