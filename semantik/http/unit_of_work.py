"""A request is a unit of work: when its transaction met another one and could not end, it is done again.

    router = APIRouter(prefix="/api/v1", route_class=UnitOfWork)

Only what the database itself refused is repeated (`WriteConflict`, `RowsChanged`), and only while nothing has been sent. A
form is not: its files have been read.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

from fastapi import Request, Response

from semantik.http.idempotency import KeyedRoute
from semantik.kit import logs
from semantik.kit.database_errors import RowsChanged, WriteConflict

log = logs.get(__name__)

_TRIES = 4
_PAUSE_S = 0.05
# Where FastAPI keeps what sessions leave to do when the handler has returned: their commit.
_FUNCTION_STACK = "fastapi_function_astack"


class UnitOfWork(KeyedRoute):
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        run = super().get_route_handler()

        async def handle(request: Request) -> Response:
            tries = 1 if request.headers.get("content-type", "").startswith("multipart/") else _TRIES
            for left in reversed(range(tries)):
                try:
                    # Each try has its own session, and its commit belongs to the try.
                    async with AsyncExitStack() as sessions:
                        request.scope[_FUNCTION_STACK] = sessions
                        return await run(request)
                except (WriteConflict, RowsChanged):
                    if not left:
                        raise
                    log.info("request met another change and starts again", tries_left=left)
                    await asyncio.sleep(_PAUSE_S * 2 ** (tries - left) * random.random())  # noqa: S311 (jitter)
            raise AssertionError("the last try returns or raises")

        return handle
