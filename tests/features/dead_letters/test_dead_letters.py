"""What failed for good, across jobs, and how it is tried again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, ClassVar

import httpx2
import pytest

from semantik.jobs.context import JobContext
from semantik.jobs.handlers import handles
from semantik.jobs.retry import ItemFailed, PermanentFailure
from semantik.jobs.values import Item, JobArgs
from tests.jobs.conftest import World


class Sort(JobArgs):
    """Sorts letters; those in `bad` cannot be read while `broken` holds."""

    kind: ClassVar[str] = "sort"
    bad: list[int] = []
    stop_at: int | None = None


class Desk:
    """What the handler finds: mended by a test to let the second try succeed."""

    broken = True


@pytest.fixture(autouse=True)
def _sort() -> None:
    Desk.broken = True

    @handles(Sort)
    class SortJob:
        async def total(self, ctx: JobContext, args: Sort) -> int:
            return 4

        async def items(self, ctx: JobContext, args: Sort, cursor: Any) -> AsyncIterator[Item]:
            for number in range(cursor or 0, 4):
                yield Item(f"letter-{number}", number, number + 1, f"letter {number}")

        async def process(self, ctx: JobContext, args: Sort, item: Item) -> None:
            if Desk.broken and item.value == args.stop_at:
                raise PermanentFailure("the desk is locked")
            if Desk.broken and item.value in args.bad:
                raise ItemFailed("the ink has run", reason_code="ink" if item.value < 2 else "mould")


async def _letters(client: httpx2.AsyncClient, **query: Any) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get("/dead-letters", params=query)).json()
    return found


async def test_failed_jobs_and_failed_items_stand_in_one_list_with_their_reasons(
    world: World, client: httpx2.AsyncClient, stranger: httpx2.AsyncClient
) -> None:
    partial = await world.put(Sort(bad=[0, 1, 2]), title="Partial", collection_id="c1")
    locked = await world.put(Sort(stop_at=1), title="Locked")
    await world.put(Sort(bad=[3]), actor=world.other)
    await world.work()
    found = await _letters(client)
    assert (found["total"], found["failed_jobs"], found["failed_items"]) == (4, 1, 3)
    assert {(one["what"], one["code"], one["count"]) for one in found["reasons"]} == {
        ("item", "ink", 2), ("item", "mould", 1), ("job", "job_failed", 1),
    }  # fmt: skip
    assert {(one["what"], one["job_id"]) for one in found["items"]} == {("item", partial.id), ("job", locked.id)}
    walked, cursor = [], None
    while True:
        page = await _letters(client, limit=1, **({"cursor": cursor} if cursor else {}))
        walked += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert walked == found["items"]
    only = await _letters(client, code="ink", collection="c1")
    assert [(one["label"], one["message"]) for one in only["items"]] == [("letter 1", "the ink has run"), ("letter 0", "the ink has run")]
    assert (await _letters(client, what="job"))["items"][0]["title"] == "Locked"
    assert (await _letters(stranger))["total"] == 1


async def test_all_of_them_are_tried_again_in_one_call_and_then_are_gone(world: World, client: httpx2.AsyncClient) -> None:
    partial = await world.put(Sort(bad=[0, 1, 2]))
    locked = await world.put(Sort(stop_at=1))
    await world.work()
    Desk.broken = False
    some = (await client.post("/dead-letters/retry", json={"code": "ink"})).json()
    assert (some["failed_jobs"], some["failed_items"], some["more"]) == (0, 2, False)
    rest = (await client.post("/dead-letters/retry", json={})).json()
    assert (rest["failed_jobs"], rest["failed_items"], rest["refused"]) == (1, 1, 0)
    await world.work()
    for job_id in (*some["job_ids"], *rest["job_ids"]):
        assert (await client.get(f"/jobs/{job_id}")).json()["outcome"] == "ok"
    assert (await client.get(f"/jobs/{locked.id}")).json()["counts"]["done"] == 4
    assert (await _letters(client))["total"] == 0
    old = (await client.get(f"/jobs/{partial.id}")).json()
    assert "retry-failed" not in old["allowed"]
    assert "taken over" in old["why_not"]["retry-failed"]
    assert {one["job_id"] for one in old["repeated_in"]} == {some["job_ids"][0], rest["job_ids"][0]}


async def test_single_items_are_requeued_once(world: World, client: httpx2.AsyncClient) -> None:
    made = await world.put(Sort(bad=[0, 2]))
    await world.work()
    path = f"/jobs/{made.id}/retry-failed"
    again = (await client.post(path, json={"keys": ["letter-2", "letter-3"]})).json()
    assert again["counts"]["total"] == 1
    items = {one["key"]: one["retried_in"] for one in (await client.get(f"/jobs/{made.id}/items")).json()["items"]}
    assert items == {"letter-0": None, "letter-2": again["id"]}
    before = (await client.get("/jobs")).json()["total"]
    refused = await client.post(path, json={"keys": ["letter-2"]})
    assert (refused.status_code, refused.json()["code"]) == (409, "no_failed_items")
    assert (await client.get("/jobs")).json()["total"] == before, "a refusal leaves no job behind"
    # The second try fails again: the letter is dead once more, in the job that had it last.
    await world.work()
    assert [(one["job_id"], one["key"]) for one in (await _letters(client))["items"]] == [(again["id"], "letter-2"), (made.id, "letter-0")]


async def test_a_job_of_single_items_stays_one_when_it_is_restarted(world: World, client: httpx2.AsyncClient) -> None:
    made = await world.put(Sort(bad=[1]))
    await world.work()
    Desk.broken = False
    again = (await client.post(f"/jobs/{made.id}/retry-failed")).json()
    await world.ask(world.cancel, again["id"])
    await client.post(f"/jobs/{again['id']}/restart")
    await world.work()
    ended = (await client.get(f"/jobs/{again['id']}")).json()
    assert (ended["status"], ended["counts"]["total"], ended["counts"]["done"]) == ("completed", 1, 1)
    copy = (await client.post(f"/jobs/{again['id']}/restart")).json()
    await world.work()
    assert (await client.get(f"/jobs/{copy['id']}")).json()["counts"]["done"] == 1
