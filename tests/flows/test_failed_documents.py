"""Documents that fail are items of the job that read them: named on it, retried from it, for their owner alone."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import httpx2

from tests.conftest import job_ended
from tests.flows.steps import add_folder, documents_of, make_collection, search, sync, upload

_BROKEN = b"%PDF-1.7\nnothing of a document follows"


async def _items(client: httpx2.AsyncClient, job_id: str) -> dict[str, dict[str, Any]]:
    """Items of the job by label."""
    page = (await client.get(f"/api/v1/jobs/{job_id}/items")).json()
    return {one["label"]: one for one in page["items"]}


async def test_a_failed_document_is_an_item_of_its_job_and_is_retried_from_it(
    client: httpx2.AsyncClient, other_client: httpx2.AsyncClient, tmp_path: Path
) -> None:
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / "good.txt").write_text("The valve closes at eighty degrees.")
    (folder / "broken.pdf").write_bytes(_BROKEN)
    (folder / "worse.pdf").write_bytes(_BROKEN + b" here either")
    (folder / "gone.md").symlink_to("missing.md")
    collection = await make_collection(client)
    source = await add_folder(client, collection["id"], folder)
    first = (await client.get(f"/api/v1/jobs/{source['last_job_id']}")).json()
    items = await _items(client, first["id"])
    documents = await documents_of(client, collection["id"])

    assert (first["outcome"], first["counts"]["failed"], first["counts"]["done"], first["counts"]["total"]) == ("partial", 3, 1, 4)
    assert set(items) == {"broken.pdf", "worse.pdf", "gone.md"}
    assert items["broken.pdf"]["key"] == documents["broken.pdf"]["id"]
    assert items["broken.pdf"]["error"]["code"] == documents["broken.pdf"]["code"]
    assert items["broken.pdf"]["error"]["message"] == documents["broken.pdf"]["reason"]

    (folder / "broken.pdf").write_text("Mended: the pump runs at night.")
    (folder / "gone.md").unlink()
    (folder / "unseen.txt").write_text("A retry lists nothing, so this is not read.")
    assert (await other_client.post(f"/api/v1/jobs/{first['id']}/retry-failed")).status_code == 404
    answer = await client.post(f"/api/v1/jobs/{first['id']}/retry-failed")
    again = await job_ended(client, answer.json()["id"])
    fates = {label: one["state"] for label, one in (await _items(client, again["id"])).items()}
    after = await documents_of(client, collection["id"])

    assert answer.json()["parent_id"] == first["id"]
    assert fates == {"broken.pdf": "done", "worse.pdf": "failed", "gone.md": "failed"}
    assert (again["outcome"], again["counts"]["done"], again["counts"]["failed"], again["counts"]["total"]) == ("partial", 1, 2, 3)
    assert after["broken.pdf"]["state"] == "indexed" and "unseen.txt" not in after
    assert after["gone.md"]["code"] == "gone"
    assert (await search(client, "When does the pump run?"))[0]["document"]["path"] == "broken.pdf"

    third = await job_ended(client, (await client.post(f"/api/v1/jobs/{again['id']}/retry-failed")).json()["id"])
    assert set(await _items(client, third["id"])) == {"worse.pdf", "gone.md"}, "only what failed in the second"
    restarted = await job_ended(client, (await client.post(f"/api/v1/jobs/{third['id']}/restart")).json()["id"])
    assert set(await _items(client, restarted["id"])) == {"worse.pdf", "gone.md"}, "a retry that is started over stays a retry"
    assert (await sync(client, source["id"]))["counts"]["failed"] == 0, "what failed before and did not change is not counted again"


async def test_a_document_retried_on_its_own_page_leaves_no_dead_letter_behind(client: httpx2.AsyncClient, tmp_path: Path) -> None:
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / "broken.pdf").write_bytes(_BROKEN)
    (folder / "worse.pdf").write_bytes(_BROKEN + b" here either")
    collection = await make_collection(client)
    source = await add_folder(client, collection["id"], folder)
    documents = await documents_of(client, collection["id"])

    async def letters() -> set[tuple[str, str]]:
        return {(one["job_id"], one["label"]) for one in (await client.get("/api/v1/dead-letters")).json()["items"]}

    assert await letters() == {(source["last_job_id"], "broken.pdf"), (source["last_job_id"], "worse.pdf")}
    (folder / "broken.pdf").write_text("Mended: the pump runs at night.")
    answer = await client.post(f"/api/v1/documents/{documents['broken.pdf']['id']}/retry", json={})
    assert (await job_ended(client, answer.json()["job_id"]))["outcome"] == "ok"
    assert await letters() == {(source["last_job_id"], "worse.pdf")}
    # It fails once more: one letter, of the job that tried last.
    answer = await client.post(f"/api/v1/collections/{collection['id']}/retry-failed", json={})
    again = await job_ended(client, answer.json()["job_id"])
    assert await letters() == {(again["id"], "worse.pdf")}
    # Mended where it lies, it is read by the next sync, and nothing is left to be tried.
    (folder / "worse.pdf").write_text("Mended too: the pump rests by day.")
    assert (await sync(client, source["id"]))["outcome"] == "ok"
    assert await letters() == set()


async def test_a_job_without_failures_offers_no_retry_of_them(client: httpx2.AsyncClient) -> None:
    collection = await make_collection(client)
    job = await upload(client, collection["id"], {"good.txt": b"All is well."})

    refused = await client.post(f"/api/v1/jobs/{job['id']}/retry-failed")

    assert "retry-failed" not in job["allowed"] and job["outcome"] == "ok"
    assert refused.status_code == 409 and refused.json()["code"] == "wrong_job_state"
    assert (await client.get(f"/api/v1/jobs/{job['id']}/items")).json()["items"] == []


async def test_a_member_that_its_archive_refused_is_read_with_the_archive_and_its_password(
    client: httpx2.AsyncClient, shared: Path
) -> None:
    collection = await make_collection(client)
    job = await upload(client, collection["id"], {"locked.zip": (shared / "nasty" / "72_encrypted.zip").read_bytes()})
    before = await documents_of(client, collection["id"])
    locked = [one for one in before.values() if one["code"] == "needs_password" and one["parent_id"]]
    assert locked and set(await _items(client, job["id"])) >= {one["path"] for one in locked}

    wrong = await client.post(f"/api/v1/documents/{locked[0]['id']}/retry", json={"password": "not this one"})
    await job_ended(client, wrong.json()["job_id"])
    still = (await documents_of(client, collection["id"]))[locked[0]["path"]]
    assert (still["state"], still["code"]) == ("failed", "wrong_password")

    # The first job's failure is answered by now; this one's stands.
    retried = await client.post(f"/api/v1/jobs/{wrong.json()['job_id']}/retry-failed")
    ended = await job_ended(client, retried.json()["id"])
    assert ended["status"] == "completed"
    assert {one["error"]["code"] for one in (await _items(client, ended["id"])).values()} == {"wrong_password"}


async def test_a_member_that_its_archive_no_longer_gives_loses_its_passages(client: httpx2.AsyncClient, tmp_path: Path) -> None:
    def box(data: bytes, *, cut: bool) -> bytes:
        raw = io.BytesIO()
        with zipfile.ZipFile(raw, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr("note.txt", data)
        packed = raw.getvalue()
        # One byte of the member's data: its checksum no longer fits.
        return packed.replace(b"cellar", b"cellaR", 1) if cut else packed

    folder = tmp_path / "papers"
    folder.mkdir()
    text = b"The boiler in the cellar is serviced every October."
    (folder / "box.zip").write_bytes(box(text, cut=False))
    collection = await make_collection(client)
    source = await add_folder(client, collection["id"], folder)
    assert (await documents_of(client, collection["id"]))["box.zip!/note.txt"]["state"] == "indexed"

    (folder / "box.zip").write_bytes(box(text, cut=True))
    job = await sync(client, source["id"])
    note = (await documents_of(client, collection["id"]))["box.zip!/note.txt"]

    assert (note["state"], note["code"], note["chunk_count"]) == ("failed", "damaged", 0)
    assert "box.zip!/note.txt" in await _items(client, job["id"])
    assert await search(client, "boiler cellar serviced October") == []
