"""Search through HTTP: what a user asks for, what they may see, and what they are told when it cannot be."""

from __future__ import annotations

import os
import signal
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from semantik.auth.actor import Actor
from semantik.engines.vectors.edge import EdgeStore
from semantik.kit.clock import now
from semantik.runtime import Runtime
from semantik.tables.collections import collections
from semantik.tables.documents import documents
from tests.features.search.conftest import Shelf

LEASE = {
    "lease.txt": ["The lease runs for five years.", "The notice period is three months to the end of a quarter."],
    "pump.txt": ["Pump P-4711 must be oiled monthly.", "Call parse_http_date when the header is late."],
    "cats.txt": ["Cats sleep most of the day.", "A cat purrs when it is content."],
    "tax.txt": ["Value added tax is nineteen percent.", "Tax returns are due in July."],
}


async def ask(client: httpx2.AsyncClient, query: str, **body: Any) -> dict[str, Any]:
    response = await client.post("/api/v1/search", json={"query": query, **body})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def refused(client: httpx2.AsyncClient, **body: Any) -> tuple[int, str]:
    response = await client.post("/api/v1/search", json=body)
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, response.json()["code"]


async def test_a_hit_carries_what_a_reader_needs(client: httpx2.AsyncClient, actor: Actor, shelf: Shelf) -> None:
    collection_id = await shelf.collection(actor, "Contracts", LEASE)
    answer = await ask(client, "notice period", explain=True)
    hit = answer["hits"][0]
    assert hit["document"]["name"] == "lease.txt"
    assert hit["document"]["collection_name"] == "Contracts"
    text = hit["passage"]["text"]
    assert text.startswith("The notice period")
    assert [text[span["start"] : span["end"]] for span in hit["highlights"]] == ["notice", "period"]
    assert hit["heading_path"] == ["Part"]
    assert hit["source_link"] == f"/documents/{hit['document']['id']}?chunk={hit['chunk_id']}"
    assert 0 <= hit["score"] <= 1
    assert hit["explain"]["sparse"]["rank"] == 1
    assert hit["explain"]["sparse"]["terms"] == ["notice", "period"]
    assert hit["explain"]["why"]
    assert answer["explain"]["weights"].keys() == {"dense", "sparse"}
    assert answer["collections"] == [{"id": collection_id, "name": "Contracts"}]


async def test_highlights_are_code_points_in_any_script(client: httpx2.AsyncClient, actor: Actor, shelf: Shelf) -> None:
    for language, query, passage, marked in (
        ("en", "pump", "👩‍👩‍👧 the 🚰 pump 🙂 and Pump", ["pump", "Pump"]),
        ("fr", "été", "un bel e\u0301te\u0301 \u0301 et un été", ["e\u0301te\u0301", "été"]),
        ("ar", "المدرسة", "ذهب إلى المَدْرَسَة، ثم المدرسة.", ["المَدْرَسَة", "المدرسة"]),
        ("he", "שלום", "אמר: שלום 🙂 שלום", ["שלום", "שלום"]),
        ("hi", "पानी", "मुफ़्त पानी 😀 मिलेगा", ["पानी"]),
        ("zh", "东京大学", "在𠮷野的东京大学学习", ["东京大学"]),
        ("en", "ffi office", "The oﬃce of the ＰＵＭＰ", ["oﬃce"]),
    ):
        collection_id = await shelf.collection(actor, f"{language} {query}", {"a.txt": [passage]}, language=language)
        (hit,) = (await ask(client, query, collections=[collection_id]))["hits"]
        text = hit["passage"]["text"]
        assert text == passage
        assert [text[span["start"] : span["end"]] for span in hit["highlights"]] == marked


@pytest.mark.parametrize("mode", ["hybrid", "dense", "sparse"])
async def test_every_mode_ranks_by_a_score_between_0_and_1(client: httpx2.AsyncClient, actor: Actor, shelf: Shelf, mode: str) -> None:
    await shelf.collection(actor, "Contracts", LEASE)
    hits = (await ask(client, "when are tax returns due", mode=mode, explain=True))["hits"]
    assert hits[0]["document"]["name"] == "tax.txt"
    scores = [hit["score"] for hit in hits]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert (hits[0]["explain"]["dense"] is None) == (mode == "sparse")
    assert (hits[0]["explain"]["sparse"] is None) == (mode == "dense")


