"""The system says how it is: to anyone whether it lives, to members each part, to the metrics token its numbers."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from pydantic import SecretStr

import semantik
from semantik.auth.actor import Actor
from semantik.engines.blobs.base import BlobsUnavailable
from semantik.engines.events.redis import RedisEvents
from semantik.engines.vectors.base import IndexUnavailable
from semantik.entrypoints import api
from semantik.features.collections.job_args import DeleteCollection
from semantik.features.system import errors_page, health
from semantik.http.middleware import PAGE_POLICY
from semantik.jobs.queue import enqueue
from semantik.jobs.store import workers as signed
from semantik.kit.clock import now
from semantik.kit.database import Database, open_database
from semantik.kit.database_file import DatabaseFile
from semantik.runtime import Runtime
from semantik.tables.jobs import workers as worker_rows
from tests.openapi import resolved


@pytest.fixture
def built(runtime: Runtime) -> FastAPI:
    return api.build(runtime)


def anyone(app: FastAPI) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://semantik")


async def test_anyone_may_ask_whether_it_lives(built: FastAPI, runtime: Runtime) -> None:
    async with anyone(built) as client:
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        assert (await client.get("/readyz")).json()["status"] == "ready"
        version = (await client.get("/api/v1/version")).json()
        assert version["version"] == semantik.__version__
        assert version["mode"] == ("server" if runtime.settings.database_url else "embedded")
        assert (await client.get("/health/full")).status_code == 401


async def test_full_health_names_each_part(client: httpx2.AsyncClient) -> None:
    body = (await client.get("/health/full")).json()
    assert {part["name"] for part in body["parts"]} == {"api", "loops", "database", "workers", "vectors", "blobs", "disk"}
    assert all(part["latency_ms"] >= 0 for part in body["parts"])
    assert body["status"] in ("ok", "degraded")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_without_its_database_it_is_alive_but_not_ready(built: FastAPI, runtime: Runtime) -> None:
    runtime.database = open_database("sqlite:////nonexistent/folder/semantik.db")
    async with anyone(built) as client:
        assert (await client.get("/healthz")).status_code == 200
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()["status"]) == (503, "not_ready")
        refused = await client.get("/api/v1/setup")
        assert (refused.status_code, refused.json()["code"]) == (503, "database_unavailable")
        assert "nonexistent" not in refused.text


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_process_whose_background_loop_died_says_that_it_must_be_started_anew(
    app: FastAPI, client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    async def die() -> None:
        raise RuntimeError("nobody foresaw this")

    await asyncio.wait({runtime.loops.start("job-outbox", die())})
    async with anyone(app) as stranger:
        alive, ready = await stranger.get("/healthz"), await stranger.get("/readyz")
        assert (alive.status_code, alive.json()["code"], ready.status_code) == (503, "loop_died", 503)
    loops = next(one for one in (await client.get("/health/full")).json()["parts"] if one["name"] == "loops")
    assert (loops["state"], loops["detail"]) == ("down", "job-outbox ended by an error")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_each_part_that_is_down_is_named_and_the_rest_goes_on(app: FastAPI, client: httpx2.AsyncClient, runtime: Runtime) -> None:
    class Down:
        async def check(self) -> None:
            raise BlobsUnavailable("the blob store is on fire")

        async def health(self) -> None:
            raise IndexUnavailable("the Qdrant server is on fire")

    sound: dict[str, Any] = {"blobs": runtime.blobs, "vectors": runtime.vectors, "events": runtime.events, "settings": runtime.settings}
    gone: Any = RedisEvents("redis://127.0.0.1:1/0")
    with_redis = runtime.settings.model_copy(update={"redis_url": SecretStr("redis://127.0.0.1:1/0")})
    broken: list[tuple[str, str, str, dict[str, Any]]] = [
        ("blobs", "blobs_unavailable", "on fire", {"blobs": Down()}),
        ("vectors", "index_unavailable", "on fire", {"vectors": Down()}),
        ("redis", "events_unavailable", "does not answer", {"events": gone, "settings": with_redis}),
    ]
    for name, code, says, engines in broken:
        for engine, value in engines.items():
            setattr(runtime, engine, value)
        app.state.checks = health.Checks(runtime)
        answer = await client.get("/health/full")
        part = next(one for one in answer.json()["parts"] if one["name"] == name)
        assert (answer.status_code, answer.json()["status"]) == (503, "degraded")
        assert (part["state"], part["code"]) == ("down", code)
        assert says in part["detail"]
        async with anyone(app) as stranger:
            ready = await stranger.get("/readyz")
        states = {one["name"]: one["state"] for one in ready.json()["parts"]}
        assert (ready.status_code, ready.json()["status"], states[name]) == (200, "ready", "down")
        assert "on fire" not in ready.text, "strangers see states, not reasons"
        for engine, value in sound.items():
            setattr(runtime, engine, value)
    await gone.close()

    app.state.checks = health.Checks(runtime, low_disk_bytes=2**62)
    answer = await client.get("/health/full")
    disk = next(one for one in answer.json()["parts"] if one["name"] == "disk")
    assert (answer.status_code, disk["state"], disk["code"]) == (200, "degraded", "disk_low")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_database_file_that_was_deleted_or_replaced_is_noticed_and_nothing_more_is_acknowledged(
    app: FastAPI, client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    file = Path(runtime.settings.sqlalchemy_url.removeprefix("sqlite:///"))
    aside = file.with_name("aside.db")
    assert (await client.post("/api/v1/collections", json={"name": "Before"})).status_code == 201
    await _open_all_connections(runtime.database)
    file.rename(aside)
    for says in ("is gone", "was replaced by another one"):
        refused = await client.post("/api/v1/collections", json={"name": "Lost"})
        assert (refused.status_code, refused.json()["code"]) == (503, "database_gone")
        assert says in refused.json()["detail"] and refused.json()["hint"]
        health_of = (await client.get("/health/full")).json()
        part = next(one for one in health_of["parts"] if one["name"] == "database")
        assert (health_of["status"], part["state"], part["code"]) == ("down", "down", "database_gone")
        shutil.copy(aside, file)
    assert (await client.get("/api/v1/collections")).status_code == 200
    aside.replace(file)
    assert (await client.post("/api/v1/collections", json={"name": "After"})).status_code == 201
    async with anyone(app) as stranger:
        await asyncio.sleep(1.1)
        assert (await stranger.get("/readyz")).status_code == 200


async def _open_all_connections(database: Database) -> None:
    """So that reading goes on with what is open."""
    async with AsyncExitStack() as held:
        for opened, most in ((database.read, 8), (database.lookup, 4)):
            for _ in range(most):
                session = await held.enter_async_context(opened())
                await session.execute(sa.text("SELECT 1"))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_no_connection_makes_an_empty_file_where_the_database_was(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    file = Path(runtime.settings.sqlalchemy_url.removeprefix("sqlite:///"))
    aside = file.with_name("aside.db")
    file.rename(aside)
    # As when all connections are in use: whoever asks now opens another.
    await runtime.database.engine.dispose()
    found = (await client.get("/health/full")).json()
    assert {part["name"]: part["code"] for part in found["parts"] if part["state"] == "down"} == {
        "database": "database_gone", "workers": "database_gone",
    }  # fmt: skip
    assert not file.exists()
    aside.rename(file)
    assert (await client.get("/health/full")).json()["status"] == "ok"


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system of its own that is mounted read-only."""
    folder = tmp_path / "mounted"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "none", folder], capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_disk_that_turned_read_only_is_said_by_database_and_disk_while_reading_goes_on(runtime: Runtime, read_only: Path) -> None:
    runtime.settings = runtime.settings.model_copy(update={"data_dir": read_only})
    runtime.database.file = DatabaseFile(read_only / "semantik.db")
    found = await health.Checks(runtime).now()
    parts = {part.name: part for part in found}
    assert (parts["database"].state, parts["database"].code) == ("degraded", "database_unwritable")
    assert "Read-only file system" in str(parts["database"].detail) and "mounted read-only" in str(parts["database"].hint)
    assert (parts["disk"].state, parts["disk"].code) == ("down", "disk_read_only")
    assert health.serves(found)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_worker_that_is_silent_for_a_minute_counts_as_none(built: FastAPI, runtime: Runtime) -> None:
    async def workers() -> health.Part:
        return next(one for one in await health.Checks(runtime).now() if one.name == "workers")

    signs = signed.Signs(id="w1", pool="prefork", queues=["io"], slots=3, version="1", state=signed.WorkerState.UP, name="w1")
    assert (await workers()).code == "no_workers"
    await signed.sign_in(runtime.database, signs)
    assert (await workers()).facts == {"workers": 1, "slots": 3}
    async with runtime.database.write() as session:
        await signed.drain(session, "w1", asked=True)
        await session.commit()
    drains = await workers()
    assert (drains.state, drains.code, drains.detail) == (
        "degraded", "workers_draining", "every worker drains: jobs wait until one takes jobs again"
    )  # fmt: skip
    assert drains.hint and "semantik workers resume" in drains.hint
    async with runtime.database.write() as session:
        await session.execute(sa.update(worker_rows).values(last_seen_at=now() - timedelta(seconds=61)))
        await session.commit()
    silent = await workers()
    assert (silent.state, silent.code) == ("degraded", "no_workers")
    assert silent.hint and "semantik worker" in silent.hint


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_many_who_ask_whether_it_is_ready_cost_one_look(built: FastAPI, runtime: Runtime) -> None:
    looks = 0

    class Counting:
        async def check(self) -> dict[str, Any]:
            nonlocal looks
            looks += 1
            return {}

    counting: Any = Counting()
    runtime.blobs, sound = counting, runtime.blobs
    async with anyone(built) as client:
        answers = await asyncio.gather(*(client.get("/readyz") for _ in range(20)))
    runtime.blobs = sound
    assert {answer.status_code for answer in answers} == {200}
    assert looks == 1


