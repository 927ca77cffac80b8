"""Whatever goes wrong leaves as a problem with a code, a sentence and the request's id, and never with our own text."""

from __future__ import annotations

import json
import resource
import tempfile
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from semantik.http.pagination import encode_cursor

JSON = {"Content-Type": "application/json"}

# Manners do not depend on the database.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def problem(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    body: dict[str, Any] = answer.json()
    assert body["code"] == code
    assert body["status"] == status
    assert body["type"] == f"/docs/errors#{code}"
    assert body["title"]
    assert body["detail"]
    assert body["instance"] == answer.request.url.path
    assert body["request_id"] == answer.headers["x-request-id"]
    return body


async def test_each_status_has_its_problem(client: httpx2.AsyncClient) -> None:
    problem(await client.get("/nowhere"), 404, "route_unknown")
    problem(await client.delete("/probe/notes"), 405, "method_not_allowed")
    problem(await client.get("/probe/read"), 401, "unauthenticated")
    problem(await client.post("/probe/notes", content=b"x" * 10_001, headers=JSON), 413, "too_large")
    problem(await client.post("/probe/notes", content=b'{"text":"a"}', headers={"Content-Type": "text/plain"}), 415, "wrong_media_type")
    problem(await client.post("/probe/notes", content=b'{"text":"a"}'), 415, "wrong_media_type")
    assert problem(await client.get("/probe/down"), 503, "unavailable")["hint"] == "Wait a moment."
    busy = await client.get("/probe/busy")
    problem(busy, 429, "rate_limited")
    assert busy.headers["retry-after"] == "3"


async def test_a_failure_of_ours_never_leaks_its_text(client: httpx2.AsyncClient) -> None:
    for address in ("/probe/broken", "/probe/ours"):
        answer = await client.get(address)
        problem(answer, 500, "internal")
        assert "secret reason" not in answer.text
        assert "ZeroDivision" not in answer.text


async def test_fields_that_do_not_fit_are_named_by_pointer(client: httpx2.AsyncClient) -> None:
    body = problem(await client.post("/probe/notes", json={"text": 7, "size": "many"}), 422, "invalid_input")
    assert [one["pointer"] for one in body["errors"]] == ["/text", "/size"]
    body = problem(await client.get("/probe/list", params={"limit": 0}), 422, "invalid_input")
    assert body["errors"][0]["pointer"] == "query.limit"


async def test_the_value_that_was_wrong_is_repeated_unless_it_may_be_a_secret(client: httpx2.AsyncClient) -> None:
    body = problem(await client.post("/probe/notes", json={"text": 7, "size": "many " * 100}), 422, "invalid_input")
    assert body["detail"].endswith("(sent: 7)")
    assert body["hint"]
    cut = body["errors"][1]["message"]
    assert 'sent: "many many' in cut and len(cut) < 250
    login = {"email": "ada@example.org", "password": ["my secret words"]}
    for secret in (login, login | {"password": "x" * 5000}):
        answer = await client.post("/api/v1/auth/login", json=secret)
        assert answer.status_code == 422
        assert "my secret" not in answer.text and "xxxxx" not in answer.text
    url = await client.post("/probe/notes", json={"text": "a", "size": "https://ada:secret@example.org/"})
    assert "secret@" not in url.text


async def test_every_refusal_at_the_door_says_what_to_do(client: httpx2.AsyncClient) -> None:
    bodies = [b"{", b'{"text":"a\\u0000b"}', b'{"text":"a","extra":NaN}', b'{"text":"a","extra":' + b"[" * 200 + b"]" * 200 + b"}", b"{}"]
    answers = [await client.post("/probe/notes", content=body, headers=JSON) for body in bodies]
    answers += [await client.get("/probe/list?cursor=a%00b"), await client.get("/probe/list?cursor=" + "a" * 40_000)]
    assert all(answer.status_code in (413, 422) and answer.json()["hint"] for answer in answers), [answer.text for answer in answers]


