"""Uploads: every file of a request gets an answer of its own, and no path leads anywhere but into the collection."""

from __future__ import annotations

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semantik.features.ingestion.uploads import safe_path
from tests.conftest import job_ended
from tests.flows.steps import documents_of, make_collection


@pytest.mark.parametrize(
    ("given_path", "kept"),
    [
        ("a/b/../c.txt", "a/c.txt"),
        ("../../etc/passwd", "etc/passwd"),
        ("a/../../../b.txt", "b.txt"),
        ("./a//b.txt", "a/b.txt"),
        ("C:\\Users\\ada\\note.txt", "C:/Users/ada/note.txt"),
        ("line\nbreak\x1b[31m.txt", "line break [31m.txt"),
        ("a/..", ""),
    ],
)
def test_a_path_is_taken_as_a_browser_means_it(given_path: str, kept: str) -> None:
    assert safe_path(given_path) == kept


@given(st.text(alphabet=st.sampled_from("ab./\\\x00\n é\ud800"), max_size=60))
def test_no_path_leads_out_of_the_collection(given_path: str) -> None:
    kept = safe_path(given_path)
    assert not kept.startswith("/") and not {"", ".", ".."} & set(kept.split("/") if kept else [])
    assert safe_path(kept) == kept, "a path that was taken once is taken as it is"
    kept.encode()


async def test_of_two_files_with_one_path_the_last_stands_and_the_other_is_told(
    client: httpx2.AsyncClient, other_client: httpx2.AsyncClient
) -> None:
    collection = await make_collection(client)
    address = f"/api/v1/collections/{collection['id']}/uploads"
    files = [
        ("files", (name, data)) for name, data in (("r.txt", b"The first report."), ("s.txt", b"Else."), ("r.txt", b"The second report."))
    ]

    foreign = await other_client.post(address, files=files)
    answer = await client.post(address, files=files)
    await job_ended(client, answer.json()["job_id"])
    documents = await documents_of(client, collection["id"])
    again = await client.post(address, files=files[:1])
    await job_ended(client, again.json()["job_id"])
    after = await documents_of(client, collection["id"])

    assert (foreign.status_code, foreign.json()["code"]) == (404, "collection_unknown")
    first, other, last = answer.json()["files"]
    assert (first["state"], first["code"]) == ("rejected", "same_path") and "r.txt" in first["reason"]
    assert (other["state"], last["state"]) == ("accepted", "accepted")
    assert set(documents) == {"r.txt", "s.txt"}
    original = await client.get(f"/api/v1/documents/{documents['r.txt']['id']}/original")
    assert after["r.txt"]["id"] == documents["r.txt"]["id"], "a later upload to the same path replaces"
    assert original.status_code == 200 and documents["r.txt"]["size_bytes"] == len(b"The second report.")


async def test_too_many_files_in_one_request_are_refused_with_the_limit(client: httpx2.AsyncClient) -> None:
    collection = await make_collection(client)
    files = [("files", (f"{number}.txt", b"x")) for number in range(1001)]

    answer = await client.post(f"/api/v1/collections/{collection['id']}/uploads", files=files)

    assert (answer.status_code, answer.json()["code"], answer.json()["max_parts"]) == (413, "too_many_parts", 1000)
    assert "1,000 files" in answer.json()["detail"] and answer.json()["hint"]
    assert await documents_of(client, collection["id"]) == {}