async def test_a_document_counts_as_its_best_passage(client: httpx2.AsyncClient, actor: Actor, shelf: Shelf) -> None:
    await shelf.collection(actor, "Contracts", LEASE)
    grouped = (await ask(client, "cat purrs content day", mode="sparse"))["hits"]
    assert [hit["document"]["name"] for hit in grouped].count("cats.txt") == 1
    assert grouped[0]["more_in_document"] == 1
    single = (await ask(client, "cat purrs content day", mode="sparse", group_by="none"))["hits"]
    assert [hit["document"]["name"] for hit in single].count("cats.txt") == 2


async def test_identifiers_are_found_whole_and_in_part(client: httpx2.AsyncClient, actor: Actor, shelf: Shelf) -> None:
    await shelf.collection(actor, "Contracts", LEASE)
    for query in ("parse_http_date", "http date", "P-4711", "4711"):
        assert (await ask(client, query))["hits"][0]["document"]["name"] == "pump.txt"


async def test_pages_follow_each_other_without_gap_or_repeat(client: httpx2.AsyncClient, actor: Actor, shelf: Shelf) -> None:
    await shelf.collection(actor, "Notes", {f"note {number}": [f"note number {number} about rain"] for number in range(23)})
    whole = [hit["document"]["id"] for hit in (await ask(client, "rain", limit=100))["hits"]]
    assert len(whole) == 23
    paged: list[str] = []
    cursor = None
    while True:
        answer = await ask(client, "rain", limit=5, cursor=cursor)
        paged += [hit["document"]["id"] for hit in answer["hits"]]
        cursor = answer["next_cursor"]
        if cursor is None:
            break
    assert paged == whole
    first = await ask(client, "rain", limit=5)
    assert await refused(client, query="sun", limit=5, cursor=first["next_cursor"]) == (422, "bad_cursor")
    assert await refused(client, query="rain", cursor="bm9uc2Vuc2U") == (422, "bad_cursor")


async def test_filters_narrow_by_typed_values_only(client: httpx2.AsyncClient, actor: Actor, shelf: Shelf) -> None:
    english = await shelf.collection(actor, "English", {"a.txt": ["rain in spring"]})
    await shelf.collection(actor, "Deutsch", {"b.pdf": ["Regen und rain"]}, language="de", media_type="application/pdf")
    assert {hit["document"]["name"] for hit in (await ask(client, "rain"))["hits"]} == {"a.txt", "b.pdf"}
    for filters, names in (
        ({"languages": ["de"]}, {"b.pdf"}),
        ({"media_types": ["text/plain"]}, {"a.txt"}),
        ({"languages": ["DE"], "media_types": ["Application/PDF"]}, {"b.pdf"}),
        ({"languages": ["de"], "media_types": ["text/plain"]}, set()),
        ({"documents": [shelf.made[f"{english}/a.txt"]]}, {"a.txt"}),
        ({"sources": ["' OR 1=1 --"]}, set()),
        ({"tags": ['"}]}, {"must": []']}, set()),
        ({"modified_after": "2001-01-01T00:00:00Z"}, set()),
    ):
        assert {hit["document"]["name"] for hit in (await ask(client, "rain", filters=filters))["hits"]} == names
    assert {hit["document"]["name"] for hit in (await ask(client, "rain", collections=[english]))["hits"]} == {"a.txt"}
    assert (await refused(client, query="rain", filters={"tenant": ["x"]}))[0] == 422
    assert (await refused(client, query="rain", filters={"tags": [{"must": []}]}))[0] == 422
    assert (await refused(client, query="rain", filters={"languages": ["english"]}))[0] == 422
    assert (await refused(client, query="rain", filters={"media_types": ["PDF"]}))[0] == 422


async def test_min_score_keeps_only_what_reaches_it(client: httpx2.AsyncClient, actor: Actor, shelf: Shelf) -> None:
    await shelf.collection(actor, "Contracts", LEASE)
    hits = (await ask(client, "notice period"))["hits"]
    kept = (await ask(client, "notice period", min_score=hits[0]["score"] - 0.0001))["hits"]
    assert 1 <= len(kept) < len(hits)
    assert (await ask(client, "notice period", min_score=1))["hits"] == []


