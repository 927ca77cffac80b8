"""Jobs over WebSockets: a snapshot first, then every event once and in order, then whatever comes.

    server  {"type": "snapshot", "jobs": [Job, ...]}          first
    server  {"type": "job.progress", "job_id", "seq", "status", "progress", "counts", "eta_s", "message", "collection_id", "metadata"}
    server  {"type": "resync"}                                 this client was too slow. All jobs: a fresh snapshot follows.
                                                               One job: the events it missed follow, each once and in order
    client  {"type": "ping"}                                   answered by {"type": "pong"}
    client  {"type": "subscribe", "after": 17}                 on the socket of one job: send what came after number 17

A client that comes back sends `subscribe` as its first message (or `?after=` in the address) and misses nothing: the
server waits a moment for it before it goes live. `seq` rises by one within a job; null marks fine progress that is not
stored. Authenticated before it is accepted, and looked at again every minute.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

from fastapi import APIRouter
from fastapi.encoders import jsonable_encoder
from fastapi.websockets import WebSocket, WebSocketDisconnect

from semantik.auth.actor import Actor
from semantik.auth.credentials import SessionEnded
from semantik.features.activity import repository, schemas
from semantik.features.activity.feed import Feed
from semantik.http import sockets
from semantik.http.dependencies import CurrentRuntime, Reader, still_allowed
from semantik.jobs.store import reading
from semantik.kit.concurrency import closing, end
from semantik.kit.errors import InvalidInput
from semantik.runtime import Runtime

router = APIRouter(tags=["activity"])

# How long a client that comes back has to say from where it wants to go on.
_FIRST_WORD_S = 0.2
_STILL_ALLOWED_EVERY_S = 60.0
_MOST_CHARS = 1000
# As `GET /jobs/{id}/events` has it.
_MOST_SEQ = 2**62


@router.websocket("/ws/jobs")
async def all_jobs(socket: WebSocket, actor: Reader, runtime: CurrentRuntime) -> None:
    """Tells of all the tenant's jobs"""
    await _Watch(socket, actor, runtime, None).serve(after=None)


@router.websocket("/ws/jobs/{job_id}")
async def one_job(socket: WebSocket, job_id: str, actor: Reader, runtime: CurrentRuntime, after: str | None = None) -> None:
    """Tells of one job; 4404 when there is none, 4422 when `after` is no number"""
    # Not FastAPI's to check: it would close with 1008 and no reason.
    number = None if after is None else _number(after)
    async with runtime.database.read(actor.tenant_id) as session:
        await repository.get(session, actor, job_id)
    await _Watch(socket, actor, runtime, job_id).serve(after=number)


class _Watch:
    def __init__(self, socket: WebSocket, actor: Actor, runtime: Runtime, job_id: str | None) -> None:
        self._socket = socket
        self._actor = actor
        self._runtime = runtime
        self._job_id = job_id
        self._after: asyncio.Queue[int] = asyncio.Queue(8)
        self._began: dict[str, int] = {}
        self._sending = asyncio.Lock()

    async def serve(self, *, after: int | None) -> None:
        await sockets.accept(self._socket)
        # Subscribed before the snapshot is read: nothing can fall in between.
        feed = Feed(self._runtime.database, self._runtime.events, self._actor, job_id=self._job_id)
        tasks = [asyncio.create_task(job) for job in (self._listen(), self._tell(feed, after), self._guard())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end(*tasks)
            await feed.close()
        for task in done:
            error = task.exception()
            if error is not None and not isinstance(error, WebSocketDisconnect):
                raise error

    async def _tell(self, feed: Feed, after: int | None) -> None:
        await self._snapshot(feed)
        if self._job_id is not None and after is None:
            with contextlib.suppress(TimeoutError):
                after = await asyncio.wait_for(self._after.get(), _FIRST_WORD_S)
        if self._job_id is not None and after is not None:
            await self._replay(feed, after)
        async with closing(feed.live()) as messages:
            async for message in messages:
                if message.type == "resync":
                    await self._send({"type": "resync"})
                    # Of one job the feed has all in SQL and goes on from where this client was; of a thousand jobs nobody wants that.
                    if self._job_id is None:
                        await self._snapshot(feed)
                else:
                    await self._send(message.as_json())
                while self._job_id is not None and not self._after.empty():
                    await self._replay(feed, self._after.get_nowait())

    async def _replay(self, feed: Feed, after: int) -> None:
        """What lies between `after` and where this socket began: the rest it was sent already, or is about to be."""
        assert self._job_id is not None
        began = self._began.get(self._job_id, 0)
        async for message in feed.replay(self._job_id, after=after, until=began):
            await self._send(message.as_json())
        self._began[self._job_id] = min(began, after)

    async def _snapshot(self, feed: Feed) -> None:
        async with self._runtime.database.read(self._actor.tenant_id) as session:
            if self._job_id is None:
                found = await repository.recent(session, self._actor)
            else:
                found = [await repository.get(session, self._actor, self._job_id)]
            at = await reading.now(session)
        for job in found:
            feed.told[job.id] = max(job.event_seq, feed.told.get(job.id, 0))
            self._began.setdefault(job.id, job.event_seq)
        await self._send({"type": "snapshot", "jobs": jsonable_encoder([schemas.Job.of(job, at) for job in found])})

    async def _listen(self) -> None:
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", 1005), message.get("reason"))
            # A binary frame has no text: it is not understood, and not an error of ours.
            said = _read(message.get("text") or "")
            match said.get("type"):
                case "ping":
                    await self._send({"type": "pong"})
                case "subscribe" if type(said.get("after")) is int and 0 <= said["after"] <= _MOST_SEQ and not self._after.full():
                    self._after.put_nowait(said["after"])
                case _:
                    await self._send({"type": "error", "code": "not_understood", "message": "send ping, or subscribe with after"})

    async def _guard(self) -> None:
        while True:
            await asyncio.sleep(_STILL_ALLOWED_EVERY_S)
            if not await still_allowed(self._socket, self._actor):
                raise SessionEnded("the session behind this socket has ended")

    async def _send(self, message: dict[str, Any]) -> None:
        async with self._sending:
            await self._socket.send_text(json.dumps(message, ensure_ascii=False))


def _number(after: str) -> int:
    """Raises `InvalidInput` for what is no number of an event."""
    if after.isascii() and after.isdigit() and len(after) <= len(str(_MOST_SEQ)) and int(after) <= _MOST_SEQ:
        return int(after)
    wrong = f"must be a whole number from 0 to {_MOST_SEQ}"
    raise InvalidInput(f"query.after: {wrong}", errors=[{"pointer": "query.after", "message": wrong, "type": "int_parsing"}])


def _read(text: str) -> dict[str, Any]:
    if len(text) > _MOST_CHARS:
        return {}
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
