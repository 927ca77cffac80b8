"""Logging in tells nobody who has an account; a browser's session turns over, and a stolen cookie ends it."""

from __future__ import annotations

import asyncio
import statistics
import time
from datetime import timedelta
from typing import Any

import httpx2
import jwt
import pytest
import sqlalchemy as sa

from semantik.kit.clock import now
from semantik.kit.secrets import Keyring
from semantik.tables.accounts import sessions, users
from tests.http.conftest import PASSWORD, Account, Spine, build, client_of

PAGE = {"X-Requested-With": "semantik"}
COOKIE = "semantik_refresh"


async def log_in(client: httpx2.AsyncClient, email: str = "ada@example.org", password: str = PASSWORD) -> httpx2.Response:
    return await client.post("/api/v1/auth/login", json={"email": email, "password": password})


async def refresh(client: httpx2.AsyncClient, cookie: str) -> httpx2.Response:
    client.cookies.clear()
    return await client.post("/api/v1/auth/refresh", headers={**PAGE, "Cookie": f"{COOKIE}={cookie}"})


async def test_login_sets_a_cookie_that_scripts_and_other_sites_never_see(client: httpx2.AsyncClient, admin: Account) -> None:
    answer = await log_in(client, email="  ADA@example.ORG ")
    assert answer.status_code == 200
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Path=/api/v1/auth" in cookie
    assert "Secure" not in cookie
    assert COOKIE not in answer.text
    assert answer.json()["expires_in"] == 900


async def test_behind_https_the_cookie_is_secure(spine: Spine, admin: Account) -> None:
    settings = spine.settings.model_copy(update={"public_url": "https://semantik.example"})
    async with client_of(build(Spine(settings, spine.database, spine.keyring))) as client:
        assert "Secure" in (await log_in(client)).headers["set-cookie"]


async def test_an_unknown_address_gets_the_answer_of_a_wrong_password(client: httpx2.AsyncClient, admin: Account) -> None:
    answers = [await log_in(client, email=email, password="wrong password") for email in ("ada@example.org", "nobody@example.org")]
    first, second = ({**answer.json(), "request_id": ""} for answer in answers)
    assert first == second
    assert first["code"] == "login_failed"
    assert answers[0].status_code == answers[1].status_code == 401


@pytest.mark.slow
async def test_an_unknown_address_takes_as_long_as_a_wrong_password(spine: Spine, admin: Account) -> None:
    async with client_of(
        build(Spine(spine.settings.model_copy(update={"login_attempts_per_minute": 1000}), spine.database, spine.keyring))
    ) as client:
        times: dict[str, list[float]] = {"ada@example.org": [], "nobody@example.org": []}
        for _ in range(8):
            for email, seen in times.items():
                started_at = time.perf_counter()
                await log_in(client, email=email, password="wrong password")
                seen.append(time.perf_counter() - started_at)
    known, unknown = (statistics.median(seen) for seen in times.values())
    assert 0.5 < known / unknown < 2


async def test_guessing_is_slowed_down_for_known_and_unknown_alike(client: httpx2.AsyncClient, admin: Account) -> None:
    for email in ("ada@example.org", "nobody@example.org"):
        answers = [await log_in(client, email=email, password=f"guess number {n}") for n in range(7)]
        assert [answer.status_code for answer in answers] == [401] * 5 + [429] * 2
        assert int(answers[-1].headers["retry-after"]) > 0
    # Even the right password has to wait now.
    assert (await log_in(client)).status_code == 429


async def test_guesses_sent_at_once_are_not_all_let_through(client: httpx2.AsyncClient, admin: Account) -> None:
    answers = await asyncio.gather(*(log_in(client, password=f"guess number {n}") for n in range(12)))
    assert sorted(answer.status_code for answer in answers) == [401] * 5 + [429] * 7


async def test_logging_in_often_is_no_guessing(client: httpx2.AsyncClient, admin: Account) -> None:
    assert {(await log_in(client)).status_code for _ in range(7)} == {200}


async def test_refresh_turns_the_cookie_over(client: httpx2.AsyncClient, admin: Account) -> None:
    first = (await log_in(client)).cookies[COOKIE]
    answer = await refresh(client, first)
    assert answer.status_code == 200
    second = answer.cookies[COOKIE]
    assert second != first
    third = (await refresh(client, second)).cookies[COOKIE]
    assert len({first, second, third}) == 3
    me = await client.get("/api/v1/me", headers={"Authorization": f"Bearer {answer.json()['access_token']}"})
    assert me.json()["user"]["email"] == "ada@example.org"


async def test_two_tabs_that_refresh_at_once_both_go_on_with_one_cookie(client: httpx2.AsyncClient, admin: Account) -> None:
    cookie = (await log_in(client)).cookies[COOKIE]
    answers = [await refresh(client, cookie), await refresh(client, cookie)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].cookies[COOKIE] == answers[1].cookies[COOKIE]
    raced = (await log_in(client)).cookies[COOKIE]
    answers = await asyncio.gather(*(refresh(client, raced) for _ in range(4)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.cookies[COOKIE] for answer in answers if COOKIE in answer.cookies}) == 1


async def later(spine: Spine, seconds: float) -> None:
    async with spine.database.write() as session:
        moved = now() - timedelta(seconds=seconds)
        await session.execute(sa.update(sessions).values(used_at=moved))
        await session.commit()


