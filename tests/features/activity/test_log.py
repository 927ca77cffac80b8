"""The log of a job: what its handler says, what happens to it, and how much of it is kept."""

from __future__ import annotations

from typing import Any, ClassVar

import httpx2
import pytest

from semantik.features.activity import words
from semantik.jobs import lines, rescue
from semantik.jobs.context import JobContext
from semantik.jobs.handlers import handles
from semantik.jobs.interruptions import LeaseLost
from semantik.jobs.lines import Line, Lines
from semantik.jobs.retry import Transient
from semantik.jobs.values import ItemOutcome, JobArgs
from tests.jobs.conftest import World


class Report(JobArgs):
    kind: ClassVar[str] = "report"
    lines: int = 1
    fail: bool = False
    lose: bool = False


@pytest.fixture(autouse=True)
def _report() -> None:
    @handles(Report)
    async def report(ctx: JobContext, args: Report) -> None:
        for number in range(args.lines):
            await ctx.log(f"opened drawer {number}", drawer=number)
        if args.lose:
            await rescue.take_back(ctx.runtime.database, ctx.lease.job_id, ctx.lease.fence, even_valid=True)
            with pytest.raises(LeaseLost):
                await ctx.log("written by a ghost")
            raise LeaseLost(ctx.lease)
        bad = ItemOutcome("d7", "failed", "drawer 7", error_class="item", error_code="stuck", error_message="it is stuck")
        async with ctx.step(failed=1, items=[bad]):
            pass
        await ctx.log("the lamp flickers", level="warning")
        if args.fail:
            raise Transient("the light went out")


async def _log(client: httpx2.AsyncClient, job_id: str, **query: Any) -> list[tuple[str, str]]:
    page = (await client.get(f"/jobs/{job_id}/logs", params=query)).json()
    return [(line["level"], line["text"]) for line in page["items"]]


async def test_a_log_tells_a_job_in_words_and_narrows_by_level(world: World, client: httpx2.AsyncClient) -> None:
    made = await world.put(Report(lines=2))
    runner = world.runner()
    await world.work(runner=runner)
    whole = await _log(client, made.id)
    assert whole == [
        ("info", "Created"),
        ("info", f"Started on {runner.owner}"),
        ("info", "opened drawer 0"),
        ("info", "opened drawer 1"),
        ("warning", "drawer 7: it is stuck"),
        ("warning", "the lamp flickers"),
        ("info", "Completed in part: some items failed"),
    ]
    assert await _log(client, made.id, level="warning") == whole[4:6]
    assert await _log(client, made.id, newest=True, limit=2) == [whole[6], whole[5]]
    first = (await client.get(f"/jobs/{made.id}/logs", params={"limit": 4})).json()
    assert first["items"][2]["fields"]["drawer"] == 0
    assert await _log(client, made.id, cursor=first["next_cursor"]) == whole[4:]
    events = (await client.get(f"/jobs/{made.id}/events")).json()["items"]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1)), "lines are events like all others"


async def test_an_attempt_that_failed_leaves_its_reason(world: World, client: httpx2.AsyncClient) -> None:
    made = await world.put(Report(fail=True))
    await world.work()
    level, text = (await _log(client, made.id))[-1]
    assert level == "warning"
    assert text.startswith("Failed, next try in ") and text.endswith(": the light went out")


async def test_whoever_lost_the_lease_writes_no_line(world: World, client: httpx2.AsyncClient) -> None:
    made = await world.put(Report(lose=True))
    await world.work(at_most=1)
    assert (await _log(client, made.id))[-1][1].startswith("Worker ")


async def test_a_job_keeps_so_many_lines_over_all_its_attempts(
    world: World, client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "MOST_INFO", 4)
    monkeypatch.setattr(lines, "MOST", 8)
    made = await world.put(Report(lines=9, fail=True))
    for _ in range(3):
        await world.work(at_most=1)
        await _now(world, made.id)
    said = [text for _, text in await _log(client, made.id, limit=200) if not text.startswith(("Created", "Started", "Failed"))]
    assert said[:4] == ["opened drawer 0", "opened drawer 1", "opened drawer 2", "lines of level info are left out from here on"]
    assert said[4:] == [
        "drawer 7: it is stuck",
        "the lamp flickers",
        "drawer 7: it is stuck",
        "this log is full, and later lines are left out",
    ]


async def _now(world: World, job_id: str) -> None:
    """Makes a job that waits for its next try ready."""
    job = await world.job(job_id)
    await world.age(job_id, available_at=job.created_at)


def test_trouble_has_room_when_news_has_filled_its_half() -> None:
    kept = Lines(lines.MOST_INFO - 2).fit([Line("job.log")] * 4 + [Line("item.failed", "warning")])
    assert [line.metadata.get("text", line.type) for line in kept] == [
        "job.log", "lines of level info are left out from here on", "item.failed",
    ]  # fmt: skip
    assert Lines(lines.MOST).fit([Line("item.failed", "error")]) == []


@pytest.mark.parametrize(
    ("type_", "metadata", "text"),
    [
        ("job.released", {"delay_s": 30.0, "error_message": "no memory"}, "Put back for 30 s: no memory"),
        ("job.released", {"delay_s": 0.0}, "Handed back to the queue"),
        ("job.priority", {"priority": 0}, "Priority set to 0"),
        ("item.quarantined", {"key": "k", "text": "it ended the process 3 times"}, "k: it ended the process 3 times"),
        ("job.lost", {"owner": "host:1"}, "Worker host:1 was lost; the job goes on from its last checkpoint"),
        ("word_counts.rebuilt", {}, "Word counts rebuilt"),
    ],
)
def test_events_in_words(type_: str, metadata: dict[str, Any], text: str) -> None:
    assert words.of(type_, metadata, message=None) == text
