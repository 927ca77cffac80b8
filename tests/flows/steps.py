"""What flow tests do through HTTP again and again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2

from tests.conftest import job_ended


async def make_collection(client: httpx2.AsyncClient, name: str = "Papers", **values: Any) -> dict[str, Any]:
    answer = await client.post("/api/v1/collections", json={"name": name, **values})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def add_folder(client: httpx2.AsyncClient, collection_id: str, folder: Path) -> dict[str, Any]:
    """Adds the folder as a source and waits for its first sync."""
    body = {"kind": "directory", "settings": {"path": str(folder)}}
    answer = await client.post(f"/api/v1/collections/{collection_id}/sources", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    job = await job_ended(client, made["last_job_id"])
    assert job["status"] == "completed", job
    return made


async def sync(client: httpx2.AsyncClient, source_id: str, **wanted: Any) -> dict[str, Any]:
    """Syncs and waits; returns the job."""
    answer = await client.post(f"/api/v1/sources/{source_id}/sync", json=wanted or None)
    assert answer.status_code == 202, answer.text
    return await job_ended(client, answer.json()["job_id"])


async def upload(client: httpx2.AsyncClient, collection_id: str, files: dict[str, bytes]) -> dict[str, Any]:
    """Uploads and waits; returns the job."""
    parts = [("files", (name, data)) for name, data in files.items()]
    answer = await client.post(f"/api/v1/collections/{collection_id}/uploads", files=parts)
    assert answer.status_code == 202, answer.text
    return await job_ended(client, answer.json()["job_id"])


async def documents_of(client: httpx2.AsyncClient, collection_id: str) -> dict[str, dict[str, Any]]:
    """Documents by path."""
    page = (await client.get("/api/v1/documents", params={"collection": collection_id, "limit": 200})).json()
    return {one["path"]: one for one in page["items"]}


async def search(client: httpx2.AsyncClient, query: str, **values: Any) -> list[dict[str, Any]]:
    answer = await client.post("/api/v1/search", json={"query": query, **values})
    assert answer.status_code == 200, answer.text
    hits: list[dict[str, Any]] = answer.json()["hits"]
    return hits
