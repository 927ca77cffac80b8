"""Queues, workers, and what became of jobs whose worker was lost."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import httpx2
import pytest
import sqlalchemy as sa
from fastapi import FastAPI

from semantik.auth.actor import Scope
from semantik.features.workers import service
from semantik.http.local import as_local
from semantik.jobs import rescue
from semantik.jobs.context import JobContext
from semantik.jobs.dispatch_local import LocalDispatcher
from semantik.jobs.handlers import handles, known_kinds
from semantik.jobs.states import Status
from semantik.jobs.store import claims
from semantik.jobs.store.workers import Signs, WorkerState, asked_to_drain, drain, living, sign_in
from semantik.jobs.values import JobArgs
from semantik.tables.jobs import workers
from tests.features.activity.conftest import client_of
from tests.jobs import walk
from tests.jobs.conftest import World
from tests.jobs.walk import Walk


class Dig(JobArgs):
    kind: ClassVar[str] = "dig"


@pytest.fixture(autouse=True)
def _dig() -> None:
    @handles(Dig)
    async def dig(ctx: JobContext, args: Dig) -> None: ...

    walk.register()


async def test_queues_and_workers_show_what_is_going_on(world: World, client: httpx2.AsyncClient, dispatcher: LocalDispatcher) -> None:
    await client.patch("/queues/cpu", json={"paused": True, "max_running": 4})
    made = await world.put(Dig())
    await asyncio.sleep(0.2)
    queues = {one["queue"]: one for one in (await client.get("/queues")).json()["items"]}
    assert (queues["cpu"]["ready"], queues["cpu"]["max_running"], queues["cpu"]["workers"]) == (1, 4, 1)
    assert queues["cpu"]["paused_at"] is not None
    found = (await client.get("/workers")).json()["items"]
    assert (found[0]["pool"], found[0]["state"]) == ("local", "up")
    opened = (await client.patch("/queues/cpu", json={"paused": False, "max_running": None})).json()
    assert (opened["paused_at"], opened["max_running"]) == (None, None)
    await world.until(made.id, Status.COMPLETED)
    assert (await client.patch("/queues/nope", json={"paused": True})).status_code == 404


async def test_a_kind_is_limited_beside_its_queue_by_an_admin(world: World, client: httpx2.AsyncClient, app: FastAPI) -> None:
    await client.patch("/queues/cpu", json={"max_running": 2, "max_per_tenant": 1})
    changed = (await client.patch("/queues/cpu/kinds/dig", json={"max_running": 3, "max_per_tenant": 2})).json()
    assert (changed["max_running"], changed["max_per_tenant"]) == (2, 1)
    assert {"kind": "dig", "max_running": 3, "max_per_tenant": 2} in changed["kinds"]
    # What is not named stays; null takes a limit away.
    changed = (await client.patch("/queues/cpu/kinds/dig", json={"max_running": None})).json()
    assert {"kind": "dig", "max_running": None, "max_per_tenant": 2} in changed["kinds"]
    async with client_of(as_local(app, replace(world.actor, scope=Scope.WRITE))) as member:
        assert (await member.patch("/queues/cpu/kinds/dig", json={"max_running": 1})).status_code == 403
    assert (await client.patch("/queues/cpu/kinds/dig", json={"max_running": 0})).status_code == 422
    refused = await client.patch("/queues/io/kinds/dig", json={"max_running": 1})
    assert (refused.status_code, refused.json()["code"]) == (404, "job_kind_unknown")


async def test_a_queue_that_nobody_serves_says_so(world: World, client: httpx2.AsyncClient) -> None:
    long_ago = datetime.now(UTC) - timedelta(minutes=5)
    signs = {"pool": "celery", "queues": ["gpu"], "slots": 2, "version": "1", "started_at": long_ago}
    async with world.database.write() as session:
        rows = [
            {**signs, "id": "silent", "state": "up", "last_seen_at": long_ago},
            {**signs, "id": "gone", "state": "down", "last_seen_at": long_ago},
        ]
        await session.execute(sa.insert(workers), rows)
        await session.commit()
    queues = {one["queue"]: one for one in (await client.get("/queues")).json()["items"]}
    assert (queues["gpu"]["workers"], queues["gpu"]["slots"]) == (0, 0)
    assert {one["id"]: one["state"] for one in (await client.get("/workers")).json()["items"]} == {"silent": "silent", "gone": "down"}


async def test_a_worker_is_drained_and_resumed_by_an_admin(
    world: World, client: httpx2.AsyncClient, app: FastAPI, dispatcher: LocalDispatcher
) -> None:
    worker = (await client.get("/workers")).json()["items"][0]
    path = f"/workers/{worker['id']}"
    async with client_of(as_local(app, replace(world.actor, scope=Scope.WRITE))) as member:
        assert (await member.post(f"{path}/drain")).status_code == 403
    drained = (await client.post(f"{path}/drain")).json()
    assert (drained["state"], drained["drain_asked_at"] is None) == ("draining", False)
    assert (await client.post(f"{path}/drain")).json()["drain_asked_at"] == drained["drain_asked_at"], (
        "asked twice, it drains since the first"
    )
    while not dispatcher.runner.draining:
        await asyncio.sleep(0.05)
    made = await world.put(Dig())
    assert not await dispatcher.runner.run_next("cpu"), "nobody of this worker takes a job, however often it is asked"
    assert (await world.job(made.id)).status is Status.QUEUED
    queues = {one["queue"]: one for one in (await client.get("/queues")).json()["items"]}
    assert queues["cpu"]["workers"] == 0
    assert (await client.post(f"{path}/resume")).json()["state"] in ("up", "draining")
    await world.until(made.id, Status.COMPLETED)
    assert (await client.get("/workers")).json()["items"][0]["state"] == "up"


async def test_only_a_worker_that_lives_can_be_drained(world: World, client: httpx2.AsyncClient) -> None:
    assert (await client.post("/workers/nobody/drain")).json()["code"] == "worker_unknown"
    now = datetime.now(UTC)
    row = {"id": "w", "name": "w", "pool": "celery", "queues": [], "slots": 1, "version": "1", "state": "down"}
    async with world.database.write() as session:
        await session.execute(sa.insert(workers).values(**row, started_at=now, last_seen_at=now))
        await session.commit()
    refused = await client.post("/workers/w/drain")
    assert (refused.status_code, refused.json()["code"]) == (409, "worker_gone")


async def test_a_process_that_signs_in_while_its_worker_is_asked_to_drain_drains_too(world: World) -> None:
    first, second = (Signs(f"{name} process", "prefork", ["cpu"], 1, "1", WorkerState.UP, "both") for name in ("first", "second"))
    await sign_in(world.database, first)
    async with world.database.write() as session:
        assert await drain(session, first.id, asked=True)
        signing = asyncio.create_task(sign_in(world.database, second))
        await asyncio.wait({signing}, timeout=0.3)
        await session.commit()
    await signing
    assert await asked_to_drain(world.database, second.id)


async def _lose(world: World, job_id: str) -> None:
    job = await claims.claim(world.database, "cpu", owner="worker a", ttl_s=30, kinds=known_kinds())
    assert job is not None and job.id == job_id
    await rescue.take_back(world.database, job.id, job.fence, even_valid=True)


async def test_the_log_of_recoveries_tells_what_became_of_lost_jobs(
    world: World, client: httpx2.AsyncClient, stranger: httpx2.AsyncClient
) -> None:
    made = await world.put(Dig(), title="Dig a well")
    assert (await client.get("/recoveries")).json() == {"items": [], "lost": 0, "resumed": 0, "words": "No lease was lost"}
    await _lose(world, made.id)
    waiting: dict[str, Any] = (await client.get("/recoveries")).json()
    assert (waiting["items"][0]["became"], waiting["words"]) == ("waiting", "1 lease lost: 1 waiting for a worker")
    await _lose(world, made.id)
    await world.work()
    found = (await client.get("/recoveries")).json()
    assert (found["lost"], found["resumed"], found["words"]) == (2, 2, "2 leases lost, all resumed")
    newest = found["items"][0]
    assert (newest["title"], newest["owner"], newest["status"], newest["fence"]) == ("Dig a well", "worker a", "completed", 2)
    assert newest["resumed_at"] >= newest["lost_at"]
    assert (await stranger.get("/recoveries")).json()["lost"] == 0


async def test_the_log_of_recoveries_tells_a_job_that_was_completed_in_part(world: World, client: httpx2.AsyncClient) -> None:
    await _lose(world, (await world.put(Walk(steps=1, bad=0))).id)
    assert (await client.get("/recoveries")).json()["items"][0]["outcome"] is None
    await world.work()
    (found,) = (await client.get("/recoveries")).json()["items"]
    assert (found["status"], found["outcome"], found["became"]) == ("completed", "partial", "resumed")


def test_mixed_fates_are_counted() -> None:
    assert service.in_words(["resumed", "failed", "resumed", "waiting"]) == "4 leases lost: 2 resumed, 1 waiting for a worker, 1 failed"


async def test_who_holds_the_data_folder_alone_knows_that_no_worker_before_it_lives(world: World) -> None:
    await sign_in(world.database, Signs("killed", "local", ["cpu"], 3, "1", WorkerState.UP, "killed"))
    await rescue.take_back_all(world.database)
    async with world.database.read() as session:
        assert await living(session) == []
