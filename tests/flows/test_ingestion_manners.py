"""What ingestion promises: nothing twice, nothing lost, containers opened, locked files unlocked, old versions until the new."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import time
import zipfile
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import httpx2
import pytest
import sqlalchemy as sa
from fastapi import UploadFile
from prometheus_client import REGISTRY

from semantik.auth.actor import Actor
from semantik.features.ingestion import uploads
from semantik.kit.clock import now
from semantik.kit.database import Database
from semantik.runtime import Runtime
from semantik.tables.documents import embeddings
from tests.conftest import job_ended
from tests.flows.steps import add_folder, documents_of, make_collection, search, sync, upload


def _embedded() -> float:
    return REGISTRY.get_sample_value("semantik_texts_embedded_total", {"engine": "hashing"}) or 0.0


async def test_an_unchanged_source_embeds_nothing_and_a_known_text_is_never_embedded_twice(
    client: httpx2.AsyncClient, tmp_path: Path
) -> None:
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / "one.txt").write_text("The reservoir holds nine hundred cubic metres.")
    collection = await make_collection(client)
    source = await add_folder(client, collection["id"], folder)
    before = _embedded()

    await sync(client, source["id"])
    after_unchanged = _embedded()
    (folder / "copy.txt").write_text("The reservoir holds nine hundred cubic metres.")
    await sync(client, source["id"])

    assert after_unchanged == before
    assert _embedded() == before, "the copy's text has its vector already"
    assert {one["state"] for one in (await documents_of(client, collection["id"])).values()} == {"indexed"}


async def test_documents_inside_archives_and_mails_are_documents(client: httpx2.AsyncClient) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("deep.txt", "A file within an archive within an archive.")
    outer = io.BytesIO()
    with zipfile.ZipFile(outer, "w") as archive:
        archive.writestr("notes/readme.txt", "The spare key hangs behind the boiler.")
        archive.writestr("inner.zip", inner.getvalue())
        archive.writestr("../evil.txt", "Out of bounds.")
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "a@example.org", "b@example.org", "Valve order"
    mail.set_content("Please find the order attached.")
    mail.add_attachment(b"Twelve gate valves DN 80.", maintype="text", subtype="plain", filename="order.txt")
    collection = await make_collection(client)

    job = await upload(client, collection["id"], {"box.zip": outer.getvalue(), "mail.eml": mail.as_bytes()})
    documents = await documents_of(client, collection["id"])
    ledger = (await client.get(f"/api/v1/collections/{collection['id']}")).json()["ledger"]

    assert job["status"] == "completed", job
    assert documents["box.zip!/notes/readme.txt"]["state"] == "indexed"
    assert documents["box.zip!/inner.zip!/deep.txt"]["state"] == "indexed"
    assert documents["mail.eml!/order.txt"]["parent_id"] == documents["mail.eml"]["id"]
    assert (documents["box.zip"]["state"], documents["box.zip"]["code"]) == ("partial", "unsafe_member"), "one member was refused"
    assert not any("evil" in path and one["state"] == "indexed" for path, one in documents.items())
    assert ledger["pending"] == 0 and ledger["listed"] == len(documents)
    assert (await search(client, "Where is the spare key?"))[0]["document"]["path"] == "box.zip!/notes/readme.txt"


async def test_a_member_that_left_its_archive_leaves_the_collection(client: httpx2.AsyncClient, tmp_path: Path) -> None:
    folder = tmp_path / "papers"
    folder.mkdir()
    with zipfile.ZipFile(folder / "box.zip", "w") as archive:
        archive.writestr("stays.txt", "This one stays.")
        archive.writestr("goes.txt", "This one goes.")
    collection = await make_collection(client)
    source = await add_folder(client, collection["id"], folder)
    before = await documents_of(client, collection["id"])
    with zipfile.ZipFile(folder / "box.zip", "w") as archive:
        archive.writestr("stays.txt", "This one stays.")

    await sync(client, source["id"])
    after = await documents_of(client, collection["id"])

    assert set(before) - set(after) == {"box.zip!/goes.txt"}
    assert after["box.zip!/stays.txt"]["id"] == before["box.zip!/stays.txt"]["id"]


async def test_archives_that_move_keep_their_documents_and_theirs(client: httpx2.AsyncClient, tmp_path: Path) -> None:
    folder = tmp_path / "papers"
    folder.mkdir()
    for name in ("one", "two"):
        inner = io.BytesIO()
        with zipfile.ZipFile(inner, "w") as archive:
            archive.writestr("deep.txt", f"Deep within {name}.")
        with zipfile.ZipFile(folder / f"{name}.zip", "w") as archive:
            archive.writestr("flat.txt", f"In {name}.")
            archive.writestr("inner.zip", inner.getvalue())
    collection = await make_collection(client)
    source = await add_folder(client, collection["id"], folder)
    before = await documents_of(client, collection["id"])
    (folder / "sub").mkdir()
    (folder / "one.zip").rename(folder / "sub" / "uno.zip")
    (folder / "two.zip").rename(folder / "2.zip")

    await sync(client, source["id"])
    after = await documents_of(client, collection["id"])

    moved = {path.replace("one.zip", "sub/uno.zip", 1).replace("two.zip", "2.zip", 1): one["id"] for path, one in before.items()}
    assert len(moved) == 8
    assert {path: one["id"] for path, one in after.items()} == moved
    assert {path: one["name"] for path, one in after.items() if "!" not in path} == {"sub/uno.zip": "uno.zip", "2.zip": "2.zip"}


async def test_a_locked_document_says_so_and_opens_with_its_password(client: httpx2.AsyncClient, shared: Path) -> None:
    locked = (shared / "nasty" / "13_password_aes256.pdf").read_bytes()
    collection = await make_collection(client)
    await upload(client, collection["id"], {"locked.pdf": locked})
    before = (await documents_of(client, collection["id"]))["locked.pdf"]

    wrong = await client.post(f"/api/v1/documents/{before['id']}/retry", json={"password": "wrong"})
    await job_ended(client, wrong.json()["job_id"])
    still = (await documents_of(client, collection["id"]))["locked.pdf"]
    right = await client.post(f"/api/v1/documents/{before['id']}/retry", json={"password": "geheim"})
    await job_ended(client, right.json()["job_id"])
    after = (await documents_of(client, collection["id"]))["locked.pdf"]

    assert (before["state"], before["code"]) == ("failed", "needs_password")
    assert still["state"] == "failed"
    assert after["state"] == "indexed" and after["pages"]


async def test_retrying_all_failed_reads_them_again(client: httpx2.AsyncClient, tmp_path: Path) -> None:
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7\nnothing of a document follows")
    (folder / "good.txt").write_text("Good.")
    collection = await make_collection(client)
    await add_folder(client, collection["id"], folder)

    answer = await client.post(f"/api/v1/collections/{collection['id']}/retry-failed", json={})
    job = await job_ended(client, answer.json()["job_id"])
    failures = (await client.get(f"/api/v1/collections/{collection['id']}/failures")).json()["items"]

    assert answer.json()["documents"] == 1
    assert job["status"] == "completed"
    assert [one["path"] for one in failures] == ["broken.pdf"]
    assert failures[0]["reason"] and failures[0]["hint"]


async def test_a_changed_file_answers_with_its_new_text_only(client: httpx2.AsyncClient, tmp_path: Path) -> None:
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / "rule.txt").write_text("The gate closes at nine in the evening.")
    collection = await make_collection(client)
    source = await add_folder(client, collection["id"], folder)
    (folder / "rule.txt").write_text("The gate closes at seven in the evening.")

    await sync(client, source["id"])
    hits = await search(client, "When does the gate close?", collections=[collection["id"]])

    assert [hit["passage"]["text"] for hit in hits] == ["The gate closes at seven in the evening."]


@pytest.mark.parametrize("damage", ["deleted", pytest.param("killed", marks=pytest.mark.embedded)])
async def test_the_index_comes_back_without_embedding_anything(
    client: httpx2.AsyncClient, runtime: Runtime, tmp_path: Path, damage: str
) -> None:
    from semantik.features.ingestion.guard import IndexGuard

    collection = await make_collection(client)
    await upload(
        client, collection["id"], {"a.txt": b"The turbine was overhauled in Linz.", "b.txt": b"The intake screen is cleaned weekly."}
    )
    before = await search(client, "Where was the turbine overhauled?")
    embedded = _embedded()
    space = await runtime.space("hashing")
    if damage == "deleted":
        await runtime.vectors.drop(space)
    else:
        import os
        import signal

        pid = getattr(runtime.vectors, "pid", None)
        assert pid is not None, "the embedded index has a process of its own"
        os.kill(pid, signal.SIGKILL)

    guard = IndexGuard(runtime.database, runtime.vectors, runtime.loops)
    await guard.start()
    for job in (await client.get("/api/v1/jobs", params={"kind": "rebuild_index"})).json()["items"]:
        assert (await job_ended(client, job["id"]))["status"] == "completed"
    after = await search(client, "Where was the turbine overhauled?")
    await guard.stop()

    assert [(hit["chunk_id"], hit["score"]) for hit in after] == [(hit["chunk_id"], hit["score"]) for hit in before]
    assert _embedded() == embedded


@pytest.mark.embedded
async def test_an_index_that_has_grown_is_optimised_while_it_answers(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    from semantik.engines.vectors.edge import EdgeStore
    from semantik.features.ingestion.guard import IndexGuard

    collection = await make_collection(client)
    await upload(client, collection["id"], {f"{n}.txt": f"Turbine {n} was overhauled in Linz.".encode() for n in range(30)})
    before = await search(client, "Which turbine was overhauled in Linz?")
    store = runtime.vectors
    assert isinstance(store, EdgeStore)
    store.optimize_from = 10
    described = store.root / (await runtime.space("hashing")).key / "space.json"
    first = json.loads(described.read_text())["current"]

    guard = IndexGuard(runtime.database, store, runtime.loops, tend_every_s=0.1)
    await guard.start()
    async with asyncio.timeout(60):
        while json.loads(described.read_text())["current"] == first:
            assert await search(client, "Which turbine was overhauled in Linz?")
            await asyncio.sleep(0.1)
    await guard.stop()

    after = await search(client, "Which turbine was overhauled in Linz?")
    assert [(hit["chunk_id"], hit["score"]) for hit in after] == [(hit["chunk_id"], hit["score"]) for hit in before]


async def test_a_file_with_a_problem_that_sorts_first_does_not_fail_its_source(client: httpx2.AsyncClient, tmp_path: Path) -> None:
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / "a-link.txt").symlink_to("/etc/hostname")
    (folder / "good.txt").write_text("The crane was inspected in May.")
    collection = await make_collection(client)

    await add_folder(client, collection["id"], folder)
    documents = await documents_of(client, collection["id"])

    assert {path: one["state"] for path, one in documents.items()} == {"a-link.txt": "skipped", "good.txt": "indexed"}


async def test_whether_a_text_is_still_held_is_asked_by_an_index(database: Database) -> None:
    question = "SELECT 1 FROM chunks WHERE tenant_id = 'a' AND embedding_hash = 'b'"
    if database.dialect == "sqlite":
        async with database.read() as session:
            plan = " ".join(str(row) for row in await session.execute(sa.text("EXPLAIN QUERY PLAN " + question)))
        assert "ix_chunks_embedding_hash_tenant_id" in plan


async def test_a_database_error_does_not_tell_the_values(database: Database) -> None:
    with pytest.raises(sa.exc.DBAPIError) as failed:
        async with database.write() as session:
            await session.execute(sa.text("INSERT INTO nowhere VALUES (:secret)"), {"secret": "hunter2"})

    assert "hunter2" not in str(failed.value)


async def test_an_upload_keeps_its_file_while_an_equal_one_is_removed(
    client: httpx2.AsyncClient, runtime: Runtime, actor: Actor, tmp_path: Path
) -> None:
    """In the order that loses: the file is stored, the only row that named an equal one goes, then the new row is written."""
    text = b"The siphon was primed at noon."
    for whole_collection in (False, True):
        collection = await make_collection(client, "The first")
        other = await make_collection(client, "The second")
        await upload(client, collection["id"], {"first.txt": text})
        _age_all_files(runtime, days=3)
        stored = await uploads.store(
            runtime.blobs, actor, UploadFile(io.BytesIO(text), filename="second.txt"), path=None, max_bytes=1_000_000
        )
        first = (await documents_of(client, collection["id"]))["first.txt"]
        gone = f"/api/v1/collections/{collection['id']}" if whole_collection else f"/api/v1/documents/{first['id']}"
        assert (await job_ended(client, (await client.delete(gone)).json()["job_id"]))["status"] == "completed"
        await _all_jobs_ended(client)
        async with runtime.database.write() as session:
            accepted = await uploads.accept(session, actor, other["id"], "The second", [stored])
            await session.commit()
        assert accepted.job_id is not None
        await job_ended(client, accepted.job_id)

        second = (await documents_of(client, other["id"]))["second.txt"]
        original = await client.get(f"/api/v1/documents/{second['id']}/original")
        assert (second["state"], original.status_code, original.content) == ("indexed", 200, text)
        await job_ended(client, (await client.delete(f"/api/v1/collections/{other['id']}")).json()["job_id"])
        if not whole_collection:
            await job_ended(client, (await client.delete(f"/api/v1/collections/{collection['id']}")).json()["job_id"])


async def test_files_and_vectors_that_nothing_names_go_with_their_document_or_collection(
    client: httpx2.AsyncClient, runtime: Runtime, actor: Actor
) -> None:
    collection = await make_collection(client)
    await upload(client, collection["id"], {"one.txt": b"The weir stands open.", "two.txt": b"The weir is shut."})
    _age_all_files(runtime, days=3)
    async with runtime.database.write() as session:
        await session.execute(sa.update(embeddings).values(created_at=now() - timedelta(days=3)))
        await session.commit()
    one = (await documents_of(client, collection["id"]))["one.txt"]

    await job_ended(client, (await client.delete(f"/api/v1/documents/{one['id']}")).json()["job_id"])
    assert hashlib.sha256(b"The weir stands open.").hexdigest() not in [name async for name in runtime.blobs.hashes(actor.tenant_id)]
    await job_ended(client, (await client.delete(f"/api/v1/collections/{collection['id']}")).json()["job_id"])
    await _all_jobs_ended(client)

    assert [name async for name in runtime.blobs.hashes(actor.tenant_id)] == []
    async with runtime.database.read(actor.tenant_id) as session:
        assert await session.scalar(sa.select(sa.func.count()).select_from(embeddings)) == 0


def _age_all_files(runtime: Runtime, *, days: int) -> None:
    then = time.time() - days * 86_400
    for path in runtime.settings.data_dir.rglob("*"):
        if path.is_file() and len(path.name) == 64:
            os.utime(path, (then, then))


async def _all_jobs_ended(client: httpx2.AsyncClient) -> None:
    for job in (await client.get("/api/v1/jobs", params={"limit": 100})).json()["items"]:
        await job_ended(client, job["id"])
