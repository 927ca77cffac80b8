"""API keys are shown once, listed by prefix, never wider than their maker, and each person sees only their own."""

from __future__ import annotations

import httpx2
import sqlalchemy as sa

from semantik.auth.actor import Actor
from semantik.http.local import as_local
from semantik.tables.accounts import api_keys
from tests.http.conftest import Account, Spine, build, client_of

KEYS = "/api/v1/api-keys"


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def test_a_key_is_shown_once_and_kept_as_a_hash(spine: Spine, client: httpx2.AsyncClient, admin: Account) -> None:
    answer = await client.post(KEYS, json={"name": "nightly", "scope": "write", "expires_in_days": 30}, headers=admin.headers)
    assert answer.status_code == 201
    made = answer.json()
    assert made["key"].startswith("sk_")
    assert len(made["key"]) == 46
    assert made["key"].startswith(made["prefix"])
    assert made["expires_at"].endswith("Z")
    listed = await client.get(KEYS, headers=admin.headers)
    assert made["key"] not in listed.text
    assert [one["id"] for one in listed.json()["items"]] == [made["id"]]
    async with spine.database.read() as session:
        row = (await session.execute(sa.select(api_keys))).one()
    assert made["key"] not in repr(row)
    assert (await client.get("/api/v1/me", headers=bearer(made["key"]))).json()["via"] == "key"


async def test_a_revoked_key_opens_nothing(client: httpx2.AsyncClient, admin: Account) -> None:
    made = (await client.post(KEYS, json={"name": "k"}, headers=admin.headers)).json()
    assert (await client.delete(f"{KEYS}/{made['id']}", headers=admin.headers)).status_code == 204
    assert (await client.delete(f"{KEYS}/{made['id']}", headers=admin.headers)).status_code == 204
    assert (await client.get("/api/v1/me", headers=bearer(made["key"]))).json()["code"] == "key_invalid"
    assert (await client.get(KEYS, headers=admin.headers)).json()["items"][0]["revoked_at"]


async def test_a_key_makes_no_wider_key_and_only_an_admin_key_makes_any(client: httpx2.AsyncClient, admin: Account) -> None:
    keys = {
        scope: (await client.post(KEYS, json={"name": scope, "scope": scope}, headers=admin.headers)).json()["key"]
        for scope in ("read", "write", "admin")
    }
    wanted = {"name": "more", "scope": "admin"}
    assert (await client.post(KEYS, json=wanted, headers=bearer(keys["read"]))).json()["code"] == "scope_missing"
    assert (await client.post(KEYS, json=wanted, headers=bearer(keys["write"]))).json()["code"] == "scope_too_wide"
    assert (await client.post(KEYS, json={"name": "same", "scope": "write"}, headers=bearer(keys["write"]))).json()[
        "code"
    ] == "scope_too_wide"
    assert (await client.post(KEYS, json=wanted, headers=bearer(keys["admin"]))).status_code == 201


async def test_each_tenant_sees_and_revokes_its_own_keys_only(spine: Spine, actor: Actor, other_actor: Actor) -> None:
    app = build(spine)
    async with client_of(as_local(app, actor)) as ours, client_of(as_local(app, other_actor)) as theirs:
        made = (await ours.post(KEYS, json={"name": "ours"})).json()
        assert (await theirs.get(KEYS)).json()["items"] == []
        answer = await theirs.delete(f"{KEYS}/{made['id']}")
        assert (answer.status_code, answer.json()["code"]) == (404, "key_unknown")
        assert (await ours.get(KEYS)).json()["items"][0]["revoked_at"] is None


async def test_keys_page_newest_first(client: httpx2.AsyncClient, admin: Account) -> None:
    for number in range(5):
        await client.post(KEYS, json={"name": str(number)}, headers=admin.headers)
    names, cursor = [], None
    for _ in range(3):
        page = (await client.get(KEYS, params={"limit": 2, **({"cursor": cursor} if cursor else {})}, headers=admin.headers)).json()
        names += [one["name"] for one in page["items"]]
        cursor = page["next_cursor"]
        assert page["total"] == 5
    assert (names, cursor) == (["4", "3", "2", "1", "0"], None)
