"""Workers of the benchmark as processes: `python -m bench.jobs.workers KIND DATABASE BROKER TTL`; kinds as in `main`."""

from __future__ import annotations

import asyncio
import sys
import time

import redis as redis_client
from celery import Celery

from bench.jobs import places
from bench.jobs.places import runtime_of
from semantik.engines.events.redis import RedisEvents
from semantik.jobs import rescue
from semantik.jobs.dispatch_local import LocalDispatcher
from semantik.jobs.worker_celery import run
from semantik.jobs.worker_process import Plan
from semantik.kit import logs
from semantik.runtime import Runtime

# Named, because importing them is what registers them.
KINDS = (places.Nothing, places.Items)


def bare_app(broker: str) -> Celery:
    """Celery as its documentation shows it, with early acknowledgement and no results: the fastest it can be."""
    app = Celery("bench", broker=broker)
    app.conf.update(
        task_ignore_result=True, worker_prefetch_multiplier=4, task_default_queue="bench", broker_connection_retry_on_startup=True
    )
    client = redis_client.Redis.from_url(broker.removesuffix("/0") + "/2")

    @app.task(name="bench.nothing", ignore_result=True)  # type: ignore[untyped-decorator]  # Celery has no types
    def nothing() -> None:
        client.rpush("bench", str(time.time()))

    return app


def main(kind: str, url: str, broker: str, ttl_s: int) -> int:
    logs.configure("critical", "console")
    match kind:
        case "bare":
            app = bare_app(broker)
            app.worker_main(["worker", "-P", "prefork", "-c", "2", "-l", "CRITICAL", "--without-mingle", "--without-gossip"])
            return 0
        case "semantik":

            async def opened() -> Runtime:
                return runtime_of(url, events=RedisEvents(broker.removesuffix("/0") + "/1"), lease_ttl_s=ttl_s)

            return run(broker, opened, Plan(pool="prefork", slots=2))
        case _:
            asyncio.run(_local(url, ttl_s, alone=kind == "alone"))
            return 0


async def _local(url: str, ttl_s: int, *, alone: bool) -> None:
    runtime = runtime_of(url, lease_ttl_s=ttl_s)
    if alone:
        await rescue.take_back_all(runtime.database)
    dispatcher = LocalDispatcher(runtime, slots=2)
    await dispatcher.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
