"""Who goes away in the middle of an answer leaves nothing open."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.types import Message

from semantik.http import sse
from semantik.http.streaming import Streamed

SCOPE: dict[str, Any] = {"type": "http", "asgi": {"spec_version": "2.3"}, "method": "GET", "headers": []}


class Source:
    """Pieces without an end, from something that must be closed, and takes its time for it."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()

    async def pieces(self) -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"piece"
                await asyncio.sleep(0)
        finally:
            await asyncio.sleep(0.01)
            self.closed.set()


class Client:
    """Reads `reads` parts of an answer, then nothing more, and hangs up; or breaks while it is sent to."""

    def __init__(self, reads: int, *, breaks: bool = False) -> None:
        self._left, self._breaks = reads, breaks
        self._gone = asyncio.Event()

    async def receive(self) -> Message:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self._left -= 1
        if self._left < 0:
            if self._breaks:
                raise OSError("broken pipe")
            self._gone.set()
            await asyncio.sleep(3600)


@pytest.mark.parametrize("breaks", [False, True], ids=["hangs up", "breaks"])
@pytest.mark.parametrize("reads", [0, 1, 2, 5])
async def test_a_client_that_goes_away_closes_what_was_sent(reads: int, breaks: bool) -> None:
    source, client = Source(), Client(reads, breaks=breaks)
    pieces = source.pieces()
    answer = Streamed(pieces, first=await anext(pieces))
    gc.disable()
    try:
        async with asyncio.timeout(10):
            try:
                await answer(SCOPE, client.receive, client.send)
            except* OSError:
                assert breaks
            # Only the answer itself may have closed it: it is held here, and nothing is collected.
            await source.closed.wait()
    finally:
        gc.enable()
    await pieces.aclose()  # type: ignore[attr-defined]  # a generator, typed as an iterator


async def test_an_answer_that_is_read_to_its_end_has_all_of_it() -> None:
    async def three() -> AsyncIterator[bytes]:
        for piece in (b"a", b"b", b"c"):
            yield piece

    sent: list[bytes] = []

    async def send(message: Message) -> None:
        sent.append(message.get("body", b""))

    await Streamed(three(), first=b"0")(SCOPE, Client(99).receive, send)
    assert b"".join(sent) == b"0abc"


async def test_events_of_a_client_that_hung_up_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "_KEEP_ALIVE_S", 0.01)
    closed = asyncio.Event()

    async def silent() -> AsyncIterator[sse.Message]:
        try:
            await asyncio.sleep(3600)
            yield sse.Message("never", None)
        finally:
            closed.set()

    client = Client(3)
    async with asyncio.timeout(10):
        await sse.stream(silent())(SCOPE, client.receive, client.send)
        await closed.wait()
