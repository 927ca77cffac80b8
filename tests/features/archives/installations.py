"""Whole installations for tests: filled through the API, opened anew from what a restore left."""

from __future__ import annotations

import io
import uuid
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx2

from semantik.auth.actor import Actor
from semantik.entrypoints import api
from semantik.features.ingestion.guard import IndexGuard
from semantik.jobs import rescue
from semantik.jobs.dispatch_local import LocalDispatcher
from semantik.kit.concurrency import Loops
from semantik.kit.settings import Settings
from semantik.runtime import open_runtime
from tests import services
from tests.conftest import administer, client_of, job_ended
from tests.flows.steps import add_folder, make_collection, search, upload

QUESTIONS = ("ferry timetable", "painted harbour", "anchor in a box", "Fähre nach Süden")


def zipped(**members: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in members.items():
            archive.writestr(f"{name}.html", f"<p>{text}</p>")
    return buffer.getvalue()


async def fill(client: httpx2.AsyncClient, folder: Path, name: str = "Papers") -> str:
    folder.mkdir(exist_ok=True)
    for number in range(5):
        (folder / f"{number}.md").write_text(f"# Part {number}\n\nThe harbour is painted in spring {2000 + number}.\n")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7\nnothing of a document follows")
    made = await make_collection(client, name, description="Ships & “quotes” — Ωmega")
    await add_folder(client, made["id"], folder)
    files = {
        "alone.html": b"<p>Nobody else has this ferry timetable.</p>",
        "box.zip": zipped(inner="An anchor in a box."),
        "süd.txt": "Die Fähre nach Süden.\n".encode(),
    }
    job = await upload(client, made["id"], files)
    assert job["status"] == "completed", job
    return str(made["id"])


async def answers(client: httpx2.AsyncClient) -> list[list[tuple[str, str, float]]]:
    """What an installation answers to a few questions, as a user sees it."""
    found = [await search(client, question) for question in QUESTIONS]
    return [[(hit["document"]["path"], hit["passage"]["text"], round(hit["score"], 4)) for hit in hits] for hits in found]


async def examined(client: httpx2.AsyncClient) -> dict[str, Any]:
    answer = await client.post("/api/v1/doctor", json={})
    job = await job_ended(client, answer.json()["job_id"])
    assert job["status"] == "completed", job
    result: dict[str, Any] = job["result"]
    return result


@contextmanager
def empty(
    kind: str, folder: Path, postgres: Callable[[], services.Postgres], bucket: Callable[[], dict[str, Any]] = dict
) -> Iterator[Settings]:
    """The settings of an installation that is not there yet."""
    common: dict[str, Any] = {"data_dir": folder, "embedding_model": "hashing", "extract_workers": 1, "ocr": False}
    if kind in ("sqlite", "bucket"):
        yield Settings(**common, **(bucket() if kind == "bucket" else {}))
        return
    server, name = postgres(), f"restored_{uuid.uuid4().hex[:12]}"
    administer(server, f'CREATE DATABASE "{name}"')
    yield Settings(**common, database_url=server.url(name), **({"qdrant_url": ":memory:"} if kind == "server" else {}))
    administer(server, f'DROP DATABASE "{name}" WITH (FORCE)')


@asynccontextmanager
async def started(settings: Settings, actor: Actor) -> AsyncIterator[httpx2.AsyncClient]:
    """The installation as it starts: jobs are taken back, the index is checked against the rows, and work begins."""
    runtime = await open_runtime(settings)
    await rescue.take_back_all(runtime.database)
    dispatcher, guard = LocalDispatcher(runtime), IndexGuard(runtime.database, runtime.vectors, Loops())
    await guard.start()
    await dispatcher.start()
    try:
        async with client_of(api.build(runtime), actor) as client:
            for kind in ("ingest_source", "rebuild_index"):
                for job in (await client.get("/api/v1/jobs", params={"kind": kind, "limit": 50})).json()["items"]:
                    await job_ended(client, job["id"])
            yield client
    finally:
        await dispatcher.stop()
        await guard.stop()
        await runtime.close()
