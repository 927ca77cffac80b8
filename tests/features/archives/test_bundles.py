"""A collection leaves as one file and comes in elsewhere: for another tenant, on another database, beside itself."""

from __future__ import annotations

import asyncio
import itertools
import json
import tarfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from semantik import migrations
from semantik.auth.actor import Actor
from semantik.jobs import failpoints
from semantik.kit import metrics
from semantik.kit.archive import Framer
from semantik.kit.database import Database, open_database
from semantik.tables.collections import collections
from semantik.tables.documents import chunks, documents
from semantik.tables.sources import sources
from tests.conftest import job_ended, make_tenant
from tests.features.archives.installations import QUESTIONS, empty, examined, fill, started
from tests.flows.steps import documents_of, make_collection, search, upload

here = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def exported(client: httpx2.AsyncClient, collection_id: str) -> bytes:
    answer = await client.get(f"/api/v1/collections/{collection_id}/export")
    assert answer.status_code == 200, answer.text
    return answer.content


async def imported(client: httpx2.AsyncClient, content: bytes, **form: str) -> dict[str, Any]:
    """The job as it ended."""
    answer = await client.post("/api/v1/collections/import", files={"file": ("a.semantik-collection", content)}, data=form)
    assert answer.status_code == 202, answer.text
    return await job_ended(client, answer.json()["job_id"])


async def answers_of(client: httpx2.AsyncClient, collection_id: str) -> list[list[tuple[float, str, str]]]:
    found = [await search(client, question, collections=[collection_id]) for question in QUESTIONS]
    # Equal scores stand in the order of their ids, and those are new.
    return [sorted((-round(hit["score"], 3), hit["document"]["path"], hit["passage"]["text"]) for hit in hits) for hits in found]


def embedded() -> float:
    return float(metrics.TEXTS_EMBEDDED.labels(engine="hashing")._value.get())


async def test_another_tenant_takes_in_the_whole_collection_and_nothing_is_embedded(
    client: httpx2.AsyncClient, other_client: httpx2.AsyncClient, tmp_path: Path
) -> None:
    given = await fill(client, tmp_path / "papers")
    before, texts = await answers_of(client, given), embedded()
    job = await imported(other_client, await exported(client, given))
    assert job["status"] == "completed", job
    taken = job["result"]["collection_id"]

    assert taken != given and embedded() == texts
    assert await answers_of(other_client, taken) == before
    of_one, of_other = await documents_of(client, given), await documents_of(other_client, taken)
    told = ("state", "code", "reason", "size_bytes", "media_type", "language", "title", "chunk_count")
    assert {path: [row[name] for name in told] for path, row in of_one.items()} == {
        path: [row[name] for name in told] for path, row in of_other.items()
    }
    assert not {row["id"] for row in of_one.values()} & {row["id"] for row in of_other.values()}, "every id is new"
    original = await other_client.get(f"/api/v1/documents/{of_other['alone.html']['id']}/original")
    assert original.content == b"<p>Nobody else has this ferry timetable.</p>"
    shown = (await other_client.get(f"/api/v1/collections/{taken}")).json()
    mine = (await client.get(f"/api/v1/collections/{given}")).json()
    assert {name: shown[name] for name in ("name", "description", "chunking", "language", "ledger", "chunks")} == {
        name: mine[name] for name in ("name", "description", "chunking", "language", "ledger", "chunks")
    }
    assert (await examined(other_client))["found"] == {} == (await examined(client))["found"]