async def test_an_old_cookie_that_comes_back_ends_the_session_for_thief_and_owner(
    spine: Spine, client: httpx2.AsyncClient, admin: Account
) -> None:
    stolen = (await log_in(client)).cookies[COOKIE]
    owned = await refresh(client, stolen)
    await later(spine, 60)
    caught = await refresh(client, stolen)
    assert (caught.status_code, caught.json()["code"]) == (401, "session_reused")
    assert f'{COOKIE}=""' in caught.headers["set-cookie"]
    assert (await refresh(client, owned.cookies[COOKIE])).json()["code"] == "session_ended"
    used = {"Authorization": f"Bearer {owned.json()['access_token']}"}
    assert (await client.get("/api/v1/me", headers=used)).json()["code"] == "token_invalid"


async def test_logging_out_ends_access_at_once(client: httpx2.AsyncClient, admin: Account) -> None:
    opened = await log_in(client)
    used = {"Authorization": f"Bearer {opened.json()['access_token']}"}
    assert (await client.get("/api/v1/me", headers=used)).status_code == 200
    client.cookies.clear()
    cookie = opened.cookies[COOKIE]
    answer = await client.post("/api/v1/auth/logout", headers={**PAGE, "Cookie": f"{COOKIE}={cookie}"})
    assert answer.status_code == 204
    assert (await client.get("/api/v1/me", headers=used)).status_code == 401
    assert (await refresh(client, cookie)).status_code == 401
    # The other session, of the set-up, goes on; its token alone ends it.
    assert (await client.get("/api/v1/me", headers=admin.headers)).status_code == 200
    await client.post("/api/v1/auth/logout", headers={**PAGE, **admin.headers})
    assert (await client.get("/api/v1/me", headers=admin.headers)).status_code == 401


async def test_cookie_calls_need_the_header_of_our_page(client: httpx2.AsyncClient, admin: Account) -> None:
    await log_in(client)
    for address in ("refresh", "logout"):
        assert (await client.post(f"/api/v1/auth/{address}")).json()["code"] == "not_from_our_page"
    client.cookies.clear()
    assert (await client.post("/api/v1/auth/refresh", headers=PAGE)).json()["code"] == "unauthenticated"
    for nonsense in ("x", "%00", "a" * 150):
        assert (await refresh(client, nonsense)).status_code == 401


async def test_a_disabled_user_is_out_at_once(spine: Spine, client: httpx2.AsyncClient, admin: Account) -> None:
    cookie = (await log_in(client)).cookies[COOKIE]
    async with spine.database.write() as session:
        await session.execute(sa.update(users).values(disabled_at=now()))
        await session.commit()
    assert (await client.get("/api/v1/me", headers=admin.headers)).status_code == 401
    assert (await log_in(client)).json()["code"] == "login_failed"
    assert (await refresh(client, cookie)).status_code == 401


async def test_a_new_password_ends_the_other_sessions(client: httpx2.AsyncClient, admin: Account) -> None:
    other = await log_in(client)
    change = {"current": "not this one", "new": "another four good words"}
    wrong = await client.post("/api/v1/me/password", json=change, headers=admin.headers)
    assert wrong.json()["code"] == "password_wrong"
    change["current"] = PASSWORD
    assert (await client.post("/api/v1/me/password", json=change, headers=admin.headers)).status_code == 204
    assert (await client.get("/api/v1/me", headers=admin.headers)).status_code == 200
    used = {"Authorization": f"Bearer {other.json()['access_token']}"}
    assert (await client.get("/api/v1/me", headers=used)).status_code == 401
    assert (await log_in(client)).status_code == 401
    assert (await log_in(client, password="another four good words")).status_code == 200


def forged(spine: Spine, admin: Account, **change: Any) -> str:
    token = admin.session["access_token"]
    body = {**jwt.decode(token, options={"verify_signature": False}), **change}
    return jwt.encode({key: value for key, value in body.items() if value is not None}, spine.keyring.signing_keys()[0], algorithm="HS256")


async def test_tokens_that_are_old_foreign_or_forged_open_nothing(spine: Spine, client: httpx2.AsyncClient, admin: Account) -> None:
    async def code(token: str) -> str:
        answer = await client.get("/api/v1/me", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401
        return str(answer.json()["code"])

    assert await code(forged(spine, admin, exp=1)) == "token_expired"
    assert await code(forged(spine, admin, exp=None)) == "token_invalid"
    assert await code(forged(spine, admin, tenant="another tenant")) == "token_invalid"
    assert await code(forged(spine, admin, sid="another session")) == "token_invalid"
    assert await code(forged(spine, admin, scope="root")) == "token_invalid"
    assert await code(jwt.encode({"sub": "x"}, "w" * 32, algorithm="HS256")) == "token_invalid"
    header, body, _ = admin.session["access_token"].split(".")
    assert await code(f"{header}.{body}.") == "token_invalid"


async def test_a_rotated_key_still_knows_the_tokens_of_the_old_one(spine: Spine, admin: Account) -> None:
    rotated = Spine(spine.settings, spine.database, Keyring((b"n" * 32, *spine.keyring.roots)))
    async with client_of(build(rotated)) as client:
        assert (await client.get("/api/v1/me", headers=admin.headers)).status_code == 200
    foreign = Spine(spine.settings, spine.database, Keyring((b"n" * 32,)))
    async with client_of(build(foreign)) as client:
        assert (await client.get("/api/v1/me", headers=admin.headers)).status_code == 401
