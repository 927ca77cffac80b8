"""A server of several processes, as its parts are started by hand: who does what, and what each refuses."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import httpx2
import pytest

from semantik.jobs.dispatch_celery import CeleryBell
from tests import services
from tests.collector import Collector, collector
from tests.flows import several
from tests.flows.several import Process, Site

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def receiver() -> Iterator[Collector]:
    with collector() as opened:
        yield opened


@pytest.fixture(scope="module")
def served(site: Site, receiver: Collector) -> tuple[Process, str]:
    """Every process of the site sends its traces to the receiver."""
    site.environment |= {"SEMANTIK_TRACES": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
    return site.api()


@pytest.fixture(scope="module")
def api(served: tuple[Process, str]) -> httpx2.Client:
    return several.set_up(*served)


def test_a_worker_runs_what_a_replica_enqueued(site: Site, api: httpx2.Client, receiver: Collector) -> None:
    collection = api.post("/api/v1/collections", json={"name": "Papers"}).json()["id"]
    files = [("files", ("valves.md", b"# Valves\n\nValve seven is closed at night.\n"))]
    asked = api.post(f"/api/v1/collections/{collection}/uploads", files=files, headers={"X-Request-ID": "asked-by-hand-1"})
    assert asked.status_code == 202, asked.text
    assert api.get(f"/api/v1/jobs/{asked.json()['job_id']}").json()["status"] == "queued", "a replica runs no jobs"

    port = services.free_port()
    worker = site.worker("--concurrency", "1", SEMANTIK_WORKER_METRICS_PORT=str(port), SEMANTIK_METRICS_TOKEN="for-the-test")
    done = several.ended(api, asked.json()["job_id"])

    assert (done["status"], done["counts"]["failed"]) == ("completed", 0), done
    hits = api.post("/api/v1/search", json={"query": "which valve is closed at night"}).json()["hits"]
    assert "Valve seven" in hits[0]["passage"]["text"]
    told = [line for line in worker.lines if line.get("request_id") == "asked-by-hand-1"]
    assert {"job claimed", "job attempt ended"} <= {line["event"] for line in told}
    assert {line["job_id"] for line in told} == {done["id"]}
    (shown,) = [one for one in api.get("/api/v1/workers").json()["items"] if one["state"] == "up"]
    assert (shown["pool"], shown["slots"], sorted(shown["queues"])) == ("prefork", 1, ["cpu", "gpu", "io", "llm", "maintenance"])
    job = several.wait_for(lambda: receiver.find(lambda one: one.attributes.get("semantik.job_id") == done["id"]), worker.why, 20)
    request = several.wait_for(lambda: receiver.find(lambda one: one.id == job.parent), worker.why, 20)
    assert (request.trace, request.attributes["semantik.request_id"]) == (job.trace, "asked-by-hand-1")
    assert receiver.find(lambda one: one.name == "vectors upsert" and one.trace == job.trace) is not None
    address = f"http://127.0.0.1:{port}/metrics"
    assert httpx2.get(address).status_code == 404, "closed without the token"
    counted = httpx2.get(address, headers={"Authorization": "Bearer for-the-test"}).text
    assert 'semantik_jobs_claimed_total{queue="cpu"} 1.0' in counted
    assert 'semantik_jobs_finished_total{kind="ingest_source",outcome="ok"} 1.0' in counted
    assert worker.stop() == 0
    with pytest.raises(httpx2.TransportError):
        httpx2.get(address)


def test_what_cannot_work_side_by_side_is_refused_with_what_to_do(site: Site) -> None:
    no_server = {"SEMANTIK_REDIS_URL": "", "SEMANTIK_DATA_DIR": str(site.folder / "other")}
    attempts = [
        (site.start("serve", SEMANTIK_QDRANT_URL=""), "belongs to one process", "SEMANTIK_QDRANT_URL"),
        (site.start("worker", SEMANTIK_QDRANT_URL=""), "belongs to one process", "SEMANTIK_QDRANT_URL"),
        (site.start("worker", **no_server), "need a PostgreSQL", "SEMANTIK_REDIS_URL"),
        (site.start("scheduler", **no_server), "need a PostgreSQL", "SEMANTIK_REDIS_URL"),
        (site.start("worker", "--queues", "cpu,gold"), "no queue named 'gold'", "io,cpu,gpu,llm,maintenance"),
    ]
    for process, why, hint in attempts:
        assert process.popen.wait(60) == 78
        assert why in process.text and hint in process.text and "Traceback" not in process.text


def test_flower_shows_workers_and_doorbells_to_whoever_knows_the_password(site: Site) -> None:
    port = services.free_port()
    refused = site.start("flower", "--port", str(port))
    assert refused.popen.wait(60) == 78
    assert "SEMANTIK_FLOWER_PASSWORD" in refused.text

    worker = site.worker("--concurrency", "1", "--queues", "maintenance")
    flower = site.start("flower", "--port", str(port), SEMANTIK_FLOWER_PASSWORD="a-password-of-the-test")
    address = f"http://127.0.0.1:{port}"
    several.wait_for(lambda: _answers(f"{address}/healthcheck"), flower.why, 60, flower.popen)

    for path in ("/", "/workers", "/api/workers", "/api/queues/length", "/tasks"):
        assert httpx2.get(address + path).status_code == 401, path
    with httpx2.Client(base_url=address, auth=("semantik", "a-password-of-the-test"), timeout=30) as known:
        shown = several.wait_for(lambda: known.get("/api/workers", params={"refresh": 1}).json() or None, flower.why, 30)
        os.killpg(worker.popen.pid, signal.SIGSTOP)
        bell = CeleryBell(site.broker)
        bell.ring("maintenance", 3)
        bell.close()
        lengths = {one["name"]: one["messages"] for one in known.get("/api/queues/length").json()["active_queues"]}
        os.killpg(worker.popen.pid, signal.SIGCONT)
        shut = known.post(f"/api/worker/shutdown/{next(iter(shown))}")
    assert [queue["name"] for queue in next(iter(shown.values()))["active_queues"]] == ["maintenance"]
    # Celery may have asked for one before it was frozen.
    assert lengths["maintenance"] in (2, 3)
    assert shut.status_code == 403, "it only reads"
    assert flower.stop() == 0
    assert worker.stop() == 0


def _answers(address: str) -> bool | None:
    try:
        return httpx2.get(address).status_code == 200 or None
    except httpx2.TransportError:
        return None
