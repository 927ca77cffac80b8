"""Schedules: made, changed, fired once however many look."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import httpx2
import pytest
import sqlalchemy as sa

from semantik.auth.actor import Actor
from semantik.jobs import schedule
from semantik.jobs.context import JobContext
from semantik.jobs.handlers import handles
from semantik.jobs.schedule import BadSchedule, Default, Rhythm
from semantik.jobs.states import Status
from semantik.jobs.store import control
from semantik.jobs.store import schedules as store
from semantik.jobs.values import JobArgs
from semantik.kit.database_errors import WriteConflict
from semantik.kit.ids import derived_id
from semantik.tables.collections import collections
from semantik.tables.sources import sources
from tests.jobs import walk
from tests.jobs.conftest import World


class Sweep(JobArgs):
    kind: ClassVar[str] = "sweep"
    rooms: int = 1


class Fetch(JobArgs):
    kind: ClassVar[str] = "fetch"
    source_id: str

    @property
    def about_source(self) -> str | None:
        return self.source_id


@pytest.fixture(autouse=True)
def _kinds() -> None:
    @handles(Sweep)
    async def sweep(ctx: JobContext, args: Sweep) -> None: ...

    walk.register()

    @handles(Fetch)
    async def fetch(ctx: JobContext, args: Fetch) -> None: ...


NEW = {"name": "Nightly", "kind": "sweep", "cron": "0 3 * * *", "timezone": "Europe/Berlin", "params": {"rooms": 2}}


async def test_a_schedule_is_made_changed_and_run_now(world: World, client: httpx2.AsyncClient, stranger: httpx2.AsyncClient) -> None:
    made = (await client.post("/schedules", json=NEW)).json()
    assert len(made["next_five"]) == 5
    assert made["next_five"][0] == made["next_fire_at"]
    assert (await client.post("/schedules", json=NEW)).status_code == 409
    path = f"/schedules/{made['id']}"
    assert (await stranger.get(path)).status_code == 404
    changed = (await client.patch(path, json={"every_s": 60})).json()
    assert (changed["cron"], changed["every_s"]) == (None, 60)
    assert (await client.post(f"{path}/pause")).json()["next_five"] == []
    assert (await client.post(f"{path}/resume")).json()["paused_at"] is None
    job_id = (await client.post(f"{path}/run-now")).json()["job_id"]
    assert (await world.job(job_id)).params == {"rooms": 2}
    assert (await client.post(f"{path}/run-now")).json()["code"] == "schedule_still_running"
    assert len((await client.get("/schedules")).json()["items"]) == 1
    assert (await client.delete(path)).status_code == 204
    assert (await client.get(path)).status_code == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"cron": "99 * * * *"},
        {"cron": "* * * * * *"},
        {"cron": "0 0 3 * * *"},
        {"cron": "3 * * *"},
        {"cron": ""},
        {"cron": None},
        {"every_s": 60},
        {"timezone": "Mars/Olympus"},
        {"kind": "nope"},
        {"kind": "delete_collection", "params": {"collection_id": "c"}},
        {"params": {"doors": 1}},
    ],
)
async def test_what_could_never_fire_is_refused(client: httpx2.AsyncClient, wrong: dict[str, object]) -> None:
    answer = await client.post("/schedules", json={**NEW, **wrong})
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_schedule")


async def test_only_a_source_of_the_tenant_is_put_on_a_schedule(world: World, client: httpx2.AsyncClient) -> None:
    ours, theirs = [await _source(world, actor) for actor in (world.actor, world.other)]
    new = {**NEW, "kind": "fetch"}
    for unknown in (theirs, "nobody's"):
        refused = await client.post("/schedules", json={**new, "params": {"source_id": unknown}})
        assert (refused.status_code, refused.json()["code"]) == (404, "source_unknown")
    made = (await client.post("/schedules", json={**new, "params": {"source_id": ours}})).json()
    refused = await client.patch(f"/schedules/{made['id']}", json={"params": {"source_id": theirs}})
    assert (refused.status_code, refused.json()["code"]) == (404, "source_unknown")
    assert (await client.get(f"/schedules/{made['id']}")).json()["params"] == {"source_id": ours}


async def test_a_scheduled_job_of_a_source_waits_its_turn_and_goes_with_the_collection(world: World, client: httpx2.AsyncClient) -> None:
    source_id = await _source(world, world.actor)
    made = (await client.post("/schedules", json={**NEW, "kind": "fetch", "params": {"source_id": source_id}})).json()
    fired = (await client.post(f"/schedules/{made['id']}/run-now")).json()["job_id"]
    job = await world.job(fired)
    assert (job.source_id, job.concurrency_key) == (source_id, f"{world.actor.tenant_id}:source:{source_id}")
    async with world.database.write() as session:
        tenant_id, nobody = world.actor.tenant_id, world.other.tenant_id
        await control.cancel_for_collection(session, tenant_id=nobody, collection_id=source_id, by=None)
        await control.cancel_for_collection(session, tenant_id=tenant_id, collection_id=source_id, by=None)
        await session.commit()
    assert (await world.job(fired)).status is Status.CANCELLED


async def _source(world: World, actor: Actor) -> str:
    name, at = f"of {actor.tenant_id}", datetime.now(UTC)
    own = {"id": derived_id(name), "tenant_id": actor.tenant_id, "name": name, "created_at": at}
    collection = {**own, "embedding_model": "hashing", "chunking": {}, "generation": 1, "updated_at": at}
    async with world.database.write() as session:
        await session.execute(sa.insert(collections).values(**collection))
        await session.execute(sa.insert(sources).values(**own, collection_id=own["id"], kind="upload", settings={}))
        await session.commit()
    return derived_id(name)


async def test_a_schedule_tells_its_last_job_and_the_times_that_came(
    world: World, client: httpx2.AsyncClient, stranger: httpx2.AsyncClient
) -> None:
    await _due(world)
    (first,) = await schedule.tick(world.database)
    await _again(world)
    await schedule.tick(world.database)
    found = (await client.get("/schedules/s1")).json()
    assert (found["last_job"]["job_id"], found["last_job"]["status"]) == (first, "queued")
    assert (await client.get("/schedules")).json()["items"][0] == found
    runs = (await client.get("/schedules/s1/runs")).json()["items"]
    assert [(run["job_id"], run["status"]) for run in runs] == [(None, "left_out"), (first, "queued")]
    page = (await client.get("/schedules/s1/runs", params={"limit": 1})).json()
    rest = (await client.get("/schedules/s1/runs", params={"cursor": page["next_cursor"]})).json()
    assert page["items"] + rest["items"] == runs
    await world.work()
    await client.delete(f"/jobs/{first}")
    assert (await client.get("/schedules/s1")).json()["last_job"] is None
    assert (await client.get("/schedules/s1/runs")).json()["items"][1]["status"] == "gone"
    assert (await stranger.get("/schedules/s1/runs")).status_code == 404


async def test_a_run_that_was_completed_in_part_says_so(world: World, client: httpx2.AsyncClient) -> None:
    await _due(world, kind="walk", params={"steps": 1, "bad": 0})
    await schedule.tick(world.database)
    (run,) = (await client.get("/schedules/s1/runs")).json()["items"]
    assert (run["status"], run["outcome"]) == ("queued", None)
    await world.work()
    (run,) = (await client.get("/schedules/s1/runs")).json()["items"]
    assert (run["status"], run["outcome"]) == ("completed", "partial")
    assert (await client.get("/schedules/s1")).json()["last_job"]["outcome"] == "partial"


async def test_kinds_and_times_are_shown_before_anything_is_made(client: httpx2.AsyncClient) -> None:
    kinds = {one["kind"]: one for one in (await client.get("/schedules/kinds")).json()["items"]}
    assert kinds["sweep"]["params"]["properties"]["rooms"]["default"] == 1
    assert "delete_collection" not in kinds
    times = (await client.post("/schedules/preview", json={"cron": "0 3 * * *", "timezone": "Europe/Berlin"})).json()["next_five"]
    assert len(times) == 5
    assert (await client.post("/schedules/preview", json={"cron": "99 * * * *"})).json()["code"] == "bad_schedule"
    by_the_second = (await client.post("/schedules/preview", json={"cron": "* * * * * *"})).json()
    assert (by_the_second["code"], "has 6 fields" in by_the_second["detail"]) == ("bad_schedule", True)
    assert (await client.get("/schedules")).json()["items"] == []


async def _due(world: World, *, ago_s: float = 1, **changes: object) -> str:
    async with world.database.write() as session:
        row = {
            "id": "s1", "tenant_id": world.actor.tenant_id, "name": "often", "kind": "sweep", "params": {}, "cron": None, "every_s": 3600,
            "timezone": "UTC", "next_fire_at": datetime.now(UTC) - timedelta(seconds=ago_s), "created_at": datetime.now(UTC), **changes,
        }  # fmt: skip
        await store.add(session, row)
        await session.commit()
    return "s1"


async def _again(world: World, **changes: object) -> None:
    async with world.database.write() as session:
        await store.change(session, await store.get(session, "s1"), {"next_fire_at": datetime.now(UTC) - timedelta(seconds=1), **changes})
        await session.commit()


async def test_changes_at_once_end_in_a_rhythm_and_its_own_next_time(client: httpx2.AsyncClient) -> None:
    made = (await client.post("/schedules", json=NEW)).json()
    path = f"/schedules/{made['id']}"
    wishes = ({"cron": "30 4 * * *"}, {"timezone": "Asia/Tokyo"}, {"cron": "0 5 * * 1"}, {"timezone": "UTC"})
    answers = await asyncio.gather(*(client.patch(path, json=wish) for wish in wishes))
    assert {one.status_code for one in answers} == {200}
    after = (await client.get(path)).json()
    rhythm = Rhythm(after["cron"], after["every_s"], after["timezone"])
    assert datetime.fromisoformat(after["next_fire_at"]) == rhythm.next(after=datetime.now(UTC))


async def test_of_two_that_want_one_name_at_once_one_gets_it(client: httpx2.AsyncClient) -> None:
    both = [(await client.post("/schedules", json={**NEW, "name": name})).json() for name in ("One", "Two")]
    answers = await asyncio.gather(*(client.patch(f"/schedules/{one['id']}", json={"name": "Three"}) for one in both))
    assert sorted(one.status_code for one in answers) == [200, 409]
    assert {one.json().get("code") for one in answers} == {None, "schedule_name_taken"}


async def test_a_change_that_was_decided_before_a_fire_is_decided_again(world: World, client: httpx2.AsyncClient) -> None:
    made = (await client.post("/schedules", json=NEW)).json()
    async with world.database.write() as session:
        before = await store.get(session, made["id"])
        assert before is not None
        assert await store.advance(session, made["id"], old=before.next_fire_at, new=before.next_fire_at + timedelta(days=1))
        with pytest.raises(WriteConflict):
            await store.change(session, before, {"next_fire_at": before.next_fire_at})


async def test_many_that_look_fire_a_time_once(world: World) -> None:
    await _due(world)
    made = await asyncio.gather(*(schedule.tick(world.database) for _ in range(6)))
    assert sum(len(one) for one in made) == 1


async def test_a_missed_time_is_made_up_for_once_or_let_go(world: World) -> None:
    await _due(world, ago_s=1800)
    assert len(await schedule.tick(world.database)) == 1
    await world.work()
    await _again(world, next_fire_at=datetime.now(UTC) - timedelta(days=2))
    assert await schedule.tick(world.database) == []
    async with world.database.read() as session:
        row = await store.get(session, "s1")
    assert row is not None and row.next_fire_at > datetime.now(UTC)


@pytest.mark.parametrize(
    ("overlap", "states"),
    [
        ("skip", [Status.QUEUED]),
        ("buffer_one", [Status.QUEUED]),
        ("cancel_previous", [Status.CANCELLED, Status.QUEUED]),
        ("allow", [Status.QUEUED, Status.QUEUED]),
    ],
)
async def test_overlap_rules(world: World, overlap: str, states: list[Status]) -> None:
    await _due(world, overlap=overlap)
    made = await schedule.tick(world.database)
    await _again(world)
    made += await schedule.tick(world.database)
    assert [(await world.job(one)).status for one in made] == states


async def test_defaults_are_added_once_and_stay_as_changed(world: World, client: httpx2.AsyncClient) -> None:
    for _ in range(2):
        async with world.database.write() as session:
            await schedule.ensure_defaults(session, world.actor.tenant_id, [Default("Sweep", Sweep(), Rhythm("0 3 * * *", None))])
            await session.commit()
    assert [one["name"] for one in (await client.get("/schedules")).json()["items"]] == ["Sweep"]


def test_a_daily_time_survives_the_change_of_clocks() -> None:
    berlin = Rhythm("30 2 * * *", None, "Europe/Berlin")
    times = berlin.following(after=datetime(2026, 3, 27, 12, tzinfo=UTC), count=4)
    assert len({time.date() for time in times}) == 4
    autumn = berlin.following(after=datetime(2026, 10, 23, 12, tzinfo=UTC), count=4)
    assert len({time.date() for time in autumn}) == 4
    with pytest.raises(BadSchedule):
        Rhythm("0 0 30 2 *", None).check()
