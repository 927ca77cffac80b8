"""A scheduler: fires due schedules, settles leases of dead workers, and rings, for a server whose workers may all be gone.

Every worker and API replica does the same between its own duties, and the database decides who was first. It is for those
who scale workers to zero, or want the ticks in a process of its own.
"""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

from semantik.engines.events.base import EventBus
from semantik.entrypoints import all_jobs, server
from semantik.jobs.outbox import Outbox
from semantik.jobs.upkeep import Upkeep
from semantik.kit import logs, registry
from semantik.kit.concurrency import Loops, run_cpu
from semantik.kit.settings import Settings
from semantik.runtime import open_events, open_sql

if TYPE_CHECKING:
    from semantik.jobs.dispatch_celery import CeleryBell

assert all_jobs.MODULES, "importing it registers the handlers: a schedule fires only for a kind that is known"

log = logs.get(__name__)


async def run(settings: Settings) -> None:
    """Ticks until SIGTERM or SIGINT; raises `LoopDied` when it cannot go on.

    Opens the database, the event bus and the bell, and no other engine.
    """
    server.check(settings)
    await run_cpu(server.await_schema, settings)
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    # Its loops use two connections; all other limits of the database are those of every process.
    loops = Loops(on_death=lambda _: stopped.set())
    database = open_sql(settings.model_copy(update={"database_pool_size": 2, "database_max_overflow": 2}))
    events: EventBus = open_events(settings)
    bell: CeleryBell = registry.load("job", server.CELERY, "bell")(settings.broker)
    outbox, upkeep = Outbox(database, events, bell, loops), Upkeep(database, loops, lease_ttl_s=settings.job_lease_ttl_s)
    try:
        await outbox.start()
        await upkeep.start()
        log.info("scheduler ready")
        await stopped.wait()
    finally:
        await upkeep.stop()
        await outbox.stop()
        await run_cpu(bell.close)
        await events.close()
        await database.close()
    loops.check()
