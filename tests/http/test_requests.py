"""Every answer carries its request's id and the headers that browsers guard by; a 2xx is committed, an error is not."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from semantik.http.middleware import DATA_POLICY
from semantik.kit import logs
from tests.http.conftest import Spine, build, client_of


async def test_a_sane_request_id_is_kept_and_any_other_is_replaced(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/nowhere", headers={"X-Request-ID": "trace-1.a_B"})).headers["x-request-id"] == "trace-1.a_B"
    for bad in ("", "a b", "x" * 65, "<script>", "a;b"):
        given = (await client.get("/nowhere", headers={"X-Request-ID": bad})).headers["x-request-id"]
        assert re.fullmatch(r"[0-9a-f-]{36}", given)


async def test_answers_carry_the_guarding_headers(client: httpx2.AsyncClient) -> None:
    for address in ("/api/v1/setup", "/nowhere", "/probe/broken"):
        headers = (await client.get(address)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-frame-options"] == "DENY"
        assert headers["content-security-policy"] == DATA_POLICY
        assert "strict-transport-security" not in headers
        assert "access-control-allow-origin" not in headers
    assert (await client.get("/api/v1/setup")).headers["cache-control"] == "no-store"


async def test_https_asks_for_https_from_now_on(spine: Spine) -> None:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=build(spine)), base_url="https://semantik.test") as secure:
        assert "max-age=" in (await secure.get("/api/v1/setup")).headers["strict-transport-security"]


async def test_cors_is_closed_until_an_origin_is_named(spine: Spine, client: httpx2.AsyncClient) -> None:
    asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    assert "access-control-allow-origin" not in (await client.options("/api/v1/search", headers=asked)).headers
    opened = Spine(spine.settings.model_copy(update={"cors_origins": ["https://app.example"]}), spine.database, spine.keyring)
    async with client_of(build(opened)) as open_client:
        answer = await open_client.options("/api/v1/setup", headers=asked)
        assert answer.headers["access-control-allow-origin"] == "https://app.example"
        assert "access-control-allow-credentials" not in answer.headers
        other = await open_client.get("/api/v1/setup", headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers


async def test_a_2xx_is_committed_before_it_is_sent_and_an_error_rolls_back(app: FastAPI, spine: Spine) -> None:
    seen: list[Any] = []

    async def watching(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        async def send_on(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start" and scope["method"] == "POST":
                async with client_of(app) as other:
                    seen.append((await other.get("/probe/tenants")).json())
            await send(message)

        await app(scope, receive, send_on)

    async with client_of(watching) as client:
        assert (await client.post("/probe/tenants", params={"name": "one"})).status_code == 200
        assert (await client.post("/probe/tenants", params={"name": "two", "fail": True})).status_code == 503
    assert seen == [1, 1]


@contextmanager
def json_logs(capsys: pytest.CaptureFixture[str]) -> Iterator[list[dict[str, Any]]]:
    """The JSON lines written within the block; there once it has ended."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    lines: list[dict[str, Any]] = []
    # Not in a fixture: pytest swaps stderr between set-up and call.
    logs.configure("info", "json")
    yield lines
    lines += [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    root.handlers[:] = before
    root.setLevel(level)


async def test_the_log_line_names_the_request_and_not_the_query(client: httpx2.AsyncClient, capsys: pytest.CaptureFixture[str]) -> None:
    with json_logs(capsys) as lines:
        answer = await client.get("/probe/list", params={"cursor": "private words"})
    (line,) = lines
    assert (line["method"], line["path"], line["status"]) == ("GET", "/probe/list", 422)
    assert line["request_id"] == answer.headers["x-request-id"]
    assert "private" not in json.dumps(line)


async def test_what_broke_is_in_the_log_with_its_trace_but_no_values(
    client: httpx2.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    with json_logs(capsys) as lines:
        answer = await client.get("/probe/broken", headers={"X-Test": "a private header"})
    broke, request = lines
    assert broke["request_id"] == request["request_id"] == answer.headers["x-request-id"]
    assert broke["exception"][0]["exc_value"] == "the secret reason"
    assert "private" not in json.dumps(broke)
    assert request["status"] == 500
