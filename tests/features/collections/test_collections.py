"""Collections over HTTP: names, settings, deletion, and who may know of them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from semantik.auth.actor import Actor
from semantik.engines.weights import catalog
from semantik.kit.database import Database
from semantik.runtime import Runtime
from semantik.tables.collections import collections, generations
from semantik.tables.documents import chunks, documents
from tests.conftest import job_ended
from tests.flows.steps import documents_of, make_collection, search, upload


async def test_a_name_is_taken_once_in_each_tenant(client: httpx2.AsyncClient, other_client: httpx2.AsyncClient) -> None:
    papers = await make_collection(client, "Papers")
    letters = await make_collection(client, "Letters")
    theirs = await make_collection(other_client, "Papers")

    twice = await client.post("/api/v1/collections", json={"name": "  Papers "})
    renamed = await client.patch(f"/api/v1/collections/{letters['id']}", json={"name": "Papers"})
    kept = await client.patch(f"/api/v1/collections/{papers['id']}", json={"name": "Papers", "description": "Read often."})

    assert theirs["id"] != papers["id"]
    assert [(one.status_code, one.json()["code"]) for one in (twice, renamed)] == [(409, "name_taken"), (409, "name_taken")]
    assert kept.status_code == 200 and kept.json()["description"] == "Read often."


async def test_names_are_listed_in_pages_and_only_ones_own(client: httpx2.AsyncClient, other_client: httpx2.AsyncClient) -> None:
    for name in ("b_1", "a%1", "c", "a", "B"):
        await make_collection(client, name)
    await make_collection(other_client, "a foreign one")

    pages: list[list[str]] = []
    cursor: str | None = None
    while True:
        page = (await client.get("/api/v1/collections", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))).json()
        pages.append([one["name"] for one in page["items"]])
        cursor = page["next_cursor"]
        if cursor is None:
            break

    listed = [name for page in pages for name in page]
    assert [len(page) for page in pages] == [2, 2, 1]
    assert sorted(listed) == sorted(["b_1", "a%1", "c", "a", "B"]) and page["total"] == 5
    # What means something in a LIKE pattern is a letter here.
    for pattern, found in (("%", {"a%1"}), ("_", {"b_1"}), ("b", {"b_1", "B"}), ("foreign", set())):
        items = (await client.get("/api/v1/collections", params={"q": pattern})).json()["items"]
        assert {one["name"] for one in items} == found, pattern


_TOO_LONG = {"strategy": "recursive", "max_tokens": 9000, "overlap_tokens": 0}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"name": ""}, 422, "invalid_input"),
        ({"name": "x" * 201}, 422, "invalid_input"),
        ({"name": "N", "unknown": 1}, 422, "invalid_input"),
        ({"name": "N", "chunking": {**_TOO_LONG, "max_tokens": 100, "overlap_tokens": 100}}, 422, None),
        ({"name": "N", "chunking": _TOO_LONG, "embedding_model": catalog.DEFAULT}, 422, None),
        ({"name": "N", "embedding_model": "no-such-model"}, 404, "unknown_model"),
        ({"name": "N", "embedding_model": catalog.MINILM}, 409, "model_missing"),
    ],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_does_not_fit_is_refused_with_a_sentence(
    client: httpx2.AsyncClient, body: dict[str, Any], status: int, code: str | None
) -> None:
    answer = await client.post("/api/v1/collections", json=body)

    assert answer.status_code == status and answer.json()["detail"], answer.text
    assert code in (None, answer.json()["code"])
    if code == "model_missing":
        assert answer.json()["hint"] == f"Run: semantik models pull {catalog.MINILM}"
    assert (await client.get("/api/v1/collections")).json()["items"] == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_making_a_collection_and_cutting_a_text_wait_for_no_model(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    """Both need the model's tokenizer; its graph takes many seconds to build and is left to whoever embeds."""
    made = await client.post("/api/v1/collections", json={"name": "Papers", "embedding_model": catalog.DEFAULT})
    chunking = {"strategy": "sentences", "max_tokens": 16, "overlap_tokens": 0}
    text = "The boiler is serviced every October. " * 8
    cut = await client.post("/api/v1/chunking/preview", json={"text": text, "chunking": chunking, "embedding_model": catalog.DEFAULT})

    assert made.status_code == 201 and made.json()["embedding_model"] == catalog.DEFAULT
    assert cut.status_code == 200 and len(cut.json()["chunks"]) > 3
    assert not (runtime.settings.data_dir / "models" / "graphs").exists()


async def test_a_deleted_collection_is_gone_at_once_and_leaves_nothing_behind(
    client: httpx2.AsyncClient, other_client: httpx2.AsyncClient, database: Database, runtime: Runtime
) -> None:
    kept, dropped = await make_collection(client, "Kept"), await make_collection(client, "Dropped")
    theirs = await make_collection(other_client, "Theirs")
    for api, one, text in (
        (client, kept, b"The kept pump."),
        (client, dropped, b"The dropped pump."),
        (other_client, theirs, b"The dropped pump."),
    ):
        await upload(api, one["id"], {"pump.txt": text})
    doomed = (await documents_of(client, dropped["id"]))["pump.txt"]["id"]

    assert (await other_client.delete(f"/api/v1/collections/{dropped['id']}")).status_code == 404
    answer = await client.delete(f"/api/v1/collections/{dropped['id']}")
    at_once = [
        await client.get(f"/api/v1/collections/{dropped['id']}"),
        await client.get(f"/api/v1/documents/{doomed}"),
        await client.post("/api/v1/search", json={"query": "pump", "collections": [dropped["id"]]}),
        await client.delete(f"/api/v1/collections/{dropped['id']}"),
    ]
    job = await job_ended(client, answer.json()["job_id"])

    assert answer.status_code == 202 and {one.status_code for one in at_once} == {404}
    assert job["status"] == "completed"
    async with database.read() as session:
        for table in (collections, generations, documents, chunks):
            column = table.c.id if table is collections else table.c.collection_id
            assert await session.scalar(sa.select(sa.func.count()).where(column == dropped["id"])) == 0, table.name
    assert [hit["document"]["path"] for hit in await search(client, "dropped pump")] == ["pump.txt"]
    assert len(await search(other_client, "dropped pump")) == 1
    assert (await client.post("/api/v1/collections", json={"name": "Dropped"})).status_code == 201, "the name is free again"


async def test_a_collection_deleted_while_it_is_filled_leaves_no_point_behind(
    client: httpx2.AsyncClient, runtime: Runtime, actor: Actor, tmp_path: Path
) -> None:
    folder = tmp_path / "papers"
    folder.mkdir()
    for number in range(150):
        (folder / f"{number}.txt").write_text(f"Valve {number} of the water works is turned every {number + 2} days.\n")
    made = await make_collection(client)
    body = {"kind": "directory", "settings": {"path": str(folder)}}
    filling = (await client.post(f"/api/v1/collections/{made['id']}/sources", json=body)).json()["last_job_id"]
    async with asyncio.timeout(60):
        while (await client.get(f"/api/v1/jobs/{filling}")).json()["counts"]["done"] == 0:
            await asyncio.sleep(0.02)
    deleting = (await client.delete(f"/api/v1/collections/{made['id']}")).json()["job_id"]
    assert (await job_ended(client, deleting))["status"] == "completed"
    assert (await job_ended(client, filling))["finished_at"] is not None
    assert [point async for batch in runtime.vectors.scan(await runtime.space("hashing"), tenant=actor.tenant_id) for point in batch] == []