async def test_an_upload_that_the_temporary_folder_cannot_hold_is_a_full_disk_and_names_it(client: httpx2.AsyncClient) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, before[1]))
    try:
        answer = await client.post("/api/v1/collections/probe/uploads", files={"file": ("large.txt", b"x" * 2_000_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    body = problem(answer, 503, "disk_full")
    assert tempfile.gettempdir() in body["detail"] and "TMPDIR" in body["hint"]
    assert int(answer.headers["retry-after"]) > 0
    small = await client.post("/api/v1/collections/probe/uploads", files={"file": ("small.txt", b"x")})
    assert small.json() == 1


async def test_an_upload_that_the_temporary_folder_does_not_take_is_no_fault_of_the_client(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nonexistent")
    answer = await client.post("/api/v1/collections/probe/uploads", files={"file": ("large.txt", b"x" * 2_000_000)})
    assert problem(answer, 503, "upload_unkept")["hint"]


@pytest.mark.parametrize("content", [b"{", b"", b"[1,", b"\xff\xfe{}", b'{"text":"\xff"}', b"nul", b'{"text":"a"}}'])
async def test_malformed_json_is_the_clients_problem(client: httpx2.AsyncClient, content: bytes) -> None:
    answer = await client.post("/probe/notes", content=content, headers=JSON)
    assert answer.status_code in (400, 422), answer.text
    assert answer.json()["code"] in ("invalid_json", "invalid_input", "unreadable_body")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b'{"text":"a\\u0000b"}', "bad_text"),
        (b'{"text":"a","extra":{"deep":["\\u0000"]}}', "bad_text"),
        (b'{"text":"a","extra":{"k\\u0000":1}}', "bad_text"),
        (b'{"text":"half \\ud83d"}', "bad_text"),
        (b'{"text":"a","size":123456789012345678901234567890}', "bad_number"),
        (b'{"text":"a","extra":-9223372036854775809}', "bad_number"),
        (b'{"text":"a","extra":1e999}', "bad_number"),
        (b'{"text":"a","extra":NaN}', "bad_number"),
        (b'{"text":"a","extra":-Infinity}', "bad_number"),
        (b'{"text":"a","extra":' + b"9" * 6000 + b"}", "bad_number"),
        (b'{"text":"a","extra":' + b"[" * 200 + b"]" * 200 + b"}", "too_deep"),
        (b"[" * 9000, "unreadable_body"),
    ],
)
async def test_values_that_no_database_holds_are_refused_at_the_door(client: httpx2.AsyncClient, content: bytes, code: str) -> None:
    answer = await client.post("/probe/notes", content=content, headers=JSON)
    assert answer.status_code in (400, 422), answer.text
    assert answer.json()["code"] in (code, "too_deep", "invalid_json")


async def test_text_that_only_looks_like_nul_passes(client: httpx2.AsyncClient) -> None:
    body = {"text": "a\\u0000b NaN 😀 Infinity", "extra": 10**17}
    answer = await client.post("/probe/notes", content=json.dumps(body).encode(), headers=JSON)
    assert answer.json() == {**body, "size": 0}


@pytest.mark.parametrize("address", ["/probe/list?cursor=a%00b", "/probe/%00", "/api/v1/api-keys/%00"])
async def test_nul_in_the_address_is_refused(client: httpx2.AsyncClient, address: str) -> None:
    assert (await client.get(address)).json()["code"] == "bad_text"


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "====",
        "%F0",
        "W10",
        encode_cursor(1, "a"),
        encode_cursor("a"),
        encode_cursor("a", 2**63),
        encode_cursor("a\x00", 1),
        "W251bGwsMV0",
        "é",
        "eyJ9",
    ],
)
async def test_a_cursor_that_is_not_ours_is_a_bad_cursor(client: httpx2.AsyncClient, cursor: str) -> None:
    problem(await client.get("/probe/list", params={"cursor": cursor}), 422, "bad_cursor")


async def test_a_cursor_of_ours_comes_back_as_it_was(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/probe/list", params={"cursor": encode_cursor("späte Zeile", 2**62)})
    assert answer.json() == [10, ["späte Zeile", 2**62]]


async def test_a_body_without_a_length_is_counted_as_it_comes(client: httpx2.AsyncClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 1000

    problem(await client.post("/probe/notes", content=endless(), headers=JSON), 413, "too_large")
