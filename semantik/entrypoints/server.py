"""An API replica of a server: it enqueues, rings, serves and watches; `semantik worker` processes run the jobs."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from semantik.entrypoints import api
from semantik.entrypoints.embedded import DEFAULT_SCHEDULES
from semantik.entrypoints.opened import Opened
from semantik.features.accounts.startup import local_actor
from semantik.features.ingestion.guard import IndexGuard
from semantik.features.schedules import startup
from semantik.jobs.dispatch import Dispatcher
from semantik.kit import logs, ownership, registry
from semantik.kit.concurrency import run_cpu
from semantik.kit.errors import Misconfigured, Unavailable
from semantik.kit.settings import Settings
from semantik.runtime import open_runtime, prepare_schema

log = logs.get(__name__)

_LONGEST_PAUSE_S = 30.0

# Looked up by name, so that a missing extra is a sentence and not a trace.
CELERY = {
    "dispatcher": "semantik.jobs.dispatch_celery:CeleryDispatcher",
    "bell": "semantik.jobs.dispatch_celery:CeleryBell",
    "run": "semantik.jobs.worker_celery:run",
    "plan": "semantik.jobs.worker_process:Plan",
    "app": "semantik.jobs.dispatch_celery:make_app",
}


class IndexNotShared(Misconfigured):
    code = "index_not_shared"
    title = "Several processes need a vector server"


class NotServerMode(Misconfigured):
    code = "not_server_mode"
    title = "This process needs a server's settings"


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Opened]:
    """Joins the others on the data folder, opens the engines, and starts to ring. Any number of replicas may do so at once.

    Raises a `SemantikError` with a clear sentence, and leaves everything as it was, when any of that is impossible.
    """
    check(settings)
    owner = ownership.share(settings.data_dir)
    try:
        await run_cpu(prepare_schema, settings)
        runtime = await open_runtime(settings)
        try:
            dispatcher: Dispatcher = registry.load("job", CELERY, "dispatcher")(runtime, settings.broker)
            guard = IndexGuard(runtime.database, runtime.vectors, runtime.loops)
            await guard.start()
            await dispatcher.start()
            try:
                actor = await local_actor(runtime.database)
                await startup.add_schedules(runtime.database, actor.tenant_id, DEFAULT_SCHEDULES)
                yield Opened(app=api.build(runtime), actor=actor, runtime=runtime, dispatcher=dispatcher, owner=owner)
            finally:
                await dispatcher.stop()
                await guard.stop()
        finally:
            await runtime.close()
    finally:
        owner.release()


def await_schema(settings: Settings) -> None:
    """Returns once the database answers and stands at this version's schema: workers and schedulers may be started before it.

    Raises what `prepare_schema` raises when waiting does not help.
    """
    pause_s = 1.0
    while True:
        try:
            prepare_schema(settings)
        except Unavailable as error:
            if error.retry_after_s is None:
                raise
            log.warning("the database cannot be reached; trying again", error=error.detail, in_s=pause_s)
        else:
            return
        time.sleep(pause_s)
        pause_s = min(_LONGEST_PAUSE_S, 2 * pause_s)


def check(settings: Settings) -> None:
    """Raises `NotServerMode` or `IndexNotShared` where several processes could not work side by side."""
    if not settings.server_mode:
        raise NotServerMode(
            "workers and schedulers need a PostgreSQL in SEMANTIK_DATABASE_URL and a Redis in SEMANTIK_REDIS_URL",
            hint="Without them `semantik serve` runs jobs itself, in one process.",
        )
    if settings.qdrant_url is None:
        raise IndexNotShared(
            "the embedded vector index belongs to one process, and with SEMANTIK_REDIS_URL there are several",
            hint="Set SEMANTIK_QDRANT_URL to a Qdrant server, or leave SEMANTIK_REDIS_URL out to run everything in one process.",
        )
