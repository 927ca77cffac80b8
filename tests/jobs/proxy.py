"""Stands between a client and PostgreSQL, and hangs up after a COMMIT was carried out and before its answer arrives."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType


class Proxy:
    """`cut` counts down commits that pass; the one that makes it zero never hears that it was done."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self.cut: int | None = None
        self.cuts = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        return int(self._server.sockets[0].getsockname()[1])

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        up_reader, up_writer = await asyncio.open_connection(*self._target)
        doomed = asyncio.Event()

        async def there() -> None:
            while data := await reader.read(65536):
                if b"COMMIT" in data and self.cut is not None:
                    self.cut -= 1
                    if self.cut == 0:
                        self.cut = None
                        doomed.set()
                up_writer.write(data)
                await up_writer.drain()

        async def back() -> None:
            while data := await up_reader.read(65536):
                if doomed.is_set():
                    # The server has answered, so the commit is done; nobody will know.
                    self.cuts += 1
                    return
                writer.write(data)
                await writer.drain()

        both = [asyncio.create_task(there()), asyncio.create_task(back())]
        with contextlib.suppress(ConnectionError):
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        for one in both:
            one.cancel()
        await asyncio.gather(*both, return_exceptions=True)
        for each in (writer, up_writer):
            each.close()
