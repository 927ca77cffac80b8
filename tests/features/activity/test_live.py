"""Jobs over WebSockets, through a real server: snapshot, replay, live, and who may listen."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import quote

import pytest
from fastapi import FastAPI
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from semantik.engines.events.base import Event
from semantik.http.local import as_local
from semantik.jobs.context import JobContext
from semantik.jobs.dispatch_local import LocalDispatcher
from semantik.jobs.handlers import handles
from semantik.jobs.store import control
from semantik.jobs.values import Item, JobArgs
from tests.features.activity.conftest import Serve
from tests.jobs.conftest import World


class Stroll(JobArgs):
    kind: ClassVar[str] = "stroll"
    steps: int = 8


@pytest.fixture(autouse=True)
def _stroll() -> None:
    @handles(Stroll)
    class StrollJob:
        async def total(self, ctx: JobContext, args: Stroll) -> int:
            return args.steps

        async def items(self, ctx: JobContext, args: Stroll, cursor: Any) -> AsyncIterator[Item]:
            for number in range(cursor or 0, args.steps):
                yield Item(str(number), number, number + 1)

        async def process(self, ctx: JobContext, args: Stroll, item: Item) -> None:
            await asyncio.sleep(0.06)


async def _receive(socket: Any, until: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while not found or found[-1]["type"] != until:
        found.append(json.loads(await asyncio.wait_for(socket.recv(), 10)))
    return found


async def test_a_watcher_gets_a_snapshot_and_then_every_event_in_order(
    world: World, app: FastAPI, serve: Serve, dispatcher: LocalDispatcher
) -> None:
    ours = [Subprotocol("semantik")]
    async with serve(as_local(app, world.actor)) as address, connect(f"ws://{address}/ws/jobs", subprotocols=ours) as socket:
        assert socket.subprotocol == "semantik"
        assert await _receive(socket, "snapshot") == [{"type": "snapshot", "jobs": []}]
        await world.put(Stroll(), actor=world.other)
        made = await world.put(Stroll(), collection_id="c1")
        found = await _receive(socket, "job.completed")
        assert {message["job_id"] for message in found} == {made.id}
        stored = [message["seq"] for message in found if message["seq"] is not None]
        assert stored == list(range(1, len(stored) + 1))
        last = found[-1]
        assert (last["status"], last["progress"], last["collection_id"], last["counts"]["done"]) == ("completed", 100.0, "c1", 8)
        await socket.send('{"type": "ping"}')
        assert await _receive(socket, "pong")
        for nonsense in ("no json", "[" * 999, "7"):
            await socket.send(nonsense)
            assert (await _receive(socket, "error"))[-1]["code"] == "not_understood"


async def test_a_client_that_comes_back_sees_every_number_once_and_in_order(
    world: World, app: FastAPI, serve: Serve, dispatcher: LocalDispatcher
) -> None:
    seen: list[int] = []
    async with serve(as_local(app, world.actor)) as address:
        made = await world.put(Stroll(steps=40))
        for share in (10, 20, 30):
            async with connect(f"ws://{address}/ws/jobs/{made.id}") as socket:
                told = json.loads(await socket.recv())
                assert told["type"] == "snapshot"
                await socket.send(json.dumps({"type": "subscribe", "after": seen[-1] if seen else 0}))
                done = told["jobs"][0]["counts"]["done"]
                while done < share:
                    message = json.loads(await asyncio.wait_for(socket.recv(), 10))
                    if message.get("seq"):
                        seen.append(message["seq"])
                    done = message.get("counts", {}).get("done", done)
            # What happens meanwhile is told at the next visit.
            await asyncio.sleep(0.3)
        async with connect(f"ws://{address}/ws/jobs/{made.id}?after={seen[-1] if seen else 0}") as socket:
            while (await world.job(made.id)).finished_at is None:
                await asyncio.sleep(0.05)
            last = (await world.job(made.id)).event_seq
            while not seen or seen[-1] < last:
                message = json.loads(await asyncio.wait_for(socket.recv(), 8))
                if message.get("seq"):
                    seen.append(message["seq"])
    assert seen == list(range(1, last + 1))


async def test_strangers_and_the_unknown_are_refused_before_the_socket_opens(world: World, app: FastAPI, serve: Serve) -> None:
    made = await world.put(Stroll())
    async with serve(as_local(app, world.other)) as address:
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://{address}/ws/jobs/{made.id}").__aenter__()
        assert refused.value.response.status_code == 404
    async with serve(app) as address:
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://{address}/ws/jobs").__aenter__()
        assert refused.value.response.status_code == 401


@pytest.mark.parametrize("after", ["-1", "abc", "", "1.5", "٣", str(2**62 + 1), "9" * 23])
async def test_a_number_that_none_has_is_refused_in_words(world: World, app: FastAPI, serve: Serve, after: str) -> None:
    made = await world.put(Stroll())
    async with serve(as_local(app, world.actor)) as address:
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://{address}/ws/jobs/{made.id}?after={quote(after)}").__aenter__()
        assert refused.value.response.status_code == 422
        assert json.loads(refused.value.response.body)["errors"][0]["pointer"] == "query.after"
        async with connect(f"ws://{address}/ws/jobs/{made.id}?after={quote(after)}", origin=Origin(f"http://{address}")) as page:
            with pytest.raises(ConnectionClosed):
                await page.recv()
            assert (page.close_code, page.close_reason) == (4422, "invalid_input")


@pytest.mark.parametrize("after", ["true", "-1", "1.5", '"7"', "null", str(2**62 + 1), "9" * 900])
async def test_a_socket_outlives_a_wish_that_makes_no_sense(world: World, app: FastAPI, serve: Serve, after: str) -> None:
    made = await world.put(Stroll())
    async with serve(as_local(app, world.actor)) as address, connect(f"ws://{address}/ws/jobs/{made.id}?after={2**62}") as socket:
        await _receive(socket, "snapshot")
        await socket.send(f'{{"type": "subscribe", "after": {after}}}')
        assert (await _receive(socket, "error"))[-1]["code"] == "not_understood"
        await socket.send('{"type": "ping"}')
        assert await _receive(socket, "pong")


async def test_a_hundred_sockets_get_every_event(world: World, app: FastAPI, serve: Serve, dispatcher: LocalDispatcher) -> None:
    async with serve(as_local(app, world.actor)) as address, contextlib.AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(connect(f"ws://{address}/ws/jobs")) for _ in range(100)]
        for socket in sockets:
            await _receive(socket, "snapshot")
        made = await world.put(Stroll(steps=20))
        told = await asyncio.gather(*(_receive(socket, "job.completed") for socket in sockets))
        expected = [number for number, _ in await world.events(made.id)]
        assert all([message["seq"] for message in one if message["seq"] is not None] == expected for one in told)


async def test_a_slow_client_is_told_to_look_afresh_and_holds_nobody_up(
    world: World, app: FastAPI, serve: Serve, dispatcher: LocalDispatcher
) -> None:
    """Two clients stop reading; their pipes fill, then their queues of 256, and no more is kept for them."""
    watched = await world.put(Stroll(steps=1), available_at=datetime.now(UTC) + timedelta(hours=1))
    async with serve(as_local(app, world.actor)) as address, contextlib.AsyncExitStack() as stack:
        slow_all, slow_one, quick = [
            await stack.enter_async_context(connect(f"ws://{address}/ws/jobs{path}", max_queue=1, compression=None))
            for path in ("", f"/{watched.id}", "")
        ]
        for socket in (slow_all, slow_one, quick):
            await _receive(socket, "snapshot")
        read = asyncio.create_task(_stored(quick, watched.id, 301))
        for number in range(700):
            progress = {"message": f"{number} " + "x" * 20_000}
            await world.runtime.events.publish(Event(world.actor.tenant_id, watched.id, None, "job.progress", progress))
            await asyncio.sleep(0.001)
        for number in range(300):
            await _set_priority(world, watched.id, number % 10)
        assert await asyncio.wait_for(read, 5) == list(range(2, 302)), "the quick one got all of it meanwhile"
        await _receive(slow_all, "resync")
        (afresh,) = await _receive(slow_all, "snapshot")
        assert [job["seq"] for job in afresh["jobs"]] == [301]
        numbers = [message["seq"] for message in await _receive(slow_one, "resync") if message.get("seq")]
        assert len(numbers) < 256
        assert numbers + await _stored(slow_one, watched.id, 301) == list(range(2, 302)), "of one job nothing is left out"


async def _set_priority(world: World, job_id: str, priority: int) -> None:
    async with world.database.write() as session:
        await control.set_priority(session, job_id, priority, by=None)
        await session.commit()


async def _stored(socket: Any, job_id: str, until: int) -> list[int]:
    """The numbers of a job's stored events, up to this one."""
    numbers: list[int] = []
    while not numbers or numbers[-1] < until:
        message = json.loads(await asyncio.wait_for(socket.recv(), 10))
        if message.get("job_id") == job_id and message["seq"] is not None:
            numbers.append(message["seq"])
    return numbers