async def test_metrics_are_closed_until_a_token_is_set_and_sent(runtime: Runtime) -> None:
    token = {"Authorization": "Bearer scrape-me"}
    async with anyone(api.build(runtime)) as client:
        assert (await client.get("/metrics", headers=token)).json()["code"] == "route_unknown"
    runtime.settings = runtime.settings.model_copy(update={"metrics_token": SecretStr("scrape-me")})
    async with anyone(api.build(runtime)) as client:
        assert (await client.get("/metrics")).status_code == 404
        assert (await client.get("/metrics", headers={"Authorization": "Bearer wrong"})).status_code == 404
        opened = await client.get("/metrics", headers=token)
        assert opened.status_code == 200
        assert opened.headers["content-type"].startswith("text/plain")
        assert "semantik_http_requests_total" in opened.text
        # Labels come from route templates, never from what a client typed.
        await client.get("/api/v1/api-keys/typed-by-a-client")
        await client.request("INVENTED", "/nowhere")
        opened = await client.get("/metrics", headers=token)
        assert "typed-by-a-client" not in opened.text
        assert "INVENTED" not in opened.text


async def test_metrics_count_the_jobs_that_wait(runtime: Runtime, actor: Actor) -> None:
    runtime.settings = runtime.settings.model_copy(update={"metrics_token": SecretStr("scrape-me")})
    async with runtime.database.write() as session:
        await enqueue(session, DeleteCollection(collection_id="none"), actor=actor, title="Wait")
        await session.commit()
    async with anyone(api.build(runtime)) as client:
        shown = (await client.get("/metrics", headers={"Authorization": "Bearer scrape-me"})).text
    assert 'semantik_jobs_ready{queue="io"} 1.0' in shown
    assert 'semantik_jobs_running{queue="io"} 0.0' in shown
    assert 'semantik_jobs_blocked{queue="io"} 0.0' in shown
    assert float(re.findall(r'semantik_jobs_oldest_ready_seconds\{queue="io"\} (\S+)', shown)[0]) > 0


