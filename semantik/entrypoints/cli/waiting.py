"""Waits for a job: a progress bar on a terminal, nothing elsewhere."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from semantik.entrypoints.cli import console
from semantik.entrypoints.cli.client import Client
from semantik.entrypoints.cli.options import chosen
from semantik.kit.errors import SemantikError, Unavailable

ENDED = ("completed", "failed", "cancelled", "skipped")
_AT_WORK = ("running", "pausing", "cancelling")
_POLL_S = 0.25
_LOOK_EVERY_S = 5.0
_SHOWN_AFTER_S = 1.0
# A busy machine answers late once; what is down stays so.
_LOOKS = 3
# Without these news come later, and workers find their jobs in the database: a job goes on.
_NOT_NEEDED = ("redis", "broker")


class NotWell(Unavailable):
    code = "not_well"


class NotCleared(SemantikError):
    code = "not_cleared"


async def until_ended(client: Client, job_id: str) -> dict[str, Any]:
    """The job as it ended, or as it was paused."""
    await client.work()
    if sys.stderr.isatty():
        return await _with_bar(client, job_id)
    lookout = Lookout()
    while True:
        job: dict[str, Any] = await client.get(f"/jobs/{job_id}")
        if job["status"] in (*ENDED, "paused"):
            return job
        await lookout.look(client.health)
        await asyncio.sleep(_POLL_S)


def leave_many(client: Client, many: int) -> None:
    """Says who runs jobs that were started and are not waited for, where that is not plain."""
    if many and client.runs_jobs:
        console.note(f"Nothing runs them until a server does: {chosen.command('serve')}")


def leave(job: dict[str, Any]) -> None:
    """Prints the id of a job that nobody waits for, and how to follow it."""
    console.say(job["id"])
    watch = chosen.command(f"jobs watch {job['id']}")
    console.note(f"{console.printable(job['title'])}: {console.state(job)}. To follow it: {watch}")


async def removed(client: Client, job_id: str, name: str) -> None:
    """Says that a thing is deleted: it is gone at once, and what it held is cleared away by a job, which may have to run here.

    Raises `NotCleared` when that failed.
    """
    if not client.runs_jobs:
        console.note(f"{console.printable(name)}: deleted; a job clears away what it held")
        return
    job = await until_ended(client, job_id)
    if job["status"] == "failed":
        raise NotCleared(f"{name} is deleted, but not cleared away: {(job['error'] or {}).get('message', 'failed')}")
    console.note(f"{console.printable(name)}: deleted")


async def a_moment() -> None:
    await asyncio.sleep(_POLL_S)


class Lookout:
    """Now and then asks how the server is: a full disk or a dead database would have us wait for ever."""

    def __init__(self, *, every_s: float = _LOOK_EVERY_S) -> None:
        self._every_s = every_s
        self._looked_at = time.monotonic()
        self._down: dict[str, int] = {}

    async def look(self, health: Callable[[], Awaitable[Any]]) -> None:
        """Raises `NotWell` for a part that was down at each of the last looks; the job goes on when the cause is gone."""
        if time.monotonic() - self._looked_at < self._every_s:
            return
        parts = (await health())["parts"]
        down = {part["name"]: part["detail"] for part in parts if part["state"] == "down" and part["name"] not in _NOT_NEEDED}
        self._down = {name: self._down.get(name, 0) + 1 for name in down}
        for name, looks in self._down.items():
            if looks >= _LOOKS:
                raise NotWell(f"{name}: {down[name] or 'down'}", hint="Mend that; the job then goes on from where it stopped.")
        self._looked_at = time.monotonic()


async def _with_bar(client: Client, job_id: str) -> dict[str, Any]:
    from rich.progress import TextColumn

    with console.bars(TextColumn("{task.fields[counted]}"), TextColumn("{task.fields[note]}"), transient=True) as progress:
        bar = progress.add_task("", total=None, counted="", note="", visible=False)
        began = time.monotonic()
        lookout = Lookout()
        while True:
            job: dict[str, Any] = await client.get(f"/jobs/{job_id}")
            await lookout.look(client.health)
            counts = job["counts"]
            processed = sum(counts[name] or 0 for name in ("done", "failed", "skipped", "quarantined"))
            total = counts["total"]
            progress.update(
                bar,
                description=job["title"][:40],
                total=total,
                completed=processed,
                counted=f"{processed:,}/{total:,}" if total else "",
                note=note_of(job),
                # What found nothing to do is over before there is anything to show; a long look at a folder is shown uncounted.
                visible=bool(total) or time.monotonic() - began > _SHOWN_AFTER_S,
            )
            if job["status"] in (*ENDED, "paused"):
                return job
            await asyncio.sleep(_POLL_S)


def note_of(job: dict[str, Any]) -> str:
    """What a job is at: nothing while it is not at work."""
    if job["status"] not in _AT_WORK:
        return ""
    parts = []
    if job.get("rate_per_s"):
        parts.append(f"{job['rate_per_s']:.1f}/s")
    if job.get("eta_s") is not None:
        minutes, seconds = divmod(int(job["eta_s"]), 60)
        parts.append(f"about {minutes} min left" if minutes else f"about {seconds} s left")
    if job.get("message"):
        parts.append(console.printable(job["message"])[:40])
    return " · ".join(parts)
