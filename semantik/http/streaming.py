"""Answers that are sent while they are made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from fastapi.responses import StreamingResponse
from starlette.types import Send

from semantik.kit.concurrency import close


class Streamed(StreamingResponse):
    """Sends `first`, then `rest`, and closes `rest`, which may hold a file or a snapshot, also when the client goes away in the middle."""

    def __init__(self, rest: AsyncIterator[bytes], *, first: bytes = b"", **options: Any) -> None:
        super().__init__(_begun(first, rest), **options)
        self._rest = rest

    async def stream_response(self, send: Send) -> None:
        try:
            await super().stream_response(send)
        finally:
            # Shielded: who ends a stream for a client that has gone cancels every wait in it, that of closing too.
            await asyncio.shield(close(self._rest))


async def _begun(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if first:
        yield first
    async for piece in rest:
        yield piece
