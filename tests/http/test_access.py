"""No route is open by accident, a scope is enough or it is not, and one tenant's credentials never act for another."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from fastapi import APIRouter, FastAPI, WebSocket
from fastapi.testclient import TestClient
from starlette.testclient import WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from semantik.auth import credentials
from semantik.auth.actor import Actor, Scope
from semantik.http.dependencies import PUBLIC, Reader
from semantik.http.local import as_local
from semantik.http.openapi import undeclared
from semantik.kit.clock import now
from semantik.kit.database import Database
from semantik.kit.ids import new_id
from semantik.tables.accounts import api_keys, members
from tests.http.conftest import Account, Spine, build, client_of


async def make_key(database: Database, actor: Actor, scope: Scope, **given: Any) -> str:
    secret = credentials.KEY_PREFIX + credentials.new_secret()
    row = {"id": new_id(), "tenant_id": actor.tenant_id, "user_id": actor.user_id, "name": "k", "prefix": secret[:10], "created_at": now()}
    async with database.write() as session:
        await session.execute(sa.insert(api_keys).values(**row, key_hash=credentials.digest(secret), scopes=[scope.value], **given))
        await session.commit()
    return secret


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_a_route_without_exactly_one_rule_is_found(spine: Spine) -> None:
    app = build(spine)
    assert undeclared(app) == []
    router = APIRouter(prefix="/loose")

    @router.get("/open")
    async def forgotten() -> None: ...

    @router.get("/twice", dependencies=[PUBLIC])
    async def twice(actor: Reader) -> None: ...

    @router.websocket("/socket")
    async def socket(websocket: WebSocket) -> None: ...

    app.include_router(router)
    app.mount("/mounted", FastAPI(openapi_url=None))
    assert undeclared(app) == ["/loose/open", "/loose/socket", "/loose/twice", "/mounted"]


async def test_each_scope_includes_the_ones_before_it(spine: Spine, client: httpx2.AsyncClient, actor: Actor) -> None:
    seen = {}
    for scope in Scope:
        key = await make_key(spine.database, actor, scope)
        seen[scope.value] = [(await client.get(f"/probe/{door}", headers=bearer(key))).status_code for door in ("read", "write", "admin")]
    assert seen == {"read": [200, 403, 403], "write": [200, 200, 403], "admin": [200, 200, 200]}
    refused = (await client.get("/probe/admin", headers=bearer(await make_key(spine.database, actor, Scope.READ)))).json()
    assert (refused["code"], refused["needed"]) == ("scope_missing", "admin")


async def test_credentials_act_for_their_own_tenant_only(
    spine: Spine, client: httpx2.AsyncClient, actor: Actor, other_actor: Actor
) -> None:
    for one in (actor, other_actor):
        key = await make_key(spine.database, one, Scope.READ)
        assert (await client.get("/probe/read", headers=bearer(key))).json() == one.tenant_id


@pytest.mark.parametrize("token", ["", "sk_", "sk_" + "x" * 43, "a.b.c", "x", "\x7f", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0."])
async def test_what_is_no_credential_is_refused(client: httpx2.AsyncClient, token: str) -> None:
    answer = await client.get("/probe/read", headers=bearer(token))
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_key_that_lost_its_beginning_is_told_how_keys_begin(spine: Spine, client: httpx2.AsyncClient, actor: Actor) -> None:
    key = await make_key(spine.database, actor, Scope.READ)
    refused = await client.get("/probe/read", headers=bearer(key.removeprefix("sk_")))
    assert refused.json()["code"] == "token_invalid"
    assert "begin with sk_" in refused.json()["hint"]


async def test_dead_keys_open_nothing(spine: Spine, client: httpx2.AsyncClient, actor: Actor) -> None:
    past = now() - timedelta(seconds=1)
    for given in ({"expires_at": past}, {"revoked_at": past}):
        key = await make_key(spine.database, actor, Scope.ADMIN, **given)
        assert (await client.get("/probe/read", headers=bearer(key))).json()["code"] == "key_invalid"


async def test_a_keys_scope_shrinks_with_its_owners_role(spine: Spine, client: httpx2.AsyncClient, actor: Actor) -> None:
    key = await make_key(spine.database, actor, Scope.ADMIN)
    async with spine.database.write() as session:
        await session.execute(sa.update(members).where(members.c.user_id == actor.user_id).values(role="member"))
        await session.commit()
    assert (await client.get("/probe/write", headers=bearer(key))).status_code == 200
    assert (await client.get("/probe/admin", headers=bearer(key))).status_code == 403


async def test_a_keys_use_is_written_down_at_most_once_a_minute(spine: Spine, client: httpx2.AsyncClient, actor: Actor) -> None:
    key = await make_key(spine.database, actor, Scope.READ)

    async def used_at() -> Any:
        async with spine.database.read() as session:
            return await session.scalar(sa.select(api_keys.c.used_at).where(api_keys.c.key_hash == credentials.digest(key)))

    assert await used_at() is None
    await client.get("/probe/read", headers=bearer(key))
    first = await used_at()
    assert first is not None
    await client.get("/probe/read", headers=bearer(key))
    assert await used_at() == first


async def test_the_local_door_cannot_be_opened_by_a_header(app: FastAPI, actor: Actor) -> None:
    async with client_of(as_local(app, actor)) as inside, client_of(app) as outside:
        assert (await inside.get("/probe/admin")).json() == actor.tenant_id
        sneaky = {"semantik.local_actor": actor.tenant_id, "X-Semantik-Local-Actor": actor.tenant_id}
        assert (await outside.get("/probe/admin", headers=sneaky)).status_code == 401


async def test_sockets_ask_for_the_same_credentials(spine: Spine, app: FastAPI, admin: Account) -> None:
    token = admin.session["access_token"]
    tenant = admin.session["user"]["tenant_id"]
    with TestClient(app) as client:
        with client.websocket_connect("/ws/probe", subprotocols=["semantik", f"bearer.{token}"]) as socket:
            chosen: str | None = socket.accepted_subprotocol
            assert (chosen, socket.receive_text()) == ("semantik", tenant)
        with client.websocket_connect("/ws/probe", headers=admin.headers) as socket:
            assert socket.receive_text() == tenant
        ours = {"Origin": "http://testserver"}
        with client.websocket_connect("/ws/probe", subprotocols=["semantik", f"bearer.{token}"], headers=ours) as socket:
            assert socket.receive_text() == tenant


def closed_with(client: TestClient, **given: Any) -> int:
    """The close code that a page sees, or the status of a refused handshake."""
    try:
        with client.websocket_connect("/ws/probe", **given) as socket:
            socket.receive_text()
    except WebSocketDenialResponse as refused:
        return int(refused.status_code)
    except WebSocketDisconnect as end:
        return int(end.code)
    return 0


async def test_a_socket_without_credentials_or_from_elsewhere_is_refused(app: FastAPI, admin: Account) -> None:
    good = ["semantik", f"bearer.{admin.session['access_token']}"]
    with TestClient(app) as client:
        assert closed_with(client) == 401
        assert closed_with(client, subprotocols=["semantik", "bearer.sk_nonsense"]) == 401
        assert closed_with(client, subprotocols=good, headers={"Origin": "http://evil.example"}) == 403
        assert closed_with(client, subprotocols=good, headers={"Origin": "null"}) == 403
        assert closed_with(client, subprotocols=good, headers={"Origin": "http://[::1"}) == 403
        # A page of ours could not read the status of a failed handshake, so it gets a close code.
        assert closed_with(client, subprotocols=["semantik", "bearer.x"], headers={"Origin": "http://testserver"}) == 4401
