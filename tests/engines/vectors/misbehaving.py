"""A Qdrant server on loopback that does what it is told: right answers from the stand-in, and each wrong one that we know of."""

from __future__ import annotations

import asyncio
import json
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from fastapi import Request, Response
from qdrant_client.local.qdrant_local import QdrantLocal

from tests import qdrant_server


@dataclass(slots=True)
class Server:
    """The next requests are answered by `script`, then with `always`, then rightly. Keeps what it was asked: (method, path, body)."""

    url: str = ""
    script: list[Response] = field(default_factory=list)
    always: Response | None = None
    delay_s: float = 0.0
    requests: list[tuple[str, str, Any]] = field(default_factory=list)
    clients: set[tuple[str, int]] = field(default_factory=set)

    def asked(self, method: str, ending: str) -> list[Any]:
        return [body for how, path, body in self.requests if how == method and path.endswith(ending)]


@asynccontextmanager
async def server() -> AsyncIterator[Server]:
    made = Server()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        app = qdrant_server.build(QdrantLocal(":memory:"))

    @app.middleware("http")
    async def misbehave(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        body = await request.body()
        made.requests.append((request.method, request.url.path, json.loads(body) if body else None))
        assert request.client is not None
        made.clients.add((request.client.host, request.client.port))
        await asyncio.sleep(made.delay_s)
        if made.script:
            return made.script.pop(0)
        return made.always or await call_next(request)

    running = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="off"))
    task = asyncio.create_task(running.serve())
    while not running.started:
        await asyncio.sleep(0.01)
    made.url = f"http://127.0.0.1:{running.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        running.should_exit = running.force_exit = True
        await task
