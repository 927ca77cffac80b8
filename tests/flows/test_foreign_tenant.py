"""Another tenant's ids, tried on every route of the app: the answer is always that there is no such thing."""

from __future__ import annotations

import itertools
import re
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from tests.flows.steps import documents_of, make_collection, upload
from tests.http.test_route_table import PUBLIC

# What a parameter of a path may name. A new kind of id has to be added here, with a thing of the other tenant behind it.
_NAMES = {
    "collection_id": "collection",
    "source_id": "source",
    "document_id": "document",
    "job_id": "job",
    "schedule_id": "schedule",
    "key_id": "key",
}
# Parameters that name no tenant's thing.
_OF_NOBODY = {"path", "name", "queue", "kind", "worker_id"}
_QUERIES = ("collection", "source", "parent", "document", "job", "schedule")
_BODIES: dict[tuple[str, str], Any] = {
    ("PATCH", "/api/v1/collections/{collection_id}"): {"name": "Taken over"},
    ("POST", "/api/v1/collections/{collection_id}/sources"): {"kind": "directory", "settings": {"path": "/tmp"}},
    ("PATCH", "/api/v1/sources/{source_id}"): {"name": "Taken over"},
    ("POST", "/api/v1/jobs/{job_id}/priority"): {"priority": 0},
    ("POST", "/api/v1/jobs/{job_id}/budget"): {"budget": {"items": 1}},
    ("PATCH", "/api/v1/schedules/{schedule_id}"): {"name": "Taken over"},
}


@pytest.fixture
async def things(client: httpx2.AsyncClient) -> dict[str, str]:
    """One of everything, owned by the first tenant."""
    collection = await make_collection(client, "Private")
    job = await upload(client, collection["id"], {"secret.txt": b"The secret plan of the first tenant.", "bad.pdf": b"%PDF-1.7\nnothing"})
    document = (await documents_of(client, collection["id"]))["secret.txt"]
    key = (await client.post("/api/v1/api-keys", json={"name": "k", "scope": "read"})).json()
    schedule = (await client.get("/api/v1/schedules")).json()["items"]
    if not schedule:
        made = await client.post(
            "/api/v1/schedules",
            json={"name": "Nightly", "kind": "ingest_source", "params": {"source_id": document["source_id"]}, "cron": "0 3 * * *"},
        )
        schedule = [made.json()]
    return {
        "collection": collection["id"],
        "source": document["source_id"],
        "document": document["id"],
        "job": job["id"],
        "schedule": schedule[0]["id"],
        "key": key["id"],
    }


def _routes(app: FastAPI) -> list[tuple[str, str]]:
    found = [(method, context.path) for context in iter_route_contexts(app.routes) for method in context.methods or () if method != "HEAD"]
    return sorted((method, str(path)) for method, path in found if (method, path) not in PUBLIC)


async def test_ids_of_another_tenant_open_no_route(
    app: FastAPI, client: httpx2.AsyncClient, other_client: httpx2.AsyncClient, things: dict[str, str]
) -> None:
    tried = set()
    for method, path in _routes(app):
        names = set(re.findall(r"{(\w+)", path))
        assert names <= _NAMES.keys() | _OF_NOBODY, f"{method} {path}: say in this test what its parameters name"
        if not names & _NAMES.keys():
            continue
        address = re.sub(r"{(\w+)[^}]*}", lambda found: things.get(_NAMES.get(found[1], ""), "x"), path)
        if path.endswith("/uploads"):
            answer = await other_client.post(address, files=[("files", ("a.txt", b"x"))])
        else:
            answer = await other_client.request(method, address, json=_BODIES.get((method, path)))
        assert answer.status_code in (403, 404), f"{method} {path}: {answer.status_code} {answer.text[:300]}"
        assert "secret" not in answer.text.lower() and "Private" not in answer.text
        tried.add(path)
    assert len(tried) > 20, tried

    for name, thing in itertools.product(_QUERIES, set(things.values())):
        for path in ("/api/v1/documents", "/api/v1/jobs", "/api/v1/schedules", "/api/v1/collections"):
            listed = await other_client.get(path, params={name: thing})
            assert listed.status_code in (200, 404, 422)
            assert not [one for one in listed.json().get("items", []) if one.get("id") in things.values()], f"{path}?{name}="
    searched = await other_client.post("/api/v1/search", json={"query": "secret plan", "collections": [things["collection"]]})
    assert searched.status_code == 404
    bulk = await other_client.post("/api/v1/jobs/bulk", json={"verb": "delete", "collection": things["collection"]})
    assert bulk.json()["changed"] == 0

    # And nothing of it happened: all is there, under its old name, for its owner.
    assert (await client.get(f"/api/v1/collections/{things['collection']}")).json()["name"] == "Private"
    for kind, path in (("source", "sources"), ("document", "documents"), ("job", "jobs"), ("schedule", "schedules")):
        assert (await client.get(f"/api/v1/{path}/{things[kind]}")).status_code == 200, kind
    assert [hit["document"]["id"] for hit in (await client.post("/api/v1/search", json={"query": "secret plan"})).json()["hits"]] == [
        things["document"]
    ]
