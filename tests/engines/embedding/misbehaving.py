"""An embeddings endpoint on loopback that does what it is told: right answers, and each wrong one that we know of."""

from __future__ import annotations

import asyncio
import base64
import json
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

DIMENSIONS = 8


@dataclass(frozen=True, slots=True)
class Answer:
    """`cut` = bytes of the body after which the connection is dropped; `delay_s` before answering."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    delay_s: float = 0.0


Behaviour = Callable[[dict[str, Any]], Answer]


def vector_of(text: str, dimensions: int = DIMENSIONS) -> list[float]:
    random = np.random.default_rng(zlib.crc32(text.encode()))
    return [float(value) for value in random.standard_normal(dimensions)]


def right(request: dict[str, Any], *, dimensions: int = DIMENSIONS, backwards: bool = False, as_lists: bool = False) -> Answer:
    rows = []
    for index, text in enumerate(request["input"]):
        vector = vector_of(text, dimensions)
        packed = base64.b64encode(np.array(vector, dtype="<f4").tobytes()).decode()
        rows.append({"object": "embedding", "index": index, "embedding": vector if as_lists else packed})
    return Answer(body=json.dumps({"object": "list", "data": rows[::-1] if backwards else rows}).encode())


class Endpoint:
    """Answers with the next of `script`, then with `always`. Keeps what it was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.script: list[Behaviour] = []
        self.always: Behaviour = right
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.most_at_once = 0
        self._now = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:]) if name}
        request = json.loads(await reader.readexactly(int(headers.get("content-length", "0"))))
        self.requests.append(request)
        self.headers.append(headers)
        answer = (self.script.pop(0) if self.script else self.always)(request)
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        await asyncio.sleep(answer.delay_s)
        self._now -= 1
        lines = [f"HTTP/1.1 {answer.status} X", f"Content-Length: {len(answer.body)}", "Content-Type: application/json"]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        body = answer.body if answer.cut is None else answer.body[: answer.cut]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode() + body)
        await writer.drain()
        return answer.cut is None


@asynccontextmanager
async def endpoint() -> AsyncIterator[Endpoint]:
    made = Endpoint()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield made
    finally:
        server.close()
