"""A small app on the real spine: accounts, and a few routes that only the tests of manners need."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from fastapi import FastAPI, UploadFile, WebSocket
from pydantic import BaseModel

from semantik.features.accounts import routes as accounts
from semantik.features.accounts import startup
from semantik.http import middleware, openapi, problems, sockets
from semantik.http.dependencies import PUBLIC, Admin, Reader, ReadSession, Writer, WriteSession
from semantik.http.pagination import Cursor, Limit, decode_cursor
from semantik.kit.database import Database
from semantik.kit.errors import RateLimited, SemantikError, Unavailable
from semantik.kit.secrets import Keyring
from semantik.kit.settings import Settings
from semantik.tables.accounts import tenants


@dataclass(frozen=True)
class Spine:
    """What the spine itself uses of a runtime: no engine is opened for a test of manners."""

    settings: Settings
    database: Database
    keyring: Keyring


class Note(BaseModel):
    text: str
    size: int = 0
    extra: Any = None


def build(spine: Spine) -> FastAPI:
    app = FastAPI(openapi_url=None)
    app.state.runtime = spine
    problems.install(app)
    middleware.install(app, spine.settings)
    openapi.install(app, version="0")
    app.include_router(accounts.router)
    _add_probes(app)
    return app


def _add_probes(app: FastAPI) -> None:
    @app.post("/probe/notes", dependencies=[PUBLIC])
    async def note(body: Note) -> Note:
        return body

    @app.post("/api/v1/collections/probe/uploads", dependencies=[PUBLIC])
    async def upload(file: UploadFile) -> int:
        return len(await file.read())

    @app.get("/probe/list", dependencies=[PUBLIC])
    async def listed(limit: Limit = 10, cursor: Cursor = None) -> list[Any]:
        return [limit, list(decode_cursor(cursor, str, int) or ())]

    @app.get("/probe/broken", dependencies=[PUBLIC])
    async def broken() -> None:
        raise ZeroDivisionError("the secret reason")

    @app.get("/probe/ours", dependencies=[PUBLIC])
    async def ours() -> None:
        raise SemantikError("the secret reason")

    @app.get("/probe/down", dependencies=[PUBLIC])
    async def down() -> None:
        raise Unavailable("the index is starting", hint="Wait a moment.")

    @app.get("/probe/busy", dependencies=[PUBLIC])
    async def busy() -> None:
        raise RateLimited("too fast", retry_after_s=2.2)

    @app.post("/probe/tenants", dependencies=[PUBLIC])
    async def add_tenant(name: str, session: WriteSession, fail: bool = False) -> str:
        await session.execute(sa.insert(tenants).values(id=name, name=name, created_at=sa.func.current_timestamp()))
        if fail:
            raise Unavailable("on second thought")
        return name

    @app.get("/probe/tenants", dependencies=[PUBLIC])
    async def count_tenants(session: ReadSession) -> int:
        return int(await session.scalar(sa.select(sa.func.count()).select_from(tenants)) or 0)

    @app.get("/probe/read")
    async def read(actor: Reader) -> str:
        return actor.tenant_id

    @app.get("/probe/write")
    async def write(actor: Writer) -> str:
        return actor.tenant_id

    @app.get("/probe/admin")
    async def admin(actor: Admin) -> str:
        return actor.tenant_id

    @app.websocket("/ws/probe")
    async def socket(websocket: WebSocket, actor: Reader) -> None:
        await sockets.accept(websocket)
        await websocket.send_text(actor.tenant_id)
        await websocket.close()


@pytest.fixture
def spine(database_url: str, database: Database, tmp_path: Any) -> Spine:
    settings = Settings(data_dir=tmp_path, database_url=database_url, request_max_bytes=10_000, login_attempts_per_minute=5)
    return Spine(settings, database, Keyring((b"k" * 32,)))


@pytest.fixture
def app(spine: Spine) -> FastAPI:
    return build(spine)


def client_of(app: Any, **given: Any) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://semantik.test", **given)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(app) as made:
        yield made


PASSWORD = "four words nobody joins"


@dataclass
class Account:
    email: str
    session: dict[str, Any]

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.session['access_token']}"}


@pytest.fixture
async def admin(spine: Spine, client: httpx2.AsyncClient) -> Account:
    """The first account, made the way the first visitor makes it."""
    token = await startup.ensure_setup_token(spine.database)
    body = {"token": token, "email": "Ada@Example.org", "password": PASSWORD, "name": "Ada"}
    answer = await client.post("/api/v1/setup", json=body)
    assert answer.status_code == 201, answer.text
    return Account("ada@example.org", answer.json())
