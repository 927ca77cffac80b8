"""Server-sent events: one answer that stays open, with comments that keep proxies from closing it.

    if sse.wanted(request):
        return sse.stream(events(after=sse.last_event_id(request)))

FastAPI's own EventSourceResponse wants a route that only streams; ours answer a JSON page or a stream by `Accept`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.sse import format_sse_event

from semantik.http.streaming import Streamed
from semantik.kit.concurrency import closing, end

MEDIA_TYPE = "text/event-stream"
_KEEP_ALIVE_S = 15.0


@dataclass(frozen=True, slots=True)
class Message:
    """`data` is sent as JSON. `id` comes back as Last-Event-ID when the client reconnects."""

    event: str
    data: Any
    id: str | None = None


def wanted(request: Request) -> bool:
    return MEDIA_TYPE in request.headers.get("accept", "")


def last_event_id(request: Request) -> int | None:
    """The number of the last event that the client has seen; None when it names none of ours."""
    text = request.headers.get("last-event-id", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def stream(messages: AsyncIterator[Message]) -> Streamed:
    """Sends each message as it comes, a comment after 15 s of silence; closes `messages` when the client goes away."""
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return Streamed(_encoded(messages, _KEEP_ALIVE_S), media_type=MEDIA_TYPE, headers=headers)


async def _encoded(messages: AsyncIterator[Message], keep_alive_s: float) -> AsyncIterator[bytes]:
    pending: asyncio.Task[Message | None] | None = None
    try:
        while True:
            if pending is None:
                pending = asyncio.ensure_future(_next(messages))
            # wait, not wait_for: a timeout must not cancel the source in the middle of its step.
            done, _ = await asyncio.wait({pending}, timeout=keep_alive_s)
            if not done:
                yield b": keep-alive\n\n"
                continue
            message = pending.result()
            pending = None
            if message is None:
                return
            yield format_sse_event(data_str=json.dumps(message.data, default=str, ensure_ascii=False), event=message.event, id=message.id)
    finally:
        async with closing(messages):
            await end(pending)


async def _next(messages: AsyncIterator[Message]) -> Message | None:
    return await anext(messages, None)
