"""Jobs over HTTP: what each tenant sees and may do."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import httpx2
import pytest

from semantik.features.activity import service
from semantik.jobs.dispatch_local import LocalDispatcher
from semantik.jobs.states import Status
from tests.jobs import walk
from tests.jobs.conftest import World
from tests.jobs.walk import Walk


@pytest.fixture(autouse=True)
def _walk() -> None:
    walk.register()


async def test_a_list_shows_own_jobs_newest_first_with_counts_by_status(
    world: World, client: httpx2.AsyncClient, stranger: httpx2.AsyncClient
) -> None:
    ids = [(await world.put(Walk(), title=f"walk {n}")).id for n in range(5)]
    await world.ask(world.pause, ids[0])
    await world.put(Walk(), actor=world.other)
    first = (await client.get("/jobs", params={"limit": 3})).json()
    assert [job["title"] for job in first["items"]] == ["walk 4", "walk 3", "walk 2"]
    assert (first["total"], first["summary"]) == (5, {"queued": 4, "paused": 1})
    second = (await client.get("/jobs", params={"limit": 3, "cursor": first["next_cursor"]})).json()
    assert ([job["id"] for job in second["items"]], second["next_cursor"]) == ([ids[1], ids[0]], None)
    only = (await client.get("/jobs", params={"status": ["paused", "failed"], "kind": "walk"})).json()
    assert ([job["id"] for job in only["items"]], only["total"]) == ([ids[0]], 1)
    assert len((await stranger.get("/jobs")).json()["items"]) == 1


async def test_a_job_of_others_is_not_there(world: World, stranger: httpx2.AsyncClient) -> None:
    made = await world.put(Walk())
    for method, path in [
        ("GET", ""), ("POST", "/pause"), ("POST", "/resume"), ("POST", "/cancel"), ("POST", "/restart"), ("POST", "/retry"),
        ("POST", "/retry-failed"), ("DELETE", ""), ("GET", "/items"), ("GET", "/attempts"), ("GET", "/events"),
        ("GET", "/logs"), ("GET", "/graph"),
    ]:  # fmt: skip
        answer = await stranger.request(method, f"/jobs/{made.id}{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "job_unknown"), path
    assert (await stranger.post(f"/jobs/{made.id}/priority", json={"priority": 0})).status_code == 404
    assert (await stranger.post(f"/jobs/{made.id}/budget", json={"budget": {}})).status_code == 404
    assert (await stranger.post("/jobs/bulk", json={"verb": "cancel"})).json()["changed"] == 0


async def test_a_wrong_verb_is_a_conflict_that_names_the_allowed_ones(world: World, client: httpx2.AsyncClient) -> None:
    made = await world.put(Walk())
    answer = await client.post(f"/jobs/{made.id}/resume")
    assert answer.status_code == 409
    problem = answer.json()
    assert (problem["code"], problem["state"]) == ("wrong_job_state", "queued")
    assert problem["allowed"] == ["pause", "cancel", "priority", "budget"]
    job = (await client.get(f"/jobs/{made.id}")).json()
    assert job["allowed"] == ["pause", "cancel", "priority", "budget"]
    assert job["why_not"]["retry"] == "it has not started yet"


async def test_a_partial_job_shows_its_items_attempts_events_and_checkpoint(world: World, client: httpx2.AsyncClient) -> None:
    made = await world.put(Walk(steps=4, bad=2))
    await world.work()
    job = (await client.get(f"/jobs/{made.id}")).json()
    assert (job["status"], job["outcome"], job["progress"]) == ("completed", "partial", 100.0)
    assert job["checkpoint"]["current_index"] == 4
    assert job["checkpoint"]["expires"] is None
    items = (await client.get(f"/jobs/{made.id}/items", params={"state": "failed"})).json()["items"]
    assert [(item["key"], item["label"], item["error"]["code"]) for item in items] == [("step-2", "step 2", "stone")]
    attempts = (await client.get(f"/jobs/{made.id}/attempts")).json()["items"]
    assert [(one["fence"], one["how"]) for one in attempts] == [(1, "completed")]
    events = (await client.get(f"/jobs/{made.id}/events")).json()["items"]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    later = (await client.get(f"/jobs/{made.id}/events", params={"after": 2})).json()["items"]
    assert later == events[2:]
    again = (await client.post(f"/jobs/{made.id}/retry-failed")).json()
    assert (again["parent_id"], again["counts"]["total"]) == (made.id, 1)
    assert (await client.delete(f"/jobs/{again['id']}")).status_code == 409
    assert (await client.delete(f"/jobs/{made.id}")).status_code == 204
    assert (await client.get(f"/jobs/{made.id}")).status_code == 404


async def test_bulk_applies_a_verb_to_what_the_filter_finds(world: World, client: httpx2.AsyncClient) -> None:
    ids = {(await world.put(Walk())).id for _ in range(4)}
    await world.put(Walk(), collection_id="other")
    done = await world.put(Walk(), priority=0)
    await world.work(at_most=1)
    answer = (await client.post("/jobs/bulk", json={"verb": "cancel", "kind": "walk"})).json()
    assert (answer["changed"], answer["refused"]) == (5, 1)
    assert ids < set(answer["job_ids"])
    assert done.id not in answer["job_ids"]
    assert (await client.get("/jobs", params={"status": "cancelled"})).json()["verbs"] == {
        "restart": 5,
        "retry": 5,
        "retry-failed": 5,
        "delete": 5,
    }
    assert (await client.post("/jobs/bulk", json={"verb": "delete", "status": ["cancelled"]})).json()["changed"] == 5
    left = (await client.get("/jobs")).json()
    assert (left["kinds"], left["verbs"]["delete"]) == (["walk"], 1)


async def test_bulk_sets_priorities_and_goes_on_where_one_call_ends(
    world: World, client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_MOST_AT_ONCE", 2)
    ids = [(await world.put(Walk())).id for _ in range(5)]
    asked: dict[str, object] = {"verb": "priority", "priority": 1}
    seen: list[str] = []
    while True:
        answer = (await client.post("/jobs/bulk", json=asked)).json()
        seen += answer["job_ids"]
        if answer["next_cursor"] is None:
            break
        asked["cursor"] = answer["next_cursor"]
    assert seen == ids
    assert (await world.job(ids[4])).priority == 1
    assert (await client.post("/jobs/bulk", json={"verb": "priority"})).status_code == 422
    assert (await client.post("/jobs/bulk", json={"verb": "pause", "priority": 1})).status_code == 422


async def test_only_an_ended_job_has_a_time_when_its_checkpoint_may_go(world: World, client: httpx2.AsyncClient) -> None:
    paused, done = await world.put(Walk()), await world.put(Walk(), priority=0)
    await world.work(at_most=1)
    await world.ask(world.pause, paused.id)

    async def expires(job_id: str) -> str | None:
        found: str | None = (await client.get(f"/jobs/{job_id}")).json()["checkpoint"]["expires"]
        return found

    assert await expires(done.id) is None, "nothing cleans up yet"
    schedule = {"name": "Clean", "kind": "clean_up_jobs", "params": {"keep_days": 10}, "cron": "0 3 * * *"}
    made = (await client.post("/schedules", json=schedule)).json()
    ended = (await world.job(done.id)).finished_at
    assert ended is not None
    assert datetime.fromisoformat(str(await expires(done.id))) == ended + timedelta(days=10)
    assert await expires(paused.id) is None
    await client.post(f"/schedules/{made['id']}/pause")
    assert await expires(done.id) is None


async def test_a_job_shows_what_it_hangs_together_with(world: World, client: httpx2.AsyncClient) -> None:
    first, second = await world.put(Walk(), title="first"), await world.put(Walk(), title="second")
    body = await world.put(Walk(), title="body", depends_on=[first.id, second.id])
    tail = await world.put(Walk(), title="tail", depends_on=[body.id], dep_policy="all_finished")
    await world.put(Walk(), title="alone")
    graph = (await client.get(f"/jobs/{first.id}/graph")).json()
    assert [node["title"] for node in graph["nodes"]][:2] == ["first", "body"]
    assert {node["job_id"] for node in graph["nodes"]} == {first.id, second.id, body.id, tail.id}
    edges = {(edge["waited_for"], edge["waits"], edge["on_end"]) for edge in graph["edges"]}
    assert edges == {(first.id, body.id, "success"), (second.id, body.id, "success"), (body.id, tail.id, "finished")}
    assert graph["complete"]


async def test_a_job_says_which_of_those_around_it_were_completed_in_part(world: World, client: httpx2.AsyncClient) -> None:
    made = await world.put(Walk(steps=2, bad=1))
    tail = await world.put(Walk(), depends_on=[made.id], dep_policy="all_finished")
    await world.work()
    again = (await client.post(f"/jobs/{made.id}/restart")).json()["id"]
    await world.work()
    first, last = (await client.get(f"/jobs/{made.id}")).json(), (await client.get(f"/jobs/{tail.id}")).json()
    graph = (await client.get(f"/jobs/{made.id}/graph")).json()
    assert {node["job_id"]: node["outcome"] for node in graph["nodes"]} == {made.id: "partial", tail.id: "ok"}
    assert [(one["job_id"], one["outcome"]) for one in first["repeated_in"]] == [(again, "partial")]
    assert [(one["job_id"], one["outcome"]) for one in first["waited_for_by"]] == [(tail.id, "ok")]
    assert [(one["job_id"], one["outcome"]) for one in last["waits_for"]] == [(made.id, "partial")]


@pytest.mark.parametrize("verb", ["pause", "cancel"])
async def test_pause_and_cancel_of_a_running_job_take_effect_within_two_seconds(
    world: World, client: httpx2.AsyncClient, dispatcher: LocalDispatcher, verb: str
) -> None:
    made = await world.put(Walk(steps=1000, pause_s=0.02))
    await world.until(made.id, Status.RUNNING)
    await asyncio.sleep(0.3)
    asked = (await client.post(f"/jobs/{made.id}/{verb}")).json()
    assert asked["status"] in ("pausing", "cancelling")
    stopped = await world.until(made.id, Status.PAUSED, Status.CANCELLED, within_s=2)
    assert 0 < stopped.done < 1000
    if verb == "pause":
        assert (await client.post(f"/jobs/{made.id}/resume")).status_code == 200
        await world.until(made.id, Status.RUNNING)
        forced = (await client.post(f"/jobs/{made.id}/cancel", params={"force": True})).json()
        assert forced["status"] == "cancelled"


async def test_an_event_stream_ends_with_the_job_and_goes_on_after_a_number(
    world: World, client: httpx2.AsyncClient, dispatcher: LocalDispatcher
) -> None:
    made = await world.put(Walk(steps=10, pause_s=0.06))
    seen = await _stream(client, made.id)
    numbers = [int(event["id"]) for event in seen if "id" in event]
    assert numbers == list(range(1, len(numbers) + 1))
    assert seen[-1]["event"] == "job.completed"
    rest = await _stream(client, made.id, {"Last-Event-ID": "2"})
    assert [int(event["id"]) for event in rest] == numbers[2:]


async def _stream(client: httpx2.AsyncClient, job_id: str, headers: dict[str, str] | None = None) -> list[dict[str, str]]:
    answer = await client.get(f"/jobs/{job_id}/events", headers={"Accept": "text/event-stream", **(headers or {})}, timeout=20)
    blocks = [block for block in answer.text.strip().split("\n\n") if not block.startswith(":")]
    return [dict(line.split(": ", 1) for line in block.splitlines()) for block in blocks]
