"""Originals in a real S3 server: the walk of a document, and what is said while the server is away."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest
from pydantic import SecretStr

from semantik.auth.actor import Actor
from semantik.features.ingestion.job_args import CleanUpStore
from semantik.jobs.queue import enqueue
from semantik.kit.settings import Settings
from semantik.runtime import Runtime
from semantik.testing.blobs import pieces
from tests import services
from tests.conftest import job_ended
from tests.engines.blobs.flaky import Line, line
from tests.flows import steps

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
async def flaky(s3_endpoint: str) -> AsyncIterator[Line]:
    async with line(s3_endpoint) as made:
        yield made


@pytest.fixture
def settings(settings: Settings, flaky: Line) -> Settings:
    elsewhere = {
        "blobs_url": f"s3://tests/flow?endpoint={flaky.url}",
        "blobs_access_key": SecretStr(services.S3_KEY),
        "blobs_secret_key": SecretStr(services.S3_SECRET),
        "blobs_copies_bytes": 1,
    }
    return settings.model_copy(update=elsewhere)


async def test_a_document_is_stored_read_found_and_given_back(client: httpx2.AsyncClient) -> None:
    collection = await steps.make_collection(client)
    text = b"The boiler in the cellar was replaced. " * 2_000
    job = await steps.upload(client, collection["id"], {"boiler.txt": text})
    assert job["status"] == "completed"
    document = (await steps.documents_of(client, collection["id"]))["boiler.txt"]

    assert (await steps.search(client, "boiler"))[0]["document"]["id"] == document["id"]
    address = f"/api/v1/documents/{document['id']}"
    whole = await client.get(f"{address}/original")
    assert whole.content == text
    assert whole.headers["content-length"] == str(len(text))
    for asked, start, end in (("bytes=4-9", 4, 10), ("bytes=60000-", 60_000, len(text)), ("bytes=-7", len(text) - 7, len(text))):
        part = await client.get(f"{address}/original", headers={"Range": asked})
        assert (part.status_code, part.content) == (206, text[start:end])
        assert part.headers["content-range"] == f"bytes {start}-{end - 1}/{len(text)}"
    for asked in ("bytes=1-2,5-6", "bytes=9-4", "lines=1-2", "bytes=-", f"bytes={len(text)}-"):
        assert (await client.get(f"{address}/original", headers={"Range": asked})).content == text
    shown = (await client.get(f"{address}/text", params={"start": 4, "end": 10})).json()
    assert shown["text"] == "boiler"


@pytest.mark.long
async def test_while_the_bucket_is_away_files_are_refused_by_its_name_and_all_else_goes_on(client: httpx2.AsyncClient, flaky: Line) -> None:
    collection = await steps.make_collection(client)
    await steps.upload(client, collection["id"], {"a.txt": b"A text about boilers."})
    document = (await steps.documents_of(client, collection["id"]))["a.txt"]

    flaky.dead = True
    for refused in (
        await client.post(f"/api/v1/collections/{collection['id']}/uploads", files=[("files", ("b.txt", b"More."))]),
        await client.get(f"/api/v1/documents/{document['id']}/original"),
        await client.get(f"/api/v1/documents/{document['id']}/text"),
    ):
        problem = refused.json()
        assert (refused.status_code, problem["code"]) == (503, "blobs_unavailable")
        assert "the blob store s3://tests/flow/ at 127.0.0.1" in problem["detail"]
        assert int(refused.headers["retry-after"]) > 0
    health = {part["name"]: part for part in (await client.get("/health/full")).json()["parts"]}
    assert (health["blobs"]["state"], health["blobs"]["code"]) == ("down", "blobs_unavailable")
    assert await steps.search(client, "boilers")
    assert (await steps.documents_of(client, collection["id"])).keys() == {"a.txt"}

    flaky.dead = False
    answer = await client.post(f"/api/v1/collections/{collection['id']}/uploads", files=[("files", ("b.txt", b"More."))])
    assert (await job_ended(client, answer.json()["job_id"]))["status"] == "completed"
    health = {part["name"]: part for part in (await client.get("/health/full")).json()["parts"]}
    assert health["blobs"]["facts"] == {"backend": "s3", "store": f"s3://tests/flow/ at {flaky.url.removeprefix('http://')}"}


async def test_the_clean_up_removes_what_no_document_names_and_nothing_else(
    client: httpx2.AsyncClient, runtime: Runtime, actor: Actor
) -> None:
    collection = await steps.make_collection(client)
    await steps.upload(client, collection["id"], {"a.txt": b"A text about boilers."})
    orphan = await runtime.blobs.put(actor.tenant_id, pieces(b"named by nobody"))

    for older_than_s, is_there in ((3600, True), (0, False)):
        async with runtime.database.write() as session:
            job = await enqueue(session, CleanUpStore(older_than_s=older_than_s), actor=actor, title="Clean up")
            await session.commit()
        assert (await job_ended(client, job.id))["status"] == "completed"
        assert await runtime.blobs.exists(actor.tenant_id, orphan.hash) is is_there
    document = (await steps.documents_of(client, collection["id"]))["a.txt"]
    for part in ("original", "text"):
        assert (await client.get(f"/api/v1/documents/{document['id']}/{part}")).status_code == 200
