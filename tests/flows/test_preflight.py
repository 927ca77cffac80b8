"""What a sync will take, said before; what a job may use up, kept; what a provider charges, paid once."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from semantik.entrypoints import api
from semantik.jobs.dispatch_local import LocalDispatcher
from semantik.kit.clock import now
from semantik.kit.database import Database
from semantik.kit.ids import new_id
from semantik.kit.settings import Settings
from semantik.runtime import Runtime, open_runtime
from semantik.tables.documents import embeddings
from semantik.tables.sources import sources
from tests.conftest import client_of, job_ended
from tests.engines.embedding.misbehaving import Answer, Endpoint, endpoint, right
from tests.flows.steps import make_collection, sync

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def write(folder: Path, count: int, *, words: int = 60) -> None:
    folder.mkdir(exist_ok=True)
    for number in range(count):
        lines = [f"Line {line} of letter {number} speaks of boiler {number * 7 + line}." for line in range(words // 8)]
        (folder / f"letter-{number:03}.txt").write_text("\n".join(lines))


async def add_source(client: httpx2.AsyncClient, folder: Path, **values: Any) -> dict[str, Any]:
    collection = await make_collection(client, new_id())
    body = {"kind": "directory", "settings": {"path": str(folder)}, "sync": False, **values}
    answer = await client.post(f"/api/v1/collections/{collection['id']}/sources", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def until(client: httpx2.AsyncClient, job_id: str, *statuses: str) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            job: dict[str, Any] = (await client.get(f"/api/v1/jobs/{job_id}")).json()
            if job["display_status"] in statuses:
                return job
            await asyncio.sleep(0.02)


async def test_a_plan_says_what_a_sync_will_take_and_the_job_shows_how_right_it_was(client: httpx2.AsyncClient, tmp_path: Path) -> None:
    write(tmp_path / "letters", 120)
    source = await add_source(client, tmp_path / "letters")
    plan = (await client.post(f"/api/v1/sources/{source['id']}/sync", params={"dry_run": "true"})).json()
    found = plan["estimate"]
    assert found["items"] == {"low": 120, "likely": 120, "high": 120}
    assert found["chunks"]["low"] <= 120 <= found["chunks"]["high"]
    assert 0 < found["minutes"]["low"] <= found["minutes"]["likely"] <= found["minutes"]["high"]
    assert found["disk_bytes"]["low"] > sum(path.stat().st_size for path in (tmp_path / "letters").iterdir())
    assert (found["tokens"], found["cost"], found["speed_from"]) == (None, None, "a quick try")
    assert 1 < found["sampled"] <= 60
    assert (await client.get("/api/v1/documents", params={"source": source["id"]})).json()["total"] == 0
    job = await sync(client, source["id"])
    assert (job["estimate"]["items"], job["spent"]["items"]) == ([120, 120, 120], 120)
    low, _, high = job["estimate"]["chunks"]
    assert low <= job["spent"]["chunks"] <= high
    assert job["spent"]["minutes"] > 0
    # Nothing to read, nothing to estimate.
    assert (await client.post(f"/api/v1/sources/{source['id']}/sync", params={"dry_run": "true"})).json()["estimate"] is None


async def test_a_budget_of_documents_pauses_the_sync_and_raising_it_goes_on(client: httpx2.AsyncClient, tmp_path: Path) -> None:
    write(tmp_path / "letters", 12)
    source = await add_source(client, tmp_path / "letters", budget={"items": 5})
    assert source["budget"] == {"items": 5}
    job_id = (await client.post(f"/api/v1/sources/{source['id']}/sync")).json()["job_id"]
    job = await until(client, job_id, "paused")
    assert (job["counts"]["done"], job["budget"]) == (5, {"items": 5})
    assert job["message"] == "5 of the 5 items of its budget are used, and more are waiting. Raise the budget, then resume."
    refused = await client.post(f"/api/v1/jobs/{job_id}/budget", json={"budget": {"acorns": 5}})
    assert (refused.status_code, refused.json()["code"]) == (422, "bad_budget")
    raised = await client.post(f"/api/v1/jobs/{job_id}/budget", json={"budget": {"items": 100}})
    assert raised.json()["budget"] == {"items": 100}
    await client.post(f"/api/v1/jobs/{job_id}/resume")
    assert (await job_ended(client, job_id))["counts"]["done"] == 12
    late = await client.post(f"/api/v1/jobs/{job_id}/budget", json={"budget": {}})
    assert (late.status_code, late.json()["code"]) == (409, "wrong_job_state")


# A provider that charges --------------------------------------------------------------------------------------------------


@pytest.fixture
async def provider() -> AsyncIterator[Endpoint]:
    async with endpoint() as made:
        made.always = counting
        yield made


def counting(request: dict[str, Any]) -> Answer:
    body = json.loads(right(request).body) | {"usage": {"total_tokens": 100 * len(request["input"])}}
    return Answer(body=json.dumps(body).encode())


@pytest.fixture
async def paid(provider: Endpoint, database_url: str, database: Database, tmp_path: Path, actor: Any) -> AsyncIterator[httpx2.AsyncClient]:
    settings = Settings(
        data_dir=tmp_path / "data", database_url=database_url, embedding_model="remote:tiny", remote_embedding_url=provider.url,
        remote_embedding_price=2.0, extract_workers=1, ocr=False,
    )  # fmt: skip
    settings.data_dir.mkdir(parents=True)
    runtime: Runtime = await open_runtime(settings)
    dispatcher = LocalDispatcher(runtime)
    await dispatcher.start()
    async with client_of(api.build(runtime), actor) as client:
        yield client
    await dispatcher.stop()
    await runtime.close()


def charged(provider: Endpoint) -> Counter[str]:
    """How often each text was embedded; the one that asks for the size is not counted."""
    return Counter(text for request in provider.requests for text in request["input"] if text != "dimensions")


async def test_tokens_and_price_are_estimated_without_asking_the_provider(
    paid: httpx2.AsyncClient, provider: Endpoint, tmp_path: Path
) -> None:
    write(tmp_path / "letters", 30)
    source = await add_source(paid, tmp_path / "letters")
    found = (await paid.post(f"/api/v1/sources/{source['id']}/sync", params={"dry_run": "true"})).json()["estimate"]
    assert found["tokens"]["low"] > 0
    assert found["cost"]["likely"] == pytest.approx(found["tokens"]["likely"] * 2 / 1e6, rel=0.01)
    assert found["speed_from"] == "a guess"
    assert not charged(provider)


async def test_a_budget_of_tokens_stops_before_it_is_exceeded_and_every_text_is_paid_once(
    paid: httpx2.AsyncClient, provider: Endpoint, tmp_path: Path
) -> None:
    write(tmp_path / "letters", 30)
    source = await add_source(paid, tmp_path / "letters")
    body = {"budget": {"tokens": 1500, "cost": 5}}
    job_id = (await paid.post(f"/api/v1/sources/{source['id']}/sync", json=body)).json()["job_id"]
    job = await until(paid, job_id, "paused", "completed")
    assert job["status"] == "paused"
    assert "tokens of its budget are used" in job["message"]
    # What was reserved by our count may come out dearer by the provider's, but then nothing more is sent.
    assert job["spent"]["tokens"] == 100 * sum(charged(provider).values())
    assert 0 < len(charged(provider)) < 30
    await paid.post(f"/api/v1/jobs/{job_id}/budget", json={"budget": {"cost": 5}})
    await paid.post(f"/api/v1/jobs/{job_id}/resume")
    job = await job_ended(paid, job_id)
    assert (job["status"], job["counts"]["done"]) == ("completed", 30)
    assert set(charged(provider).values()) == {1}
    assert job["spent"]["tokens"] == 3000
    assert job["spent"]["cost"] == pytest.approx(0.006)


async def test_a_provider_that_asks_for_a_long_wait_gets_it_and_the_job_loses_nothing(
    paid: httpx2.AsyncClient, provider: Endpoint, tmp_path: Path
) -> None:
    write(tmp_path / "letters", 3)
    source = await add_source(paid, tmp_path / "letters")
    provider.script = [lambda _: Answer(status=429, headers={"Retry-After": "60"})]
    job_id = (await paid.post(f"/api/v1/sources/{source['id']}/sync")).json()["job_id"]
    job = await until(paid, job_id, "retrying", "failed", "completed")
    assert (job["display_status"], job["error"]["error_class"], job["attempt"]) == ("retrying", "rate_limited", 0)
    assert job["counts"]["failed"] == 0


# Sources that are looked at by themselves -----------------------------------------------------------------------------------


async def check(client: httpx2.AsyncClient) -> dict[str, Any]:
    """Runs the schedule that looks for changes now; returns its job."""
    schedules = (await client.get("/api/v1/schedules")).json()["items"]
    mine = [one for one in schedules if one["kind"] == "check_sources"]
    if mine:
        schedule = mine[0]["id"]
    else:
        body = {"name": "Check", "kind": "check_sources", "every_s": 300}
        schedule = (await client.post("/api/v1/schedules", json=body)).json()["id"]
    return await job_ended(client, (await client.post(f"/api/v1/schedules/{schedule}/run-now")).json()["job_id"])


async def make_due(client: httpx2.AsyncClient, database: Database) -> None:
    async with database.write() as session:
        await session.execute(sa.update(sources).values(checked_at=now() - timedelta(hours=1)))
        await session.commit()


async def test_a_check_syncs_what_has_changed_and_nothing_else(client: httpx2.AsyncClient, database: Database, tmp_path: Path) -> None:
    write(tmp_path / "letters", 3)
    write(tmp_path / "other", 2)
    changing, still = await add_source(client, tmp_path / "letters"), await add_source(client, tmp_path / "other")
    off = await add_source(client, tmp_path / "other", check_every_s=None)
    # Added for a look at the plan, and not synced yet: nothing starts by itself.
    await add_source(client, tmp_path / "other")
    assert (changing["check_every_s"], off["check_every_s"]) == (300, None)
    for source in (changing, still, off):
        await sync(client, source["id"])

    async def looked(expected: int) -> list[str]:
        await make_due(client, database)
        job = await check(client)
        assert (job["status"], job["result"]["looked_at"]) == ("completed", expected)
        for started in job["result"]["syncs"]:
            await job_ended(client, started)
        return [(await client.get(f"/api/v1/jobs/{one}")).json()["source_id"] for one in job["result"]["syncs"]]

    assert await looked(2) == []
    (tmp_path / "letters" / "new.txt").write_text("A new letter about the boiler.")
    assert await looked(2) == [changing["id"]]
    (tmp_path / "letters" / "new.txt").write_text("A changed letter about the boiler in the cellar.")
    assert await looked(2) == [changing["id"]]
    (tmp_path / "letters" / "new.txt").unlink()
    assert await looked(2) == [changing["id"]]
    assert await looked(2) == []
    assert (await client.get("/api/v1/documents", params={"source": changing["id"]})).json()["total"] == 3
    # A check that comes too early looks at nothing; many checks leave few rows.
    assert (await check(client))["result"]["looked_at"] == 0
    checks = (await client.get("/api/v1/jobs", params={"kind": "check_sources"})).json()
    assert checks["total"] <= 4


async def test_a_check_of_a_folder_that_is_away_says_so_and_touches_nothing(
    client: httpx2.AsyncClient, database: Database, tmp_path: Path
) -> None:
    write(tmp_path / "letters", 2)
    source = await add_source(client, tmp_path / "letters")
    await sync(client, source["id"])
    (tmp_path / "letters").rename(tmp_path / "away")
    await make_due(client, database)
    assert (await check(client))["result"]["syncs"] == []
    found = (await client.get(f"/api/v1/sources/{source['id']}")).json()
    assert str(tmp_path) in found["check_note"]
    assert found["ledger"]["indexed"] == 2
    changed = await client.patch(f"/api/v1/sources/{source['id']}", json={"check_every_s": None, "budget": {"tokens": 10}})
    assert (changed.json()["check_every_s"], changed.json()["budget"]) == (None, {"tokens": 10})
    assert (await client.patch(f"/api/v1/sources/{source['id']}", json={"check_every_s": 10})).status_code == 422


async def test_the_daily_sweep_forgets_vectors_that_no_chunk_holds(client: httpx2.AsyncClient, database: Database, tmp_path: Path) -> None:
    write(tmp_path / "letters", 2)
    source = await add_source(client, tmp_path / "letters")
    await sync(client, source["id"])
    (tmp_path / "letters" / "letter-000.txt").write_text("Something else altogether.")
    await sync(client, source["id"])
    async with database.write() as session:
        await session.execute(sa.update(embeddings).values(created_at=now() - timedelta(days=2)))
        await session.commit()
    body = {"name": "Sweep", "kind": "clean_up_store", "cron": "0 3 * * *"}
    schedule = (await client.post("/api/v1/schedules", json=body)).json()["id"]
    job = await job_ended(client, (await client.post(f"/api/v1/schedules/{schedule}/run-now")).json()["job_id"])
    assert job["result"]["vectors_removed"] == 1
    async with database.read() as session:
        assert await session.scalar(sa.select(sa.func.count()).select_from(embeddings)) == 2