async def test_what_cannot_be_asked_is_said_clearly(client: httpx2.AsyncClient, actor: Actor, shelf: Shelf) -> None:
    await shelf.collection(actor, "Contracts", LEASE)
    assert await refused(client, query="") == (422, "query_empty")
    assert await refused(client, query=" \x07\n\t ") == (422, "query_empty")
    assert await refused(client, query="\u200b\u200d\u202e") == (422, "query_empty")
    assert await refused(client, query="x" * 10_001) == (422, "query_too_long")
    assert await refused(client, query="x", collections=["no such"]) == (404, "collection_unknown")
    for body in (
        {"limit": 0},
        {"limit": 101},
        {"mode": "magic"},
        {"min_score": 2},
        {"group_by": "page"},
        {"surplus": 1},
        {"collections": "all"},
    ):
        assert (await refused(client, query="x", **body))[0] == 422
    assert (await ask(client, "word " * 2_000))["hits"]
    assert (await ask(client, "notice\x01 \x07period"))["hits"][0]["document"]["name"] == "lease.txt"
    assert (await ask(client, "!?"))["notes"]


async def test_nobody_sees_the_documents_of_another_tenant(
    client: httpx2.AsyncClient, other_client: httpx2.AsyncClient, actor: Actor, other_actor: Actor, shelf: Shelf
) -> None:
    mine = await shelf.collection(actor, "Mine", {"mine.txt": ["the secret recipe"]})
    await shelf.collection(other_actor, "Theirs", {"theirs.txt": ["the secret recipe"]})
    assert [hit["document"]["name"] for hit in (await ask(client, "secret recipe"))["hits"]] == ["mine.txt"]
    assert [hit["document"]["name"] for hit in (await ask(other_client, "secret recipe"))["hits"]] == ["theirs.txt"]
    assert await refused(other_client, query="secret", collections=[mine]) == (404, "collection_unknown")
    stolen = {"documents": [shelf.made[f"{mine}/mine.txt"]]}
    assert (await ask(other_client, "secret", filters=stolen))["hits"] == []


async def test_deleted_and_replaced_passages_never_answer(client: httpx2.AsyncClient, actor: Actor, shelf: Shelf, runtime: Runtime) -> None:
    collection_id = await shelf.collection(actor, "Contracts", {**LEASE, "old.txt": ["the notice period is two weeks"]})
    async with runtime.database.write() as session:
        source_id = await session.scalar(sa.select(documents.c.source_id))
        await session.execute(sa.update(documents).where(documents.c.name == "old.txt").values(deleted_at=now()))
        await session.commit()
    await shelf.document(actor, collection_id, str(source_id), "lease.txt", ["The notice period is six months."], version=2)
    hits = (await ask(client, "notice period"))["hits"]
    assert hits[0]["passage"]["text"] == "The notice period is six months."
    assert "two weeks" not in str(hits)
    assert "three months" not in str(hits)
    async with runtime.database.write() as session:
        await session.execute(sa.update(collections).values(deleted_at=now()))
        await session.commit()
    assert (await ask(client, "notice period"))["hits"] == []


async def test_nothing_to_search_is_an_empty_answer_not_an_error(client: httpx2.AsyncClient, actor: Actor, shelf: Shelf) -> None:
    assert (await ask(client, "anything"))["hits"] == []
    await shelf.collection(actor, "Empty", {})
    assert (await ask(client, "anything"))["hits"] == []


async def test_one_document_alone_is_found(client: httpx2.AsyncClient, actor: Actor, shelf: Shelf) -> None:
    await shelf.collection(actor, "One", {"only.txt": ["a single sentence about whales"]})
    for mode in ("hybrid", "dense", "sparse"):
        assert len((await ask(client, "whales", mode=mode))["hits"]) == 1


@pytest.mark.embedded
async def test_an_index_that_is_down_is_503_and_comes_back(
    client: httpx2.AsyncClient, actor: Actor, shelf: Shelf, runtime: Runtime
) -> None:
    await shelf.collection(actor, "Contracts", LEASE)
    vectors = runtime.vectors
    assert isinstance(vectors, EdgeStore)
    assert vectors.pid is not None
    os.kill(vectors.pid, signal.SIGKILL)
    assert (await ask(client, "notice period"))["hits"]
    await vectors.close()
    assert await refused(client, query="notice period") == (503, "index_unavailable")


async def test_an_index_that_is_gone_is_503_never_empty(client: httpx2.AsyncClient, actor: Actor, shelf: Shelf, runtime: Runtime) -> None:
    await shelf.collection(actor, "Contracts", LEASE)
    await runtime.vectors.drop(await runtime.space("hashing"))
    assert await refused(client, query="notice period") == (503, "index_damaged")
