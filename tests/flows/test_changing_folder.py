"""A folder that changes while it is read: nothing hangs, nothing foreign is read, and the next sync makes it good."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
import sqlalchemy as sa

from semantik.auth.actor import Actor
from semantik.engines.connectors.base import Item
from semantik.engines.connectors.directory import DirectoryConnector
from semantik.features.ingestion import listing
from semantik.features.ingestion.job_args import CheckSources
from semantik.jobs.queue import enqueue
from semantik.kit.database import Database
from semantik.runtime import Runtime
from semantik.tables.sources import sources
from tests.conftest import job_ended
from tests.flows.steps import add_folder, documents_of, make_collection, search, sync

_FILES = 40


def _meddle(folder: Path, outside: Path, stop: threading.Event, seed: int) -> None:
    """Until told to stop: rewrites, appends, removes, moves, and puts links, pipes and folders where files were."""
    chance = random.Random(seed)
    while not stop.is_set():
        path = folder / f"{chance.randrange(_FILES)}.txt"
        match chance.randrange(7):
            case 0 | 1:
                _clear(path)
                path.write_text(f"Rewritten, number {chance.random()}.")
            case 2 if path.is_file() and not path.is_symlink():
                with open(path, "a", encoding="utf-8") as file:
                    file.write(" And more." * 2000)
            case 3:
                _clear(path)
            case 4:
                _clear(path)
                path.symlink_to(outside)
            case 5:
                _clear(path)
                os.mkfifo(path)
            case _:
                _clear(path)
                path.mkdir()
        stop.wait(0.002)


def _clear(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_folder_that_changes_under_a_sync_is_right_after_the_next(client: httpx2.AsyncClient, tmp_path: Path) -> None:
    folder, outside = tmp_path / "papers", tmp_path / "outside.txt"
    folder.mkdir()
    outside.write_text("The combination of the safe is seventeen.")
    for number in range(_FILES):
        (folder / f"{number}.txt").write_text(f"The first text of number {number}.")
    collection = await make_collection(client)
    stop = threading.Event()
    meddling = threading.Thread(target=_meddle, args=(folder, outside, stop, 7))
    meddling.start()
    try:
        source = await add_folder(client, collection["id"], folder)
        during = [await sync(client, source["id"]) for _ in range(3)]
    finally:
        stop.set()
        meddling.join()

    last = await sync(client, source["id"])
    documents = await documents_of(client, collection["id"])
    ledger = (await client.get(f"/api/v1/collections/{collection['id']}")).json()["ledger"]
    plan = (await client.post(f"/api/v1/sources/{source['id']}/sync", params={"dry_run": True})).json()["counts"]

    assert {job["status"] for job in (*during, last)} == {"completed"}
    expected: dict[str, str | None] = {}
    for path in folder.iterdir():
        if path.is_symlink():
            expected[path.name] = "link_outside"
        elif path.is_fifo():
            expected[path.name] = "not_a_file"
        elif path.is_file():
            expected[path.name] = None
    assert {path: one["code"] for path, one in documents.items()} == expected
    for name, one in documents.items():
        if one["state"] == "indexed":
            text = (await client.get(f"/api/v1/documents/{one['id']}/text")).json()["text"]
            assert text.rstrip("\n") == (folder / name).read_text().rstrip("\n"), name
    assert ledger["pending"] == ledger["failed"] == 0 and ledger["listed"] == len(expected)
    assert {**plan, "unchanged": 0} == dict.fromkeys(plan, 0), "nothing is left to do"
    assert not any("combination" in hit["passage"]["text"] for hit in await search(client, "combination of the safe"))


class _Locked(DirectoryConnector):
    """A folder of which `sub` cannot be read at the moment."""

    async def list(self, after: str | None = None) -> AsyncIterator[Item]:
        async for item in super().list(after):
            if not item.path.startswith("sub/"):
                yield item
        yield Item(path="sub", name="sub", problem=("unreadable", "the folder cannot be read: Permission denied"))


async def test_documents_below_a_folder_that_cannot_be_read_now_stay(
    client: httpx2.AsyncClient, database: Database, actor: Actor, tmp_path: Path
) -> None:
    folder = tmp_path / "papers"
    (folder / "sub").mkdir(parents=True)
    for path in ("a.txt", "b.txt", "sub/c.txt"):
        (folder / path).write_text(f"The text of {path}.")
    collection = await make_collection(client)
    source = await add_folder(client, collection["id"], folder)
    (folder / "b.txt").unlink()

    found = await listing.compare(database, actor, source["id"], _Locked(folder, [], []))

    assert (found.plan().deleted, found.plan().added) == (["b.txt"], ["sub"])


@pytest.mark.parametrize("trouble", ["unmounted", "another disk", "half of it"])
async def test_a_folder_that_lost_nearly_everything_keeps_its_documents_until_somebody_says_so(
    client: httpx2.AsyncClient, actor: Actor, runtime: Runtime, tmp_path: Path, trouble: str
) -> None:
    folder = tmp_path / "papers"
    folder.mkdir()
    for number in range(30 if trouble == "half of it" else 4):
        (folder / f"{number}.txt").write_text(f"Report number {number} on the reservoir.")
    collection = await make_collection(client)
    source = await add_folder(client, collection["id"], folder)
    before = await documents_of(client, collection["id"])
    gone = sorted(folder.iterdir())[: 21 if trouble == "half of it" else None]
    for path in gone:
        path.rename(tmp_path / path.name)
    if trouble == "another disk":
        (folder / "other.txt").write_text("A disk of somebody else.")

    plan = (await client.post(f"/api/v1/sources/{source['id']}/sync", params={"dry_run": True})).json()
    assert (plan["counts"]["deleted"], plan["held_deletions"]) == (len(gone), len(gone))
    job = await sync(client, source["id"])
    assert (job["status"], job["error"]["code"]) == ("failed", "deletions_held")
    assert f"max_delete {len(gone)}" in job["error"]["message"]
    kept = await documents_of(client, collection["id"])
    assert before.keys() <= kept.keys()
    assert ("other.txt" in kept) is (trouble == "another disk"), "what is new is taken in"
    assert await search(client, "Report number 3")
    shown = (await client.get(f"/api/v1/sources/{source['id']}")).json()
    assert shown["held_deletions"] == len(gone)
    assert await _look_around(runtime, actor, client) == [], "what is known to wait starts no sync every five minutes"

    too_few = await sync(client, source["id"], max_delete=len(gone) - 1)
    assert too_few["error"]["code"] == "deletions_held"
    for path in gone[:1]:
        (tmp_path / path.name).rename(path)
    assert len(await _look_around(runtime, actor, client)) == 1, "what came back is noticed"
    done = await sync(client, source["id"], max_delete=len(gone) - 1)
    assert (done["status"], done["result"]["deleted"]) == ("completed", len(gone) - 1)
    left = await documents_of(client, collection["id"])
    assert left.keys() == kept.keys() - {path.name for path in gone[1:]}
    assert (await client.get(f"/api/v1/sources/{source['id']}")).json()["held_deletions"] is None


async def _look_around(runtime: Runtime, actor: Actor, client: httpx2.AsyncClient) -> list[str]:
    """Lets the checks of sources run once; the syncs that they started, ended."""
    async with runtime.database.write() as session:
        await session.execute(sa.update(sources).values(checked_at=None))
        job = await enqueue(session, CheckSources(), actor=actor, title="Look")
        await session.commit()
    started: list[str] = (await job_ended(client, job.id))["result"]["syncs"]
    for sync_id in started:
        await job_ended(client, sync_id)
    return started


async def test_a_file_that_was_away_for_one_sync_is_read_when_it_is_back_with_the_same_bytes(
    client: httpx2.AsyncClient, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "manual.txt").write_text("The boiler is serviced every October.")
    (folder / "link.txt").symlink_to(folder / "manual.txt")
    collection = await make_collection(client)
    source = await add_folder(client, collection["id"], folder)
    away = (folder / "manual.txt").rename(tmp_path / "away.txt")
    await sync(client, source["id"], max_delete=1)
    gone = (await documents_of(client, collection["id"]))["link.txt"]
    assert (gone["state"], gone["code"]) == ("failed", "unreadable")

    away.rename(folder / "manual.txt")
    await sync(client, source["id"])

    documents = await documents_of(client, collection["id"])
    assert {path: (one["state"], one["code"]) for path, one in documents.items()} == dict.fromkeys(
        ("manual.txt", "link.txt"), ("indexed", None)
    )
    found = {hit["document"]["path"] for hit in await search(client, "when is the boiler serviced", group_by="none")}
    assert found == {"manual.txt", "link.txt"}
    assert (await client.get("/api/v1/dead-letters")).json()["items"] == []
