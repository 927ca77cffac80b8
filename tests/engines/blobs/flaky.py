"""A line to a server that does what it is told: passes on, cuts after so many bytes, is slow, or is dead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Line:
    """`cut_down` and `cut_up`: for each connection to come, the bytes towards client or server after which both ends are dropped."""

    url: str = ""
    dead: bool = False
    delay_s: float = 0.0
    cut_down: list[int] = field(default_factory=list)
    cut_up: list[int] = field(default_factory=list)
    connections: int = 0


@asynccontextmanager
async def line(to: str) -> AsyncIterator[Line]:
    """A loopback address that leads to `to`, an http URL."""
    host, _, port = to.removeprefix("http://").partition(":")
    made = Line()
    open_ends: set[asyncio.StreamWriter] = set()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.connections += 1
        if made.dead:
            writer.transport.abort()
            return
        down, up = (made.cut_down.pop(0) if made.cut_down else None), (made.cut_up.pop(0) if made.cut_up else None)
        there_reader, there = await asyncio.open_connection(host, int(port))
        ends = {writer, there}
        open_ends.update(ends)

        async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter, left: int | None) -> None:
            while piece := await source.read(65_536):
                await asyncio.sleep(made.delay_s)
                if made.dead or (left is not None and len(piece) >= left):
                    target.write(piece[: left or 0])
                    await target.drain()
                    raise ConnectionResetError
                left = None if left is None else left - len(piece)
                target.write(piece)
                await target.drain()
            raise ConnectionResetError

        try:
            await asyncio.gather(pump(there_reader, writer, down), pump(reader, there, up))
        except OSError:
            pass
        finally:
            open_ends.difference_update(ends)
            for end in ends:
                end.close()

    server = await asyncio.start_server(connect, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        server.close()
        for end in open_ends:
            end.transport.abort()
