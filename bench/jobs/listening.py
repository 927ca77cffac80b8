"""Events to many sockets: a hundred clients in a process of their own listen while jobs run."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import uvicorn
from fastapi import FastAPI
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from bench.jobs.places import Nothing, runtime_of, tenant, wipe
from semantik.features.activity import live
from semantik.http import middleware, problems
from semantik.http.local import as_local
from semantik.jobs.dispatch_local import LocalDispatcher
from semantik.jobs.queue import enqueue
from semantik.tables.jobs import jobs
from tests.services import free_port

COLUMNS = ["sockets", "jobs", "events", "delivered", "resyncs", "seconds", "events/s", "deliveries/s"]
ROOT = Path(__file__).parents[2]


async def measure(url: str, *, sockets: int, count: int) -> list[object]:
    """All jobs at once; the clock runs from the first enqueue until every socket has heard how the last job ended."""
    runtime = runtime_of(url)
    actor = await tenant(runtime.database, "listening")
    app, port = FastAPI(), free_port()
    app.state.runtime = runtime
    problems.install(app)
    middleware.install(app, runtime.settings)
    app.include_router(live.router)
    server = uvicorn.Server(uvicorn.Config(as_local(app, actor), host="127.0.0.1", port=port, log_level="critical"))
    serving = asyncio.create_task(server.serve())
    dispatcher = LocalDispatcher(runtime, slots=2)
    command = [sys.executable, "-m", "bench.jobs.listening", str(port), str(sockets), str(count)]
    listener = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=subprocess.PIPE)
    assert listener.stdout is not None
    await listener.stdout.readline()
    await dispatcher.start()
    started = time.perf_counter()
    for _ in range(count):
        async with runtime.database.write() as session:
            await enqueue(session, Nothing(), actor=actor, title="bench")
            await session.commit()
    found: dict[str, int] = json.loads(await listener.stdout.readline())
    seconds = time.perf_counter() - started
    await listener.wait()
    await dispatcher.stop()
    async with runtime.database.read() as session:
        events = int(await session.scalar(sa.select(sa.func.sum(jobs.c.event_seq))) or 0)
    server.should_exit = True
    await serving
    await wipe(runtime.database)
    await runtime.database.close()
    got = found["messages"]
    return [sockets, count, events, got, found["resyncs"], round(seconds, 2), round(events / seconds, 1), round(got / seconds, 1)]


async def _listen(port: int, sockets: int, count: int) -> None:
    """Says when all are connected, then what they heard once each knows of the end of every job."""
    totals = {"messages": 0, "resyncs": 0}
    ready = asyncio.Semaphore(0)

    async def one() -> None:
        ended: set[str] = set()
        async with connect(f"ws://127.0.0.1:{port}/ws/jobs", subprotocols=[Subprotocol("semantik")], max_queue=None) as socket:
            ready.release()
            async for text in socket:
                message: dict[str, Any] = json.loads(text)
                totals["messages"] += message["type"].startswith("job.")
                totals["resyncs"] += message["type"] == "resync"
                if message["type"] == "job.completed":
                    ended.add(message["job_id"])
                if message["type"] == "snapshot":
                    ended.update(job["id"] for job in message["jobs"] if job["status"] == "completed")
                if len(ended) >= count:
                    return

    tasks = [asyncio.create_task(one()) for _ in range(sockets)]
    for _ in tasks:
        await ready.acquire()
    await asyncio.sleep(0.5)
    print("ready", flush=True)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.gather(*tasks), 120)
    print(json.dumps(totals), flush=True)


if __name__ == "__main__":
    asyncio.run(_listen(*(int(one) for one in sys.argv[1:4])))
