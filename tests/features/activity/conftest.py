"""The world of the engine tests behind the real routes: an app, a client for each tenant, a server for sockets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI

from semantik.features.activity import live
from semantik.features.activity.routes import router
from semantik.features.dead_letters.routes import router as dead_letters
from semantik.features.schedules.routes import router as schedules
from semantik.features.workers.routes import router as workers
from semantik.http import middleware, problems
from semantik.http.local import as_local
from semantik.jobs.dispatch_local import LocalDispatcher
from tests.jobs.conftest import World, own_kinds, world  # noqa: F401 - fixtures
from tests.services import free_port


@pytest.fixture
def app(world: World) -> FastAPI:  # noqa: F811
    made = FastAPI()
    made.state.runtime = world.runtime
    problems.install(made)
    middleware.install(made, world.runtime.settings)
    for one in (router, dead_letters, workers, schedules, live.router):
        made.include_router(one)
    return made


def client_of(app: Any) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://semantik.test/api/v1")


@pytest.fixture
async def client(app: FastAPI, world: World) -> AsyncIterator[httpx2.AsyncClient]:  # noqa: F811
    async with client_of(as_local(app, world.actor)) as made:
        yield made


@pytest.fixture
async def stranger(app: FastAPI, world: World) -> AsyncIterator[httpx2.AsyncClient]:  # noqa: F811
    async with client_of(as_local(app, world.other)) as made:
        yield made


@pytest.fixture
async def dispatcher(world: World) -> AsyncIterator[LocalDispatcher]:  # noqa: F811
    made = LocalDispatcher(world.runtime)
    await made.start()
    yield made
    await made.stop(grace_s=2)


Serve = Callable[[Any], AbstractAsyncContextManager[str]]


@pytest.fixture
def serve() -> Serve:
    """Serves an app on a free port for as long as the block lasts; gives host and port."""

    @asynccontextmanager
    async def served(app: Any) -> AsyncIterator[str]:
        port = free_port()
        server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", lifespan="off"))
        task = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.should_exit = True
            with contextlib.suppress(asyncio.CancelledError):
                await task

    return served
