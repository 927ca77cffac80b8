"""A request that creates a job, sent again: once more, twenty times at once, or with another wish under the same key."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from fastapi.routing import APIRoute, iter_route_contexts

from semantik.entrypoints import api
from semantik.http.idempotency import takes_key
from semantik.kit.clock import now
from semantik.kit.database import Database
from semantik.runtime import Runtime
from semantik.tables.jobs import idempotency_keys, jobs
from tests.conftest import job_ended
from tests.flows.steps import make_collection

# Routes that change something and start no job. A line here is a decision; whatever is not here takes an Idempotency-Key.
NO_JOB = {
    ("POST", "/api/v1/setup"),
    ("POST", "/api/v1/auth/login"),
    ("POST", "/api/v1/auth/refresh"),
    ("POST", "/api/v1/auth/logout"),
    ("POST", "/api/v1/me/password"),
    ("POST", "/api/v1/api-keys"),
    ("DELETE", "/api/v1/api-keys/{key_id}"),
    ("POST", "/api/v1/collections"),
    ("POST", "/api/v1/chunking/preview"),
    ("POST", "/api/v1/folder-plans"),
    ("POST", "/api/v1/search"),
    ("POST", "/api/v1/jobs/{job_id}/pause"),
    ("POST", "/api/v1/jobs/{job_id}/resume"),
    ("POST", "/api/v1/jobs/{job_id}/cancel"),
    ("POST", "/api/v1/jobs/{job_id}/priority"),
    ("POST", "/api/v1/jobs/{job_id}/budget"),
    ("DELETE", "/api/v1/jobs/{job_id}"),
    ("POST", "/api/v1/schedules"),
    ("POST", "/api/v1/schedules/preview"),
    ("DELETE", "/api/v1/schedules/{schedule_id}"),
    ("POST", "/api/v1/schedules/{schedule_id}/pause"),
    ("POST", "/api/v1/schedules/{schedule_id}/resume"),
    ("POST", "/api/v1/workers/{worker_id}/drain"),
    ("POST", "/api/v1/workers/{worker_id}/resume"),
}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_every_route_that_creates_a_job_takes_an_idempotency_key(runtime: Runtime) -> None:
    app = api.build(runtime)
    keyed: set[tuple[str, str]] = set()
    rest: set[tuple[str, str]] = set()
    for context in iter_route_contexts(app.routes):
        if isinstance(context.original_route, APIRoute):
            for method in {"POST", "DELETE"} & (context.methods or set()):
                (keyed if takes_key(context.original_route) else rest).add((method, str(context.path)))
    assert rest == NO_JOB
    document = app.openapi()
    for method, path in keyed:
        operation = document["paths"][path][method.lower()]
        assert "Idempotency-Key" in {one["name"] for one in operation["parameters"]}, path


async def make_source(client: httpx2.AsyncClient, folder: Path) -> dict[str, Any]:
    """A source that was not synced yet."""
    folder.mkdir()
    (folder / "a.txt").write_text("The boiler in the cellar is serviced every October.")
    collection = await make_collection(client)
    body = {"kind": "directory", "settings": {"path": str(folder)}, "sync": False}
    made: dict[str, Any] = (await client.post(f"/api/v1/collections/{collection['id']}/sources", json=body)).json()
    return made


async def jobs_of(database: Database, kind: str) -> int:
    async with database.read() as session:
        return int(await session.scalar(sa.select(sa.func.count()).select_from(jobs).where(jobs.c.kind == kind)) or 0)


async def test_one_key_one_job_however_often_and_however_close_together(
    client: httpx2.AsyncClient, other_client: httpx2.AsyncClient, database: Database, tmp_path: Path
) -> None:
    source = await make_source(client, tmp_path / "folder")
    address, headers = f"/api/v1/sources/{source['id']}/sync", {"Idempotency-Key": "sync-1"}
    answers = await asyncio.gather(*(client.post(address, headers=headers) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.text for answer in answers}) == 1
    assert sum("Idempotency-Replayed" not in answer.headers for answer in answers) == 1
    job_id = answers[0].json()["job_id"]
    await job_ended(client, job_id)
    # Long after the job has ended, where the dedup key no longer helps.
    assert (await client.post(address, headers=headers)).json() == {"job_id": job_id}
    assert await jobs_of(database, "ingest_source") == 1
    assert (await client.post(address, headers={"Idempotency-Key": "sync-2"})).json() != {"job_id": job_id}
    # Nobody learns from a key what others did.
    assert (await other_client.post(address, headers=headers)).status_code == 404


async def test_a_verb_that_its_twin_has_carried_out_gets_the_twins_answer(
    client: httpx2.AsyncClient, database: Database, tmp_path: Path
) -> None:
    source = await make_source(client, tmp_path / "folder")
    job_id = (await client.post(f"/api/v1/sources/{source['id']}/sync")).json()["job_id"]
    await job_ended(client, job_id)
    headers = {"Idempotency-Key": "again"}
    answers = await asyncio.gather(*(client.post(f"/api/v1/jobs/{job_id}/restart", headers=headers) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert await jobs_of(database, "ingest_source") == 2


async def test_a_key_of_another_request_is_refused_and_a_failed_request_leaves_its_key_free(
    client: httpx2.AsyncClient, tmp_path: Path
) -> None:
    source = await make_source(client, tmp_path / "folder")
    headers = {"Idempotency-Key": "mine"}
    missing = await client.post("/api/v1/sources/0199/sync", headers=headers)
    assert missing.status_code == 404
    assert (await client.post(f"/api/v1/sources/{source['id']}/sync", headers=headers)).status_code == 202
    refused = await client.post(f"/api/v1/sources/{source['id']}/sync", params={"dry_run": "true"}, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (409, "idempotency_key_reused")
    assert (await client.post("/api/v1/jobs/bulk", json={"verb": "pause"}, headers={"Idempotency-Key": "x" * 201})).status_code == 422


async def test_an_upload_is_the_same_request_by_its_bytes_and_expires_after_a_day(client: httpx2.AsyncClient, database: Database) -> None:
    collection = await make_collection(client)
    address, headers = f"/api/v1/collections/{collection['id']}/uploads", {"Idempotency-Key": "up"}

    async def send(text: bytes) -> httpx2.Response:
        return await client.post(address, files=[("files", ("a.txt", text))], headers=headers)

    first = await send(b"one")
    assert first.status_code == 202
    assert (await send(b"one")).json() == first.json()
    assert (await send(b"two")).status_code == 409
    async with database.write() as session:
        await session.execute(sa.update(idempotency_keys).values(created_at=now() - timedelta(hours=25)))
        await session.commit()
    later = await send(b"two")
    assert (later.status_code, "Idempotency-Replayed" in later.headers) == (202, False)
    assert "Idempotency-Replayed" in (await send(b"two")).headers
