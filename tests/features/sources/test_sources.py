"""Directory sources over HTTP: which folders may be read, the plan before the sync, and who may know of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import pytest

from semantik.auth.folders import PathNotAllowed, PathUnusable, allowed_path
from semantik.kit.settings import Settings
from tests.conftest import job_ended
from tests.flows.steps import add_folder, documents_of, make_collection, search, sync, upload


def _settings(tmp_path: Path, **values: Any) -> Settings:
    return Settings(data_dir=tmp_path / "data", **values)


def test_a_folder_is_read_only_where_the_operator_allows_it(tmp_path: Path) -> None:
    inside, outside = tmp_path / "srv" / "papers", tmp_path / "elsewhere"
    for folder in (inside, outside, tmp_path / "data" / "blobs"):
        folder.mkdir(parents=True)
    (inside / "escape").symlink_to(outside)
    (tmp_path / "file.txt").write_text("x")
    local = _settings(tmp_path)
    rooted = _settings(tmp_path, source_roots=[tmp_path / "srv"])
    public = _settings(tmp_path, host="0.0.0.0")

    assert allowed_path(str(outside), local, owner=False) == outside
    assert allowed_path(str(inside), rooted, owner=False) == inside
    assert allowed_path(str(outside), public, owner=True) == outside, "the machine's owner needs no permission of ours"
    for given, settings in (
        (outside, rooted),
        (inside / "escape", rooted),
        (inside / ".." / ".." / "elsewhere", rooted),
        (outside, public),
    ):
        with pytest.raises(PathNotAllowed) as refused:
            allowed_path(str(given), settings, owner=False)
        assert str(outside) in refused.value.detail and refused.value.hint
    for given in (tmp_path / "data", tmp_path / "data" / "blobs"):
        with pytest.raises(PathNotAllowed, match="own data folder"):
            allowed_path(str(given), local, owner=True)
    for bad in ("papers", "~/papers", str(tmp_path / "missing"), str(tmp_path / "file.txt")):
        with pytest.raises(PathUnusable):
            allowed_path(bad, local, owner=True)


async def test_a_folder_can_be_planned_before_it_is_a_source_and_nothing_is_made(
    client: httpx2.AsyncClient, other_client: httpx2.AsyncClient, tmp_path: Path
) -> None:
    folder = tmp_path / "papers"
    folder.mkdir()
    for name in ("one.md", "two.md", "three.txt"):
        (folder / name).write_text(f"This is the file {name}.")
    collection = await make_collection(client)
    jobs_before = (await client.get("/api/v1/jobs")).json()["items"]

    new = await client.post("/api/v1/folder-plans", json={"path": str(folder)})
    narrowed = await client.post(
        "/api/v1/folder-plans", json={"path": str(folder), "include": ["*.md"], "exclude": ["two*"], "collection_id": collection["id"]}
    )
    foreign = await other_client.post("/api/v1/folder-plans", json={"path": str(folder), "collection_id": collection["id"]})
    missing = await client.post("/api/v1/folder-plans", json={"path": str(tmp_path / "nowhere")})

    assert new.json()["counts"]["added"] == 3 and new.json()["estimate"]["items"]["likely"] == 3
    assert narrowed.json()["added"] == ["one.md"]
    assert (foreign.status_code, foreign.json()["code"]) == (404, "collection_unknown")
    assert "/api/" not in foreign.json()["hint"]
    assert (missing.status_code, missing.json()["code"]) == (422, "path_unusable")
    assert [one["name"] for one in (await client.get("/api/v1/collections")).json()["items"]] == [collection["name"]]
    assert (await client.get("/api/v1/jobs")).json()["items"] == jobs_before


async def test_a_plan_tells_what_a_sync_will_do_and_does_nothing(
    client: httpx2.AsyncClient, other_client: httpx2.AsyncClient, tmp_path: Path
) -> None:
    folder = tmp_path / "papers"
    folder.mkdir()
    for name in ("same", "changes", "moves", "goes"):
        (folder / f"{name}.txt").write_text(f"This is the file that {name}.")
    collection = await make_collection(client)
    source = await add_folder(client, collection["id"], folder)
    before = await documents_of(client, collection["id"])
    (folder / "changes.txt").write_text("This one is another now.")
    (folder / "sub").mkdir()
    (folder / "moves.txt").rename(folder / "sub" / "moved.txt")
    (folder / "goes.txt").unlink()
    (folder / "new.txt").write_text("This is new.")

    address = f"/api/v1/sources/{source['id']}/sync"
    foreign = await other_client.post(address, params={"dry_run": True})
    plan = (await client.post(address, params={"dry_run": True})).json()
    untouched = await documents_of(client, collection["id"])
    job = await sync(client, source["id"])
    after = await documents_of(client, collection["id"])

    assert foreign.status_code == 404
    assert (plan["added"], plan["modified"], plan["deleted"]) == (["new.txt"], ["changes.txt"], ["goes.txt"])
    assert plan["moved"] == [{"from": "moves.txt", "to": "sub/moved.txt"}] and plan["unchanged"] == 1
    assert untouched == before, "a plan does nothing"
    assert {name: job["result"][name] for name in plan["counts"]} == plan["counts"], "the sync did what the plan said"
    assert set(after) == {"same.txt", "changes.txt", "sub/moved.txt", "new.txt"}
    assert after["sub/moved.txt"]["id"] == before["moves.txt"]["id"]


async def test_changed_patterns_count_from_the_next_sync_on(client: httpx2.AsyncClient, tmp_path: Path) -> None:
    folder = tmp_path / "papers"
    (folder / "drafts").mkdir(parents=True)
    for path in ("a.txt", "b.md", "drafts/c.txt"):
        (folder / path).write_text(f"The text of {path}.")
    collection = await make_collection(client)
    source = await add_folder(client, collection["id"], folder)
    assert set(await documents_of(client, collection["id"])) == {"a.txt", "b.md", "drafts/c.txt"}

    settings = {"path": str(folder), "include": ["*.txt"], "exclude": ["drafts/**"]}
    changed = await client.patch(f"/api/v1/sources/{source['id']}", json={"name": "Texts", "settings": settings})
    await sync(client, source["id"])
    shown = (await client.get(f"/api/v1/sources/{source['id']}")).json()

    assert changed.json()["settings"] == settings
    assert set(await documents_of(client, collection["id"])) == {"a.txt"}
    assert (shown["name"], shown["ledger"]["listed"], shown["listed"]) == ("Texts", 1, 1) and shown["synced_at"]


async def test_a_removed_source_takes_its_documents_and_no_others(
    client: httpx2.AsyncClient, other_client: httpx2.AsyncClient, tmp_path: Path
) -> None:
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / "a.txt").write_text("The pump of the folder.")
    collection = await make_collection(client)
    source = await add_folder(client, collection["id"], folder)
    await upload(client, collection["id"], {"b.txt": b"The pump of the upload."})
    listed = (await client.get(f"/api/v1/collections/{collection['id']}/sources")).json()["items"]
    uploads = next(one for one in listed if one["kind"] == "upload")

    refused = await client.patch(f"/api/v1/sources/{uploads['id']}", json={"settings": {"path": str(folder)}})
    foreign = await other_client.delete(f"/api/v1/sources/{source['id']}")
    answer = await client.delete(f"/api/v1/sources/{source['id']}")
    at_once = await search(client, "pump")
    await job_ended(client, answer.json()["job_id"])

    assert (refused.status_code, refused.json()["code"]) == (409, "uploads_fixed")
    assert (foreign.status_code, answer.status_code) == (404, 202)
    assert [hit["document"]["path"] for hit in at_once] == ["b.txt"], "gone before its job has run"
    assert set(await documents_of(client, collection["id"])) == {"b.txt"}
    assert (await client.get(f"/api/v1/sources/{source['id']}")).status_code == 404