@pytest.mark.parametrize("kind", ["sqlite", "server"])
async def test_a_bundle_goes_into_either_kind_of_installation(
    client: httpx2.AsyncClient, tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    given = await fill(client, tmp_path / "papers")
    content, before = await exported(client, given), await answers_of(client, given)
    with empty(kind, tmp_path / "elsewhere", lambda: request.getfixturevalue("postgres_server")) as target:
        target.data_dir.mkdir()
        migrations.upgrade(target.sqlalchemy_url)
        database = open_database(target.sqlalchemy_url)
        actor = await make_tenant(database, "Gamma")
        await database.close()
        async with started(target, actor) as there:
            job = await imported(there, content)
            assert job["status"] == "completed", job
            assert await answers_of(there, job["result"]["collection_id"]) == before
            assert (await examined(there))["found"] == {}


@here
async def test_the_same_bundle_twice_stands_side_by_side_and_may_be_named(client: httpx2.AsyncClient, tmp_path: Path) -> None:
    given = await fill(client, tmp_path / "papers")
    content = await exported(client, given)
    jobs = [await imported(client, content), await imported(client, content, name="Ships"), await imported(client, content)]
    names = [(await client.get(f"/api/v1/collections/{job['result']['collection_id']}")).json()["name"] for job in jobs]
    assert names == ["Papers (2)", "Ships", "Papers (3)"]
    assert await exported(client, jobs[1]["result"]["collection_id"])
    assert (await examined(client))["found"] == {}


@here
async def test_a_document_taken_in_is_read_again_like_any_upload(client: httpx2.AsyncClient, tmp_path: Path) -> None:
    job = await imported(client, await exported(client, await fill(client, tmp_path / "papers")), name="Second")
    rows = await documents_of(client, job["result"]["collection_id"])
    for path in ("box.zip", "0.md"):
        answer = await client.post(f"/api/v1/documents/{rows[path]['id']}/retry")
        assert (await job_ended(client, answer.json()["job_id"]))["status"] == "completed"
    after = await documents_of(client, job["result"]["collection_id"])
    assert {path: row["state"] for path, row in after.items()} == {path: row["state"] for path, row in rows.items()}
    assert (await examined(client))["found"] == {}


@here
@pytest.mark.parametrize("point", ["bundle_member_taken=raise@2", "bundle_member_taken=raise@7", "in_step_before_commit=raise@5"])
async def test_an_import_that_broke_off_goes_on_and_ends_the_same(
    client: httpx2.AsyncClient, other_client: httpx2.AsyncClient, tmp_path: Path, point: str
) -> None:
    given = await fill(client, tmp_path / "papers")
    content, before = await exported(client, given), await answers_of(client, given)
    failpoints.arm(point)
    try:
        job = await imported(other_client, content)
    finally:
        failpoints.arm("")
    assert (job["status"], job["attempt"]) == ("completed", 2), job
    assert await answers_of(other_client, job["result"]["collection_id"]) == before
    assert (await examined(other_client))["found"] == {}


@here
async def test_nobody_sees_a_collection_that_is_still_coming_in_and_nothing_stays_when_it_is_cancelled(
    client: httpx2.AsyncClient, other_client: httpx2.AsyncClient, other_actor: Actor, database: Database, tmp_path: Path
) -> None:
    content = await exported(client, await fill(client, tmp_path / "papers"))
    failpoints.arm("bundle_member_taken=bug@5")
    try:
        answer = await other_client.post("/api/v1/collections/import", files={"file": ("a", content)})
        job_id = answer.json()["job_id"]
        while (await other_client.get(f"/api/v1/jobs/{job_id}")).json()["status"] != "queued" or not failpoints._hits[
            "bundle_member_taken"
        ]:
            await asyncio.sleep(0.02)
        assert (await other_client.get("/api/v1/collections")).json()["items"] == []
        assert (await other_client.get("/api/v1/documents")).json()["items"] == []
        assert await search(other_client, "ferry timetable") == []
        assert (await other_client.post(f"/api/v1/jobs/{job_id}/cancel")).status_code == 200
    finally:
        failpoints.arm("")
    assert (await job_ended(other_client, job_id))["status"] == "cancelled"
    await _nothing_left(other_client, other_actor, database)


def altered(content: bytes, change: Callable[[str, bytes], bytes]) -> bytes:
    """The bundle with some members changed, under a checksum that fits."""
    framer, made = Framer(), b""
    with tarfile.open(fileobj=BytesIO(content)) as listed:
        for member in listed:
            file = listed.extractfile(member)
            assert file is not None
            body = change(member.name, file.read())
            if member.name == "end.json":
                facts = json.loads(body)
                facts.pop("sha256")
                return made + framer.end(facts)
            made += framer.member(member.name, body)
    raise AssertionError("a bundle has an end")


def in_rows(table: str, **values: Any) -> Callable[[str, bytes], bytes]:
    """Changes columns of the first row of a table."""

    def change(name: str, body: bytes) -> bytes:
        if not name.startswith(f"rows/{table}/"):
            return body
        head, first, *rest = body.splitlines(keepends=True)
        row = dict(zip(json.loads(head), json.loads(first), strict=True)) | values
        return head + json.dumps([row[column] for column in json.loads(head)]).encode() + b"\n" + b"".join(rest)

    return change


def within(*circle: int) -> Callable[[str, bytes], bytes]:
    """Puts documents of the first block, by their numbers, each into the one named after it."""

    def change(name: str, body: bytes) -> bytes:
        if name != "rows/documents/000001.jsonl":
            return body
        head, *rest = [json.loads(line) for line in body.splitlines()]
        for inner, outer in itertools.pairwise(circle):
            rest[inner][head.index("parent_id")] = rest[outer][head.index("id")]
        return b"".join(json.dumps(one).encode() + b"\n" for one in (head, *rest))

    return change


def nested(depth: int) -> dict[str, Any]:
    return {"a": nested(depth - 1)} if depth else {}


def everywhere(table: str, old: bytes, new: bytes) -> Callable[[str, bytes], bytes]:
    return lambda name, body: body.replace(old, new) if name.startswith(f"rows/{table}/") else body


def in_manifest(**values: Any) -> Callable[[str, bytes], bytes]:
    def change(name: str, body: bytes) -> bytes:
        if name != "manifest.json":
            return body
        return json.dumps(
            {key: {**value, **values.get(key, {})} if isinstance(value, dict) else value for key, value in json.loads(body).items()}
        ).encode()

    return change


def in_end(body: bytes, **values: Any) -> bytes:
    return json.dumps(json.loads(body) | values).encode()


@here
@pytest.mark.parametrize("size_bytes", [1, 10**12])
async def test_sizes_and_counts_are_those_of_what_came(client: httpx2.AsyncClient, tmp_path: Path, size_bytes: int) -> None:
    given = await fill(client, tmp_path / "papers")
    content = altered(await exported(client, given), in_rows("documents", size_bytes=size_bytes, chunk_count=99))
    job = await imported(client, content, name="Second")
    assert job["status"] == "completed", job
    mine, taken = [await documents_of(client, one) for one in (given, job["result"]["collection_id"])]
    told = ("size_bytes", "chunk_count")
    assert {path: [row[name] for name in told] for path, row in mine.items()} == {
        path: [row[name] for name in told] for path, row in taken.items()
    }
    for row in taken.values():
        original = await client.get(f"/api/v1/documents/{row['id']}/original")
        assert len(original.content) == int(original.headers["content-length"]) == row["size_bytes"]
    assert (await examined(client))["found"] == {}


@here
async def test_an_import_that_ended_well_leaves_no_other_job_to_be_seen(client: httpx2.AsyncClient, tmp_path: Path) -> None:
    job = await imported(client, await exported(client, await fill(client, tmp_path / "papers")), name="Second")
    assert job["status"] == "completed", job
    assert (await client.get("/api/v1/jobs", params={"kind": "delete_collection"})).json()["items"] == []


@here
async def test_what_lies_in_a_deleted_archive_is_not_exported(
    client: httpx2.AsyncClient, other_client: httpx2.AsyncClient, database: Database, tmp_path: Path
) -> None:
    given = await fill(client, tmp_path / "papers")
    box = (await documents_of(client, given))["box.zip"]["id"]
    async with database.write() as session:
        # As its deletion leaves it until the job has removed what was in it.
        await session.execute(sa.update(documents).where(documents.c.id == box).values(deleted_at=sa.func.current_timestamp()))
        await session.commit()
    job = await imported(other_client, await exported(client, given))
    assert job["status"] == "completed", job
    taken = await documents_of(other_client, job["result"]["collection_id"])
    assert "alone.html" in taken and not [path for path in taken if path.startswith("box.zip")]


@here
async def test_with_another_model_the_originals_are_read_again(client: httpx2.AsyncClient, tmp_path: Path) -> None:
    content = await exported(client, await fill(client, tmp_path / "papers"))
    texts = embedded()
    job = await imported(client, altered(content, in_manifest(model={"key": "hashing-of-old"})), name="Old")
    assert job["status"] == "completed" and job["result"]["embedded_again"]
    for one in (await client.get("/api/v1/jobs", params={"kind": "ingest_source", "limit": 50})).json()["items"]:
        await job_ended(client, one["id"])
    ledger = (await client.get(f"/api/v1/collections/{job['result']['collection_id']}")).json()["ledger"]
    assert (ledger["pending"], ledger["failed"], ledger["indexed"]) == (0, 1, ledger["listed"] - 1)
    hits = await search(client, "ferry timetable", collections=[job["result"]["collection_id"]])
    assert hits[0]["document"]["path"] == "alone.html"
    assert embedded() == texts, "this tenant has the vectors of these very texts"


HOSTILE: dict[str, Callable[[str, bytes], bytes]] = {
    "another text under its hash": in_rows("chunks", text="Send all your money to Mallory."),
    "a chunk of a document it does not hold": in_rows("chunks", document_id="01a00000-0000-7000-8000-000000000000"),
    "a document of a source it does not hold": in_rows("documents", source_id="01a00000-0000-7000-8000-000000000000"),
    "a state nobody knows": in_rows("documents", state="glorious"),
    "a hash that is a path": in_rows("documents", content_hash="../" * 21 + "x"),
    "tags that are no list": in_rows("documents", tags={"a": 1}),
    "a number beyond its column": in_rows("documents", pages=2**40),
    "half a character": in_rows("documents", title="\ud800"),
    "a NUL": in_rows("documents", title="a\x00b"),
    "metadata that no answer can hold": in_rows("documents", metadata=nested(300)),
    "places that are none": in_rows("chunks", position={"page": nested(300)}),
    "a number without end": everywhere("documents", b"{}", b'{"a":1e999}'),
    "a time before the first": in_rows("documents", modified_at="0001-01-01T00:00:00+14:00"),
    "a version after which none comes": in_rows("documents", version=2**31 - 1),
    "a vector of nothing": in_rows("embeddings", vector="AAAA"),
    "vectors of another model": in_rows("embeddings", model_key="other"),
    "a file smaller than nothing": in_rows("documents", size_bytes=-1),
    "a path that leads out": in_rows("documents", path="../../etc"),
    "a path from the root": in_rows("documents", path="/etc/passwd"),
    "an archive that it does not hold": in_rows("documents", parent_id="01a00000-0000-7000-8000-000000000000"),
    "a document that lies in itself": within(0, 0),
    "documents that lie in each other": within(0, 1, 0),
    "pages before the first": in_rows("documents", pages=-1),
    "more text than is stored": in_rows("documents", text_chars=1_000_000),
    "a chunk of another version": in_rows("chunks", version=99),
    "a chunk that ends beyond its text": in_rows("chunks", start=10**9, end=10**9 + 44),
    "a chunk longer than its text": in_rows("chunks", end=10**9),
    "a chunk that ends before it starts": in_rows("chunks", start=10, end=5),
    "a place that is no number": in_rows("chunks", position={"page": "x"}),
    "a page before the first": in_rows("chunks", page=-1),
    "a file under a foreign hash": lambda name, body: b"not that" if name.startswith("blobs/") else body,
    "more than a job can count": lambda name, body: in_end(body, documents=10**18) if name == "end.json" else body,
    "a chunking that never ends": in_manifest(collection={"chunking": {"strategy": "recursive", "max_tokens": 16, "overlap_tokens": 99}}),
}


async def test_made_up_bundles_are_refused_and_leave_nothing(
    client: httpx2.AsyncClient, other_client: httpx2.AsyncClient, other_actor: Actor, database: Database, tmp_path: Path
) -> None:
    """All by one installation: filling one for each of them would take minutes."""
    content = await exported(client, await fill(client, tmp_path / "papers"))
    taken = {what for what, change in HOSTILE.items() if (await imported(other_client, altered(content, change)))["status"] != "failed"}
    assert taken == set()
    await _nothing_left(other_client, other_actor, database)
    assert (await imported(other_client, content))["status"] == "completed", "the one that nobody altered"


async def _nothing_left(client: httpx2.AsyncClient, actor: Actor, database: Database) -> None:
    for one in (await client.get("/api/v1/jobs", params={"kind": "delete_collection"})).json()["items"]:
        assert (await job_ended(client, one["id"]))["status"] == "completed"
    async with database.read() as session:
        for table in (collections, sources, documents, chunks):
            assert (await session.execute(sa.select(table).where(table.c.tenant_id == actor.tenant_id))).all() == []


@here
async def test_a_text_that_speaks_of_the_escape_of_nul_comes_in(client: httpx2.AsyncClient, tmp_path: Path) -> None:
    made = await make_collection(client, "Escapes")
    await upload(client, made["id"], {"escapes.md": b"# Escapes\n\nIn JSON a NUL is written \\u0000, a backslash \\\\."})
    job = await imported(client, await exported(client, made["id"]), name="Second")
    assert job["status"] == "completed", job
    hits = await search(client, "a NUL is written", collections=[job["result"]["collection_id"]])
    assert "\\u0000" in hits[0]["passage"]["text"]


async def test_what_is_no_bundle_is_refused_before_it_is_stored(client: httpx2.AsyncClient, tmp_path: Path) -> None:
    content = await exported(client, await fill(client, tmp_path / "papers"))
    framer = Framer()
    backup = framer.member("manifest.json", b'{"format": "semantik-backup", "version": 1}') + framer.end({})
    later = altered(content, lambda name, body: body.replace(b'"version": 1', b'"version": 2') if name == "manifest.json" else body)
    nul = [altered(content, in_manifest(collection={part: "a\x00b"})) for part in ("name", "description")]
    for one in (b"", b"PK\x03\x04", backup, later, content[:600], *nul):
        answer = await client.post("/api/v1/collections/import", files={"file": ("a", one)})
        assert (answer.status_code, answer.json()["code"]) == (422, "archive_damaged"), answer.text
    for cut in (len(content) // 2, len(content) - 1024):
        assert (await imported(client, content[:cut]))["status"] == "failed"


@here
async def test_a_foreign_collection_is_not_exported(client: httpx2.AsyncClient, other_client: httpx2.AsyncClient, tmp_path: Path) -> None:
    given = await fill(client, tmp_path / "papers")
    answer = await other_client.get(f"/api/v1/collections/{given}/export")
    assert (answer.status_code, answer.json()["code"]) == (404, "collection_unknown")


@here
async def test_a_bundle_says_nothing_of_whose_it_was(client: httpx2.AsyncClient, actor: Actor, tmp_path: Path) -> None:
    content = await exported(client, await fill(client, tmp_path / "papers"))
    assert actor.tenant_id.encode() not in content and str(tmp_path).encode() not in content
