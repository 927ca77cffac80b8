"""Traces: from a request to its job and the engines of both; and nothing at all without the setting."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest

from semantik.auth.actor import Actor
from semantik.entrypoints import api
from semantik.jobs.dispatch_local import LocalDispatcher
from semantik.kit import traces
from semantik.kit.database import Database
from semantik.kit.settings import Settings
from semantik.runtime import open_runtime
from tests.collector import Collector, Seen, collector
from tests.conftest import client_of
from tests.flows import steps

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def receiver() -> Iterator[Collector]:
    with collector() as opened:
        yield opened


@pytest.fixture
async def traced(
    receiver: Collector, settings: Settings, database: Database, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[httpx2.AsyncClient]:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
    settings.data_dir.mkdir(parents=True)
    runtime = await open_runtime(settings.model_copy(update={"traces": "otlp"}))
    dispatcher = LocalDispatcher(runtime)
    await dispatcher.start()
    async with client_of(api.build(runtime), actor) as client:
        yield client
    await dispatcher.stop()
    await runtime.close()


def _line(receiver: Collector, span: Seen) -> list[str]:
    """The span's name and those above it."""
    by_id = {one.id: one for one in receiver.spans}
    names = [span.name]
    while span.parent in by_id:
        span = by_id[span.parent]
        names.append(span.name)
    return names


async def test_a_trace_leads_from_a_request_to_its_job_and_the_engines(traced: httpx2.AsyncClient, receiver: Collector) -> None:
    collection = await steps.make_collection(traced)
    files = [("files", ("valves.md", b"# Valves\n\nValve seven is closed at night.\n"))]
    asked = await traced.post(f"/api/v1/collections/{collection['id']}/uploads", files=files)
    job = await receiver.wait(lambda one: one.name == "job ingest_source")
    await steps.search(traced, "an unusual question")
    searched = await receiver.wait(lambda one: one.name == "POST /api/v1/search")

    request = await receiver.wait(lambda one: one.name == "POST /api/v1/collections/{collection_id}/uploads")
    assert request.trace == asked.headers["X-Request-ID"].replace("-", "") == job.trace
    assert job.parent == request.id
    assert (request.attributes["http.response.status_code"], request.attributes["semantik.request_id"]) == (
        202,
        asked.headers["X-Request-ID"],
    )
    assert (job.attributes["semantik.job_id"], job.attributes["semantik.status"], job.failed) == (asked.json()["job_id"], "completed", "")
    upsert = await receiver.wait(lambda one: one.name == "vectors upsert")
    assert (_line(receiver, upsert)[1], upsert.trace, upsert.attributes["vectors.points"]) == ("job ingest_source", job.trace, 1)
    for name in ("vectors query", "embedding query"):
        assert (await receiver.wait(lambda one, name=name: one.name == name)).parent == searched.id  # type: ignore[misc]
    assert {one.service for one in receiver.spans} == {"semantik"}
    told = " ".join(str(value) for one in receiver.spans for value in one.attributes.values())
    assert "unusual" not in told and "Valve" not in told


async def test_a_request_joins_the_trace_of_who_sent_it(traced: httpx2.AsyncClient, receiver: Collector) -> None:
    upstream = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
    answer = await traced.get("/api/v1/jobs", headers=upstream)
    joined = await receiver.wait(lambda one: one.name == "GET /api/v1/jobs")
    assert answer.headers["X-Request-ID"] == joined.trace == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert joined.parent == "00f067aa0ba902b7"

    await traced.get("/api/v1/collections", headers=upstream | {"X-Request-ID": "my-own-number"})
    linked = await receiver.wait(lambda one: one.name == "GET /api/v1/collections")
    assert linked.attributes["semantik.request_id"] == "my-own-number"
    assert (linked.trace, linked.links) == (traces.number_of("my-own-number"), ["4bf92f3577b34da6a3ce929d0e0e4736"])

    await traced.get("/api/v1/members", headers={"traceparent": "00-5bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"})
    await traced.get("/api/v1/sources/none", headers={"X-Request-ID": "last"})
    await receiver.wait(lambda one: one.attributes.get("semantik.request_id") == "last")
    assert not [one for one in receiver.spans if one.name == "GET /api/v1/members"], "its sender keeps no spans of it"


async def test_without_the_setting_nothing_is_sent_or_even_imported(
    client: httpx2.AsyncClient, receiver: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    await steps.make_collection(client)
    assert traces.span("anything") is traces.span("anything else")
    program = (
        "import sys; import semantik.entrypoints.api, semantik.entrypoints.server, semantik.entrypoints.worker;"
        "print([name for name in sys.modules if name.startswith(('opentelemetry.sdk', 'opentelemetry.exporter'))])"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"
    assert receiver.spans == []


@pytest.mark.parametrize(
    "header", ["", "00-0-0-01", "00-" + "0" * 32 + "-00f067aa0ba902b7-01", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"]
)
def test_what_is_no_traceparent_is_ignored(header: str, database_url: str) -> None:
    assert traces.parent_of(header) is None
