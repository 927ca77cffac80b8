"""The first visitor makes the admin, once, and finds what the command line did before."""

from __future__ import annotations

import asyncio

import httpx2

from semantik.features.accounts import startup
from semantik.http.local import as_local
from tests.http.conftest import PASSWORD, Account, Spine, build, client_of

SETUP = {"email": "ada@example.org", "password": PASSWORD, "name": "Ada"}


async def test_setup_is_needed_until_the_first_account(spine: Spine, client: httpx2.AsyncClient) -> None:
    assert (await client.get("/api/v1/setup")).json() == {"needed": True}
    token = await startup.ensure_setup_token(spine.database)
    answer = await client.post("/api/v1/setup", json={**SETUP, "token": token})
    assert answer.status_code == 201
    assert answer.json()["user"]["role"] == "admin"
    assert (await client.get("/api/v1/setup")).json() == {"needed": False}
    assert await startup.ensure_setup_token(spine.database) is None
    me = await client.get("/api/v1/me", headers={"Authorization": f"Bearer {answer.json()['access_token']}"})
    assert me.json() == {"user": answer.json()["user"], "scope": "admin", "via": "token"}


async def test_each_start_prints_a_new_token_and_the_old_one_stops_working(spine: Spine, client: httpx2.AsyncClient) -> None:
    old = await startup.ensure_setup_token(spine.database)
    new = await startup.ensure_setup_token(spine.database)
    assert old != new
    refused = await client.post("/api/v1/setup", json={**SETUP, "token": old})
    assert (refused.status_code, refused.json()["code"]) == (403, "setup_token_wrong")
    assert (await client.post("/api/v1/setup", json={**SETUP, "token": new})).status_code == 201


async def test_of_two_visitors_with_the_token_one_becomes_admin(spine: Spine, client: httpx2.AsyncClient) -> None:
    token = await startup.ensure_setup_token(spine.database)
    answers = await asyncio.gather(
        *(client.post("/api/v1/setup", json={**SETUP, "email": f"{name}@example.org", "token": token}) for name in ("ada", "eve"))
    )
    assert sorted(answer.status_code for answer in answers) in ([201, 403], [201, 409])
    again = await client.post("/api/v1/setup", json={**SETUP, "token": token})
    assert (again.status_code, again.json()["code"]) == (409, "setup_done")


async def test_guessing_the_token_is_slowed_down(client: httpx2.AsyncClient, spine: Spine) -> None:
    await startup.ensure_setup_token(spine.database)
    answers = [await client.post("/api/v1/setup", json={**SETUP, "token": f"guess {n}"}) for n in range(6)]
    assert [answer.status_code for answer in answers] == [403] * 5 + [429]


async def test_a_weak_password_or_no_address_is_refused(spine: Spine, client: httpx2.AsyncClient) -> None:
    token = await startup.ensure_setup_token(spine.database)
    for change, code in (
        ({"password": "short"}, "password_too_weak"),
        ({"password": "ada@example.org"}, "password_too_weak"),
        ({"password": "x" * 201}, "password_too_weak"),
        ({"email": "nobody"}, "bad_email"),
        ({"email": "a b@c"}, "bad_email"),
    ):
        assert (await client.post("/api/v1/setup", json={**SETUP, "token": token, **change})).json()["code"] == code


async def test_the_first_account_takes_over_what_the_command_line_began(spine: Spine, client: httpx2.AsyncClient) -> None:
    before = await startup.local_actor(spine.database)
    assert before == await startup.local_actor(spine.database)
    assert (await client.get("/api/v1/setup")).json() == {"needed": True}
    token = await startup.ensure_setup_token(spine.database)
    made = (await client.post("/api/v1/setup", json={**SETUP, "token": token})).json()["user"]
    assert (made["id"], made["tenant_id"]) == (before.user_id, before.tenant_id)
    assert await startup.local_actor(spine.database) == before
    async with client_of(as_local(build(spine), before)) as inside:
        assert (await inside.get("/api/v1/me")).json() == {"user": made, "scope": "admin", "via": "local"}


async def test_without_a_set_up_the_stand_in_owner_cannot_log_in(spine: Spine, client: httpx2.AsyncClient) -> None:
    await startup.local_actor(spine.database)
    for password in ("!", "", "owner"):
        answer = await client.post("/api/v1/auth/login", json={"email": "owner@localhost", "password": password})
        assert answer.json()["code"] == "login_failed"


async def test_the_command_line_works_for_an_account_that_was_first(spine: Spine, admin: Account) -> None:
    actor = await startup.local_actor(spine.database)
    assert actor.user_id == admin.session["user"]["id"]
    assert actor.tenant_id == admin.session["user"]["tenant_id"]