async def test_the_reference_works_offline_under_its_policy(built: FastAPI) -> None:
    async with anyone(built) as client:
        page = await client.get("/docs")
        assert page.headers["content-security-policy"] == PAGE_POLICY
        assert "://" not in page.text
        for address in re.findall(r'(?:src|href)="([^"]+)"', page.text):
            found = await client.get(address)
            assert found.status_code == 200, address
            assert "://" not in found.text or address == "/openapi.json"
        assert "<script>" not in page.text
        assert "style=" not in page.text
        assert (await client.get("/docs/assets/nothing.js")).status_code == 404


async def test_every_error_code_has_its_place_on_the_errors_page(built: FastAPI) -> None:
    async with anyone(built) as client:
        page = (await client.get("/docs/errors")).text
    codes = [one.code for one in errors_page.known()]
    assert len(codes) > 20
    assert len(codes) == len(set(codes))
    for code in codes:
        assert f'id="{code}"' in page


async def test_an_unknown_address_is_a_problem_below_the_api_and_a_page_elsewhere(built: FastAPI) -> None:
    async with anyone(built) as client:
        for method, address in (("GET", "/api/v1/nothing"), ("POST", "/api/v1/nothing"), ("DELETE", "/nothing")):
            answer = await client.request(method, address)
            assert (answer.status_code, answer.json()["code"]) == (404, "route_unknown"), address
        assert (await client.get("/collections/some-page")).status_code == 200
        for sneaky in ("/../pyproject.toml", "/%2e%2e/%2e%2e/pyproject.toml", "/..%2fpyproject.toml"):
            assert "build-system" not in (await client.get(sneaky)).text


async def test_the_openapi_document_is_complete(built: FastAPI) -> None:
    document = built.openapi()
    assert document["openapi"] == "3.1.0"
    json.dumps(document, allow_nan=False)
    seen = set()
    for path, item in document["paths"].items():
        for method, operation in item.items():
            where = f"{method.upper()} {path}"
            assert operation.get("summary"), where
            assert operation.get("tags"), where
            assert operation["operationId"] not in seen, where
            seen.add(operation["operationId"])
            assert "security" in operation, where
            for status, answer in operation["responses"].items():
                if (status == "default" or int(status) >= 400) and where not in ("GET /readyz", "GET /health/full"):
                    assert "application/problem+json" in resolved(document, answer)["content"], f"{where} {status}"
            if operation["security"]:
                assert {"401", "403"} <= set(operation["responses"]), where
    assert "HTTPValidationError" not in json.dumps(document)
