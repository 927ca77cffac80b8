"""Trying again, in its three ways: from where it stopped, from zero, and only what failed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, ClassVar

import httpx2
import pytest

from semantik.jobs.context import JobContext
from semantik.jobs.handlers import handles
from semantik.jobs.retry import ItemFailed, PermanentFailure
from semantik.jobs.values import Effect, Item, JobArgs
from tests.jobs.conftest import World


class Steps(JobArgs):
    """Five items, of which the third cannot be done before `Broken.mended`, and the second fails on its own."""

    kind: ClassVar[str] = "steps"


class Broken:
    mended = False


@pytest.fixture
def worked() -> list[str]:
    """The keys of items as they were worked on, over all attempts."""
    Broken.mended = False
    done: list[str] = []

    @handles(Steps)
    class StepsJob:
        async def total(self, ctx: JobContext, args: Steps) -> int:
            return 5

        async def items(self, ctx: JobContext, args: Steps, cursor: Any) -> AsyncIterator[Item]:
            for number in range((cursor or 0) + 1, 6):
                yield Item(str(number), number, number)

        async def process(self, ctx: JobContext, args: Steps, item: Item) -> Effect | None:
            done.append(item.key)
            if item.key == "2" and not Broken.mended:
                raise ItemFailed("the ink has run")
            if item.key == "3" and not Broken.mended:
                raise PermanentFailure("the shelf is locked")
            return None

    return done


async def test_retry_goes_on_where_it_stopped_and_restart_begins_again(world: World, client: httpx2.AsyncClient, worked: list[str]) -> None:
    made = await world.put(Steps())
    await world.work()
    failed = (await client.get(f"/jobs/{made.id}")).json()
    assert (failed["status"], failed["counts"]["done"], failed["counts"]["failed"], worked) == ("failed", 1, 1, ["1", "2", "3"])

    retried = (await client.post(f"/jobs/{made.id}/retry")).json()
    assert (retried["id"], retried["status"], retried["counts"]["done"], retried["attempt"]) == (made.id, "queued", 1, 0)
    worked.clear()
    await world.work()
    assert worked == ["3"], "it keeps its cursor: what was done is not done again"

    restarted = (await client.post(f"/jobs/{made.id}/restart")).json()
    assert (restarted["id"], restarted["counts"]["done"], restarted["counts"]["failed"]) == (made.id, 0, 0)
    assert (await client.get(f"/jobs/{made.id}/items")).json()["items"] == []
    worked.clear()
    Broken.mended = True
    await world.work()
    assert worked == ["1", "2", "3", "4", "5"], "from zero"
    ended = (await client.get(f"/jobs/{made.id}")).json()
    assert (ended["status"], ended["outcome"], ended["counts"]["done"]) == ("completed", "ok", 5)
    assert len((await client.get(f"/jobs/{made.id}/attempts")).json()["items"]) == 3, "the history of attempts stays"

    # What ended well stays as it is: its restart is another job.
    again = (await client.post(f"/jobs/{made.id}/restart")).json()
    assert (again["id"] != made.id, again["parent_id"], again["counts"]["done"]) == (True, made.id, 0)
    refused = await client.post(f"/jobs/{made.id}/retry")
    assert (refused.status_code, refused.json()["allowed"]) == (409, ["restart", "delete"])


async def test_retry_failed_works_on_nothing_but_what_failed(world: World, client: httpx2.AsyncClient, worked: list[str]) -> None:
    made = await world.put(Steps())
    await world.work()
    await client.post(f"/jobs/{made.id}/retry")
    Broken.mended = True
    worked.clear()
    await world.work()
    assert worked == ["3", "4", "5"]
    assert (await client.get(f"/jobs/{made.id}")).json()["outcome"] == "partial"
    worked.clear()
    again = (await client.post(f"/jobs/{made.id}/retry-failed")).json()
    await world.work()
    assert worked == ["2"]
    ended = (await client.get(f"/jobs/{again['id']}")).json()
    assert (ended["parent_id"], ended["outcome"], ended["counts"]["total"], ended["counts"]["done"]) == (made.id, "ok", 1, 1)
