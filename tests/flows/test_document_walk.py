"""A document's walk through HTTP: added, found in the ledger, modified, moved, deleted."""

from __future__ import annotations

from pathlib import Path

import httpx2

from tests.conftest import job_ended
from tests.flows.steps import add_folder, documents_of, make_collection


async def test_a_folder_is_read_and_every_document_is_accounted_for(client: httpx2.AsyncClient, tmp_path: Path) -> None:
    folder = tmp_path / "papers"
    (folder / "deep").mkdir(parents=True)
    (folder / "boiler.md").write_text("# Heating\n\n## Service\n\nThe boiler in the cellar is serviced every October.\n")
    (folder / "deep" / "water.txt").write_text("The well is forty metres deep.")
    (folder / "empty.txt").write_text("")
    collection = await make_collection(client)
    await add_folder(client, collection["id"], folder)

    ledger = (await client.get(f"/api/v1/collections/{collection['id']}")).json()["ledger"]
    documents = await documents_of(client, collection["id"])

    assert ledger["listed"] == 3 == ledger["indexed"] + ledger["partial"] + ledger["skipped"] + ledger["failed"] + ledger["pending"]
    assert ledger["indexed"] == 2
    assert documents["empty.txt"]["code"] == "empty_file"
    chunks = (await client.get(f"/api/v1/documents/{documents['boiler.md']['id']}/chunks")).json()["items"]
    text = (await client.get(f"/api/v1/documents/{documents['boiler.md']['id']}/text")).json()["text"]
    assert any("Service" in chunk["text"] or "Service" in chunk["heading_path"] for chunk in chunks)
    assert all(text[chunk["start"] : chunk["end"]] == chunk["text"] for chunk in chunks)


async def test_a_sync_takes_in_what_was_added_modified_moved_and_deleted(client: httpx2.AsyncClient, tmp_path: Path) -> None:
    folder = tmp_path / "papers"
    folder.mkdir()
    for name in ("same", "changes", "moves", "goes"):
        (folder / f"{name}.txt").write_text(f"This is the file that {name}.")
    collection = await make_collection(client)
    source = await add_folder(client, collection["id"], folder)
    before = await documents_of(client, collection["id"])
    (folder / "changes.txt").write_text("This file says something else now, and more of it.")
    (folder / "goes.txt").unlink()
    (folder / "sub").mkdir()
    (folder / "sub" / "moved.txt").write_text((folder / "moves.txt").read_text())
    (folder / "moves.txt").unlink()
    (folder / "new.txt").write_text("A new file.")

    plan = (await client.post(f"/api/v1/sources/{source['id']}/sync", params={"dry_run": True})).json()
    job_id = (await client.post(f"/api/v1/sources/{source['id']}/sync")).json()["job_id"]
    job = await job_ended(client, job_id)
    after = await documents_of(client, collection["id"])

    assert plan["counts"] == {"added": 1, "modified": 1, "moved": 1, "deleted": 1, "unchanged": 1}
    assert plan["moved"] == [{"from": "moves.txt", "to": "sub/moved.txt"}]
    assert job["status"] == "completed", job
    assert set(after) == {"same.txt", "changes.txt", "sub/moved.txt", "new.txt"}
    assert after["sub/moved.txt"]["id"] == before["moves.txt"]["id"], "a moved document keeps its identity"
    assert after["changes.txt"]["id"] == before["changes.txt"]["id"]
    assert {one["state"] for one in after.values()} == {"indexed"}


async def test_uploads_are_stored_and_one_bad_file_does_not_lose_the_rest(client: httpx2.AsyncClient) -> None:
    collection = await make_collection(client)

    answer = await client.post(
        f"/api/v1/collections/{collection['id']}/uploads",
        files=[
            ("files", ("good.txt", b"A good file about boilers.")),
            ("files", ("empty.txt", b"")),
            ("files", ("../../evil.txt", b"Still fine.")),
        ],
    )
    uploaded = answer.json()
    await job_ended(client, uploaded["job_id"])
    documents = await documents_of(client, collection["id"])

    assert answer.status_code == 202
    assert [one["state"] for one in uploaded["files"]] == ["accepted", "rejected", "accepted"]
    assert set(documents) == {"good.txt", "evil.txt"}
    original = await client.get(f"/api/v1/documents/{documents['good.txt']['id']}/original")
    assert original.content == b"A good file about boilers."
    assert original.headers["content-disposition"].startswith("attachment")


async def test_another_tenant_sees_nothing_of_it(client: httpx2.AsyncClient, other_client: httpx2.AsyncClient) -> None:
    collection = await make_collection(client)
    uploaded = (await client.post(f"/api/v1/collections/{collection['id']}/uploads", files=[("files", ("a.txt", b"Secret plans."))])).json()
    await job_ended(client, uploaded["job_id"])
    document = next(iter((await documents_of(client, collection["id"])).values()))

    for path in (
        f"collections/{collection['id']}",
        f"sources/{uploaded['source_id']}",
        f"documents/{document['id']}",
        f"documents/{document['id']}/text",
        f"documents/{document['id']}/chunks",
        f"documents/{document['id']}/original",
        f"jobs/{uploaded['job_id']}",
    ):
        assert (await other_client.get(f"/api/v1/{path}")).status_code == 404, path
    assert (await other_client.get("/api/v1/collections")).json()["items"] == []
    assert (await other_client.get("/api/v1/documents")).json()["items"] == []
    assert (await other_client.post(f"/api/v1/sources/{uploaded['source_id']}/sync")).status_code == 404
    assert (await other_client.delete(f"/api/v1/collections/{collection['id']}")).status_code == 404


async def test_a_deleted_collection_is_gone_at_once_and_emptied_by_its_job(client: httpx2.AsyncClient) -> None:
    collection = await make_collection(client)
    uploaded = (await client.post(f"/api/v1/collections/{collection['id']}/uploads", files=[("files", ("a.txt", b"Something."))])).json()
    await job_ended(client, uploaded["job_id"])

    answer = await client.delete(f"/api/v1/collections/{collection['id']}")
    gone = await client.get(f"/api/v1/collections/{collection['id']}")
    job = await job_ended(client, answer.json()["job_id"])

    assert answer.status_code == 202
    assert gone.status_code == 404
    assert job["status"] == "completed", job
    again = await client.post("/api/v1/collections", json={"name": collection["name"]})
    assert again.status_code == 201, "the name is free again"
