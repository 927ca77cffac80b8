"""The index on a Qdrant server: the walk of a document, and what is said and what goes on while the server is away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import httpx2
import pytest
from pydantic import SecretStr

from semantik.kit.settings import Settings
from tests.conftest import job_ended
from tests.engines.blobs.flaky import Line, line
from tests.flows import steps

pytestmark = [
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


@pytest.fixture
async def flaky(qdrant_url: str) -> AsyncIterator[Line]:
    async with line(qdrant_url) as made:
        yield made


@pytest.fixture
def settings(settings: Settings, flaky: Line) -> Settings:
    return settings.model_copy(update={"qdrant_url": SecretStr(flaky.url), "qdrant_timeout_s": 2})


async def test_while_qdrant_is_away_searches_say_so_at_once_and_all_else_goes_on(client: httpx2.AsyncClient, flaky: Line) -> None:
    collection = await steps.make_collection(client)
    await steps.upload(client, collection["id"], {"a.txt": b"The boiler was replaced."})
    assert await steps.search(client, "boiler")

    flaky.dead = True
    async with asyncio.timeout(10):
        for _ in range(5):
            refused = await client.post("/api/v1/search", json={"query": "boiler"})
            problem = refused.json()
            assert (refused.status_code, problem["code"]) == (503, "index_unavailable")
            assert "the Qdrant server 127.0.0.1" in problem["detail"]
            assert int(refused.headers["retry-after"]) > 0
    health = {part["name"]: part for part in (await client.get("/health/full")).json()["parts"]}
    assert (health["vectors"]["state"], health["vectors"]["code"]) == ("down", "index_unavailable")
    assert (await steps.documents_of(client, collection["id"]))["a.txt"]["state"] == "indexed"
    assert (await client.get("/api/v1/jobs")).status_code == 200
    answer = await client.post(f"/api/v1/collections/{collection['id']}/uploads", files=[("files", ("b.txt", b"A pump."))])
    assert answer.status_code == 202

    flaky.dead = False
    assert (await job_ended(client, answer.json()["job_id"]))["status"] == "completed"
    deadline = time.monotonic() + 15
    while (answer := await client.post("/api/v1/search", json={"query": "pump"})).status_code == 503:
        assert time.monotonic() < deadline
    assert answer.json()["hits"][0]["document"]["name"] == "b.txt"
    health = {part["name"]: part for part in (await client.get("/health/full")).json()["parts"]}
    assert health["vectors"]["facts"]["backend"] == "qdrant"
