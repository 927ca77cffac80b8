"""Whatever fits the OpenAPI document, and much that does not, gets an answer of the promised shape: never a 5xx.

Schemathesis only makes the requests here; they go through the suite's own client, on the loop that owns the engines.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from typing import Any

import httpx2
import jsonschema_rs
import pytest
import requests
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case as AnyCase
from schemathesis import GenerationMode

from semantik.kit.ids import new_id
from tests.conftest import job_ended
from tests.openapi import resolved

# Its one type parameter names an extension that we do not use.
Case = AnyCase[Any]

EXAMPLES = 6
BASE_URL = "http://semantik"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)]

# It would end the session of whoever asks next.
_LEFT_OUT = {"/api/v1/auth/logout"}
# These decide who asks and in which form; the client sets them.
_OURS = {"authorization", "cookie", "host", "content-length", "accept", "accept-encoding", "user-agent", "connection"}


def cases(document: dict[str, Any]) -> Iterator[Case]:
    """Requests that fit the document and requests that do not, the same ones in every run."""
    schema = schemathesis.openapi.from_dict(document)
    for found, mode in itertools.product(schema.get_all_operations(), (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)):
        operation = found.ok()
        if operation.path not in _LEFT_OUT:
            yield from _examples(operation, mode)


def _examples(operation: Any, mode: GenerationMode) -> list[Case]:
    made: list[Case] = []

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def collect(case: Case) -> None:
        made.append(case)

    # A route without parameters has no request that does not fit.
    with contextlib.suppress(Unsatisfiable):
        collect()
    return made


async def world(client: httpx2.AsyncClient) -> dict[str, str]:
    """One living thing of each kind, by the name of its path parameter."""
    collection = (await client.post("/api/v1/collections", json={"name": f"World {new_id()}"})).json()["id"]
    files = {"files": ("note.txt", b"A note about the harbour. " * 20, "text/plain")}
    upload = (await client.post(f"/api/v1/collections/{collection}/uploads", files=files)).json()
    key = (await client.post("/api/v1/api-keys", json={"name": "one"})).json()["id"]
    ids = {"collection_id": collection, "source_id": upload["source_id"], "job_id": upload["job_id"], "key_id": key}
    await job_ended(client, ids["job_id"])
    documents = (await client.get("/api/v1/documents", params={"collection": collection})).json()["items"]
    return {**ids, "document_id": documents[0]["id"]}


def prepared(case: Case) -> requests.PreparedRequest:
    arguments = case.as_transport_kwargs(base_url=BASE_URL)
    known = {"method", "url", "headers", "files", "data", "json", "params", "auth", "cookies"}
    return requests.Request(**{key: value for key, value in arguments.items() if key in known}).prepare()


async def send(client: httpx2.AsyncClient, request: requests.PreparedRequest) -> httpx2.Response:
    body = request.body
    content = body.encode() if isinstance(body, str) else body if isinstance(body, bytes) else None
    headers = [(str(name), _latin(value)) for name, value in request.headers.items() if name.lower() not in _OURS]
    return await client.request(str(request.method), str(request.url), content=content, headers=headers)


def _latin(value: str | bytes) -> str:
    return (value.decode("latin-1") if isinstance(value, bytes) else value).encode("ascii", "replace").decode()


def faults(document: dict[str, Any], case: Case, answer: httpx2.Response) -> list[str]:
    """What is wrong with an answer, by the document."""
    found = []
    if answer.status_code >= 500:
        found.append(f"{answer.status_code} {answer.text[:300]}")
    media_type = answer.headers.get("content-type", "").partition(";")[0]
    if answer.status_code >= 400 and media_type != "application/problem+json":
        found.append(f"{answer.status_code} comes as {media_type!r}")
    answers = document["paths"][case.operation.path][case.method.lower()]["responses"]
    if answer.status_code < 400 and str(answer.status_code) not in answers:
        found.append(f"{answer.status_code} is not in the document")
    documented = resolved(document, answers.get(str(answer.status_code), answers["default"]))
    schema = documented.get("content", {}).get(media_type, {}).get("schema")
    if schema and media_type.endswith("json"):
        validator = jsonschema_rs.validator_for({**schema, "components": document["components"]})
        found += [f"the answer does not fit: {error.message[:200]}" for error in itertools.islice(validator.iter_errors(answer.json()), 2)]
    return found


async def test_no_request_makes_the_server_fail(app: FastAPI, client: httpx2.AsyncClient) -> None:
    document = app.openapi()
    ids = await world(client)
    wrong: dict[str, str] = {}
    sent, reached = 0, set()
    for number, case in enumerate(cases(document)):
        if number % 2:
            # Half of the requests reach something that is there.
            case.path_parameters = {**(case.path_parameters or {}), **{k: v for k, v in ids.items() if k in (case.path_parameters or {})}}
        request = prepared(case)
        answer = await send(client, request)
        sent += 1
        if answer.status_code < 300:
            reached.add(case.operation.label)
        for fault in faults(document, case, answer):
            wrong.setdefault(
                f"{case.operation.label}: {fault[:60]}", f"{request.method} {request.url} {str(request.body)[:200]} -> {fault}"
            )
        if answer.status_code < 300 and (case.method == "DELETE" or case.operation.path.endswith("/bulk")):
            ids = await world(client)
    assert sent > 500
    assert reached >= {"GET /api/v1/documents/{document_id}", "GET /api/v1/jobs/{job_id}", "GET /api/v1/sources/{source_id}"}
    assert not wrong, "\n".join(wrong.values())
