"""Events go out one by one, and silence is filled with comments."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from fastapi import Request

from semantik.http import sse


def request(**headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "headers": raw})


async def two() -> AsyncIterator[sse.Message]:
    yield sse.Message("job.progress", {"done": 1, "text": "zwölf\nZeilen"}, id="7")
    yield sse.Message("job.done", {})


async def test_messages_carry_event_id_and_json() -> None:
    pieces = [piece async for piece in sse.stream(two()).body_iterator]
    assert b"".join(piece for piece in pieces if isinstance(piece, bytes)).decode() == (
        'event: job.progress\ndata: {"done": 1, "text": "zwölf\\nZeilen"}\nid: 7\n\nevent: job.done\ndata: {}\n\n'
    )


async def test_silence_is_filled_with_comments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "_KEEP_ALIVE_S", 0.01)

    async def silent() -> AsyncIterator[sse.Message]:
        await asyncio.sleep(3600)
        yield sse.Message("never", None)

    body = aiter(sse.stream(silent()).body_iterator)
    assert [await anext(body), await anext(body)] == [b": keep-alive\n\n"] * 2


@pytest.mark.parametrize(("sent", "number"), [("12", 12), ("", None), ("-1", None), ("x", None), ("9" * 30, None), ("٣", None)])
def test_only_a_number_of_ours_is_a_last_event(sent: str, number: int | None) -> None:
    raw = [(b"last-event-id", sent.encode("latin-1", "replace"))]
    assert sse.last_event_id(Request({"type": "http", "headers": raw})) == number


def test_a_stream_is_sent_to_whom_asks_for_one() -> None:
    assert sse.wanted(request(accept="text/event-stream"))
    assert not sse.wanted(request(accept="application/json"))
