"""Documents over HTTP: filters that add up, pages that miss nothing, text by spans, and nothing for strangers."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from tests.flows.steps import documents_of, make_collection, upload

_FILES = {
    "boiler.md": "# Boiler\n\nThe boiler is serviced every October.\n\n## Pump\n\nIts pump runs at night. \U0001f527 Done.\n".encode(),
    "notes/a_1.txt": b"A note about the valve in the cellar.",
    "notes/a%1.txt": b"Another note about the valve in the attic.",
    "broken.pdf": b"%PDF-1.7\nnothing of a document follows",
    "blank.txt": b"   \n  ",
}


@pytest.fixture
async def collection(client: httpx2.AsyncClient) -> dict[str, Any]:
    made = await make_collection(client)
    await upload(client, made["id"], _FILES)
    return made


async def _paths(client: httpx2.AsyncClient, **query: Any) -> list[str]:
    """All paths of a list, page by page, two at a time."""
    found: list[str] = []
    cursor: str | None = None
    while True:
        answer = await client.get("/api/v1/documents", params={**query, "limit": 2} | ({"cursor": cursor} if cursor else {}))
        assert answer.status_code == 200, answer.text
        found += [one["path"] for one in answer.json()["items"]]
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            return found


async def test_filters_narrow_and_pages_miss_nothing(
    client: httpx2.AsyncClient, other_client: httpx2.AsyncClient, collection: dict[str, Any]
) -> None:
    theirs = await make_collection(other_client)
    await upload(other_client, theirs["id"], {"theirs.txt": b"Of another tenant."})
    ledger = (await client.get(f"/api/v1/collections/{collection['id']}")).json()["ledger"]

    by_state = {state: await _paths(client, state=state) for state in ("indexed", "partial", "skipped", "failed", "pending")}
    assert sorted(path for paths in by_state.values() for path in paths) == sorted(await _paths(client)) == sorted(_FILES)
    assert {state: len(paths) for state, paths in by_state.items()} == {state: ledger[state] for state in by_state}
    assert await _paths(client, code="damaged,no_text", state="failed") == ["broken.pdf"]
    assert await _paths(client, q="A_1") == ["notes/a_1.txt"] and await _paths(client, q="%") == ["notes/a%1.txt"]
    assert await _paths(client, media_type="text/markdown") == ["boiler.md"]
    assert await _paths(client, collection=theirs["id"]) == [] == await _paths(other_client, collection=collection["id"])
    unknown = await client.get("/api/v1/documents", params={"state": "lost"})
    assert unknown.status_code == 422 and "indexed" in unknown.json()["hint"]
    failures = (await client.get(f"/api/v1/collections/{collection['id']}/failures")).json()["items"]
    assert {one["path"] for one in failures} == {"broken.pdf", "blank.txt"} and all(one["reason"] for one in failures)


async def test_a_chunk_is_the_text_of_its_span_and_is_found_by_its_id(client: httpx2.AsyncClient, collection: dict[str, Any]) -> None:
    document = (await documents_of(client, collection["id"]))["boiler.md"]
    address = f"/api/v1/documents/{document['id']}"

    detail = (await client.get(address)).json()
    whole = (await client.get(f"{address}/text")).json()
    chunks = (await client.get(f"{address}/chunks")).json()["items"]
    part = (await client.get(f"{address}/text", params={"start": chunks[-1]["start"], "end": chunks[-1]["end"]})).json()
    around = (await client.get(f"{address}/chunks", params={"around": chunks[-1]["id"], "limit": 1})).json()["items"]
    past = (await client.get(f"{address}/text", params={"start": 10_000})).json()
    original = await client.get(f"{address}/original")

    assert whole["total_chars"] == len(whole["text"]) == detail["text_chars"] and "\U0001f527" in whole["text"]
    assert all(whole["text"][one["start"] : one["end"]] == one["text"] for one in chunks)
    assert part["text"] == chunks[-1]["text"] and around[0]["id"] == chunks[-1]["id"]
    assert (past["text"], past["start"], past["end"]) == ("", 10_000, 10_000)
    assert [(one["title"], whole["text"][one["start"] :].lstrip("# ").startswith(one["title"])) for one in detail["outline"]] == [
        ("Boiler", True),
        ("Pump", True),
    ]
    assert original.content == _FILES["boiler.md"] and original.headers["x-content-type-options"] == "nosniff"


async def test_what_a_document_lacks_is_said(client: httpx2.AsyncClient, collection: dict[str, Any]) -> None:
    documents = await documents_of(client, collection["id"])
    address = f"/api/v1/documents/{documents['broken.pdf']['id']}"

    text = await client.get(f"{address}/text")
    chunk = await client.get(f"{address}/chunks", params={"around": "no-such-chunk"})
    none = await client.get(f"{address}/chunks")

    assert (text.status_code, text.json()["code"]) == (404, "no_text") and text.json()["hint"]
    assert (chunk.status_code, chunk.json()["code"]) == (404, "chunk_unknown")
    assert none.json()["items"] == [] and (await client.get(f"{address}/original")).content == _FILES["broken.pdf"]


async def test_only_an_upload_can_be_deleted_and_is_gone_at_once(
    client: httpx2.AsyncClient, other_client: httpx2.AsyncClient, collection: dict[str, Any]
) -> None:
    document = (await documents_of(client, collection["id"]))["boiler.md"]

    foreign = await other_client.delete(f"/api/v1/documents/{document['id']}")
    answer = await client.delete(f"/api/v1/documents/{document['id']}")
    again = await client.delete(f"/api/v1/documents/{document['id']}")
    hits = (await client.post("/api/v1/search", json={"query": "boiler October"})).json()["hits"]

    assert (foreign.status_code, answer.status_code, again.status_code) == (404, 202, 404)
    assert not [hit for hit in hits if hit["document"]["id"] == document["id"]]
    assert "boiler.md" not in await documents_of(client, collection["id"])
