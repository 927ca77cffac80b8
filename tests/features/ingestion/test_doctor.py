"""The doctor finds every way in which rows, files, vectors and index can disagree, and mends what can be mended."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest
import sqlalchemy as sa

from semantik.auth.actor import Actor
from semantik.engines.vectors.base import Point, Space
from semantik.jobs import failpoints
from semantik.kit.clock import now
from semantik.kit.database import Database
from semantik.kit.ids import new_id
from semantik.runtime import Runtime
from semantik.tables.base import metadata
from semantik.tables.documents import chunks, documents, embeddings
from tests.conftest import job_ended
from tests.flows.steps import add_folder, documents_of, make_collection, search, upload

NAMES = ("file", "text", "gone", "copied", "vector", "short", "words", "point", "payload", "count", "tampered", "sound")


def _zip(**members: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in members.items():
            archive.writestr(f"{name}.html", f"<p>{text}</p>")
    return buffer.getvalue()


class World:
    """A tenant whose parts all agree, and the ways to spoil them."""

    def __init__(self, runtime: Runtime, client: httpx2.AsyncClient, actor: Actor, folder: Path) -> None:
        self.runtime, self.client, self.actor, self.folder = runtime, client, actor, folder
        self.space = Space("", 1)
        self.collection_id = ""

    async def fill(self) -> None:
        made = await make_collection(self.client)
        self.collection_id = made["id"]
        self.space = await self.runtime.space("hashing")
        for name in NAMES:
            # Of a plain text the extracted text is the same file; of a page it is another.
            (self.folder / f"{name}.html").write_text(f"<p>The {name} of the harbour is painted every {name} spring.</p>")
        await add_folder(self.client, made["id"], self.folder)
        job = await upload(
            self.client,
            made["id"],
            {"alone.txt": b"Nobody else has this ferry timetable.\n", "box.zip": _zip(inner="An anchor in a box.\n")},
        )
        assert job["status"] == "completed", job

    async def examined(self, **wanted: Any) -> dict[str, Any]:
        answer = await self.client.post("/api/v1/doctor", json=wanted)
        assert answer.status_code == 202, answer.text
        job = await job_ended(self.client, answer.json()["job_id"])
        assert job["status"] == "completed", job
        return job

    async def mended(self) -> dict[str, Any]:
        """Mends, and waits for the reading that this started."""
        job = await self.examined(fix=True)
        for one in (await self.client.get("/api/v1/jobs", params={"kind": "ingest_source", "limit": 50})).json()["items"]:
            await job_ended(self.client, one["id"])
        return job

    async def row(self, path: str) -> dict[str, Any]:
        async with self.runtime.database.read() as session:
            statement = sa.select(documents).where(documents.c.path == path, documents.c.tenant_id == self.actor.tenant_id)
            return dict((await session.execute(statement)).one()._mapping)

    async def chunk(self, path: str) -> dict[str, Any]:
        statement = sa.select(chunks).where(chunks.c.document_id == (await self.row(path))["id"])
        async with self.runtime.database.read() as session:
            return dict((await session.execute(statement)).one()._mapping)

    def file_of(self, name: str) -> Path:
        return self.runtime.settings.data_dir / "blobs" / self.actor.tenant_id / name[:2] / name

    async def write(self, statement: Any) -> None:
        async with self.runtime.database.write() as session:
            await session.execute(statement)
            await session.commit()

    async def points(self, ids: Sequence[str]) -> list[Point]:
        return [point async for batch in self.runtime.vectors.scan(self.space, vectors=True) for point in batch if point.id in ids]

    async def spoil(self) -> None:
        """One fault of each kind, each in a document of its own."""
        vectors = self.runtime.vectors
        self.file_of((await self.row("file.html"))["content_hash"]).unlink()
        self.file_of((await self.row("text.html"))["text_hash"]).write_text("something else")
        stray = self.file_of("ab" * 32)
        stray.parent.mkdir(exist_ok=True)
        stray.write_bytes(b"nobody names this")
        long_ago = now().timestamp() - 2 * 86400
        os.utime(stray, (long_ago, long_ago))

        living = await self.chunk("copied.html")
        (copied,) = await self.points([living["id"]])
        dead = {**living, "id": new_id(), "version": 0}
        await self.write(sa.insert(chunks).values(**dead))
        await vectors.upsert(self.space, [replace(copied, id=dead["id"])])

        await self.write(sa.delete(embeddings).where(embeddings.c.text_hash == (await self.chunk("vector.html"))["embedding_hash"]))
        short = embeddings.c.text_hash == (await self.chunk("short.html"))["embedding_hash"]
        await self.write(sa.update(embeddings).where(short).values(vector=b"\x00\x01"))
        unused = {"tenant_id": self.actor.tenant_id, "model_key": self.space.key.rpartition("-")[0], "text_hash": "cd" * 32}
        await self.write(sa.insert(embeddings).values(**unused, vector=b"\x00\x3c", created_at=now() - timedelta(days=2)))

        await vectors.delete(self.space, [(await self.chunk("point.html"))["id"]])
        (wrong,) = await self.points([(await self.chunk("payload.html"))["id"]])
        await vectors.upsert(self.space, [replace(wrong, payload={**wrong.payload, "document": new_id()})])
        (any_point,) = await self.points([(await self.chunk("sound.html"))["id"]])
        await vectors.upsert(self.space, [replace(any_point, id=new_id(), payload={**any_point.payload, "document": new_id()})])
        await vectors.flush(self.space)

        await self.write(sa.update(documents).where(documents.c.path == "count.html").values(chunk_count=7))
        tampered = (await self.chunk("tampered.html"))["id"]
        await self.write(sa.update(chunks).where(chunks.c.id == tampered).values(text="Somebody wrote this into the table."))


EACH = {
    "blob_missing": 1, "blob_damaged": 1, "blob_unnamed": 1, "chunk_dead": 1, "chunk_damaged": 1, "vector_missing": 1, "vector_damaged": 1,
    "vector_unused": 1, "point_missing": 1, "point_unnamed": 1, "point_differs": 1, "count_wrong": 1,
}  # fmt: skip


@pytest.fixture
async def world(runtime: Runtime, client: httpx2.AsyncClient, actor: Actor, tmp_path: Path) -> World:
    folder = tmp_path / "papers"
    folder.mkdir()
    made = World(runtime, client, actor, folder)
    await made.fill()
    return made


async def test_what_agrees_gives_nothing_to_say(world: World) -> None:
    result = (await world.examined())["result"]
    assert result["found"] == {}
    assert result["checked"]["originals"] == len(NAMES) + 3
    assert result["checked"]["chunks"] == result["checked"]["points"] == len(NAMES) + 3
    assert "files" not in result["checked"], "what was stored today is left alone"


async def test_each_kind_of_fault_is_found_and_only_a_mend_changes_anything(world: World, database: Database) -> None:
    await world.spoil()
    before = await _everything(database)
    seen = (await world.examined())["result"]
    again = (await world.examined())["result"]
    assert seen["found"] == again["found"] == EACH
    assert seen["mended"] == {} and seen["lost"] == 0
    assert seen["examples"]["blob_missing"] == ["file.html"]
    assert await _everything(database) == before

    job = await world.mended()
    assert job["result"]["found"] == job["result"]["mended"] == EACH, "every fault of this world can be mended"
    assert job["outcome"] == "ok"
    after = (await world.examined())["result"]
    assert after["found"] == {}, after
    for name in NAMES:
        hits = await search(world.client, f"painted every {name} spring")
        assert hits[0]["document"]["path"] == f"{name}.html"
    ledger = (await world.client.get(f"/api/v1/collections/{world.collection_id}")).json()["ledger"]
    assert ledger["listed"] == ledger["indexed"] + ledger["partial"] == len(NAMES) + 3, ledger


async def test_vectors_are_made_again_from_the_chunk_and_equal_those_that_were_lost(world: World, database: Database) -> None:
    async with database.read() as session:
        before = {row.text_hash: row.vector for row in await session.execute(sa.select(embeddings))}
    await world.write(sa.delete(embeddings))
    job = await world.mended()
    async with database.read() as session:
        after = {row.text_hash: row.vector for row in await session.execute(sa.select(embeddings))}
    assert job["result"]["mended"] == {"vector_missing": len(before)}
    assert after == before


@pytest.mark.embedded
async def test_a_mend_that_broke_off_goes_on_and_leaves_nothing_wrong(world: World) -> None:
    await world.spoil()
    failpoints.arm("doctor_mended=raise@3")
    try:
        job = await world.mended()
    finally:
        failpoints.arm("")
    assert job["attempt"] == 2
    assert (await world.examined())["result"]["found"] == {}


async def test_a_lost_original_is_a_failed_document_with_a_reason_and_never_a_missing_one(world: World) -> None:
    world.file_of((await world.row("alone.txt"))["content_hash"]).unlink()
    job = await world.mended()
    found = (await documents_of(world.client, world.collection_id))["alone.txt"]
    assert (found["state"], found["code"]) == ("failed", "original_lost")
    assert found["reason"] and found["hint"]
    assert job["result"]["lost"] == 1 and job["outcome"] == "partial"
    items = (await world.client.get(f"/api/v1/jobs/{job['id']}/items")).json()["items"]
    assert [item["label"] for item in items] == ["alone.txt"]
    assert (await search(world.client, "ferry timetable"))[0]["document"]["path"] == "alone.txt", "its text is all that is left"
    assert (await world.examined())["result"]["found"] == {}, "a loss is told once"

    await upload(world.client, world.collection_id, {"alone.txt": b"Nobody else has this ferry timetable.\n"})
    await world.client.post(f"/api/v1/documents/{found['id']}/retry")
    assert (await world.mended())["result"]["found"] == {}


async def test_a_file_out_of_an_archive_comes_back_from_the_archive(world: World) -> None:
    inner = next(row for path, row in (await documents_of(world.client, world.collection_id)).items() if path.startswith("box.zip!"))
    world.file_of((await world.row(inner["path"]))["content_hash"]).unlink()
    world.file_of((await world.row(inner["path"]))["text_hash"]).unlink()
    job = await world.mended()
    assert job["result"]["found"] == job["result"]["mended"] == {"blob_missing": 2}
    assert (await world.mended())["result"]["lost"] == 0
    assert (await world.examined())["result"]["found"] == {}


async def test_the_doctor_sees_only_its_own_tenant_and_asks_for_an_admin(
    world: World, other_client: httpx2.AsyncClient, other_actor: Actor
) -> None:
    await world.spoil()
    answer = await other_client.post("/api/v1/doctor", json={"fix": True})
    job = await job_ended(other_client, answer.json()["job_id"])
    assert job["result"]["found"] == {} and sum(job["result"]["checked"].values()) == 0
    assert (await world.examined())["result"]["found"] == EACH


async def _everything(database: Database) -> dict[str, Any]:
    """All rows but those of jobs."""
    own = [table for table in metadata.sorted_tables if not table.name.startswith(("job", "tenant_turns", "workers", "idempotency"))]
    async with database.read() as session:
        return {table.name: sorted(map(repr, (await session.execute(sa.select(table))).all())) for table in own}


async def test_points_without_any_collection_are_found_and_mended(world: World) -> None:
    (any_point,) = await world.points([(await world.chunk("sound.html"))["id"]])
    answer = await world.client.delete(f"/api/v1/collections/{world.collection_id}")
    await job_ended(world.client, answer.json()["job_id"])
    await world.runtime.vectors.upsert(world.space, [replace(any_point, id=new_id(), payload={**any_point.payload, "document": new_id()})])
    await world.runtime.vectors.flush(world.space)
    assert (await world.examined())["result"]["found"] == {"point_unnamed": 1}
    assert (await world.mended())["result"]["mended"] == {"point_unnamed": 1}
    assert (await world.examined())["result"]["found"] == {}


class _Leaving:
    """The store, out of which a point is swept as soon as it was scanned."""

    def __init__(self, store: Any, point_id: str) -> None:
        self._store, self._point_id = store, point_id

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def scan(self, space: Space, **narrowed: Any) -> AsyncIterator[Sequence[Point]]:
        async for batch in self._store.scan(space, **narrowed):
            if any(point.id == self._point_id for point in batch):
                await self._store.delete(space, [self._point_id])
            yield batch


@pytest.mark.embedded
async def test_a_point_that_left_while_it_was_looked_at_is_no_orphan(world: World) -> None:
    (any_point,) = await world.points([(await world.chunk("sound.html"))["id"]])
    leaving = replace(any_point, id=new_id(), payload={**any_point.payload, "document": new_id()})
    store = world.runtime.vectors
    await store.upsert(world.space, [leaving])
    await store.flush(world.space)
    world.runtime.vectors = cast(Any, _Leaving(store, leaving.id))
    try:
        assert (await world.examined())["result"]["found"] == {}
    finally:
        world.runtime.vectors = store
