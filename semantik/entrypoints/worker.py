"""A worker: `semantik worker`, or `celery -A semantik.entrypoints.worker ...` for what else Celery offers."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from semantik.entrypoints import all_jobs, server
from semantik.jobs.values import QUEUES
from semantik.kit import ownership, registry
from semantik.kit import settings as settings_module
from semantik.kit.concurrency import cpu_count
from semantik.kit.errors import Misconfigured
from semantik.kit.settings import Settings
from semantik.runtime import open_runtime

if TYPE_CHECKING:
    from semantik.jobs.worker_process import Plan

assert all_jobs.MODULES, "importing it registers the handlers"

POOLS = ("prefork", "threads", "solo")


class BadWorker(Misconfigured):
    code = "bad_worker"
    title = "A worker cannot be started like this"


def run(
    settings: Settings,
    *,
    queues: Sequence[str] = QUEUES,
    pool: str = "prefork",
    concurrency: int | None = None,
    autoscale: str | None = None,
) -> int:
    """Works until it is told to stop; returns the exit code. Opens nothing before Celery has forked.

    Raises a `SemantikError` when it cannot start as asked.
    """
    server.check(settings)
    wanted = plan(settings, queues=queues, pool=pool, concurrency=concurrency, autoscale=autoscale)
    shared = ownership.share(settings.data_dir)
    try:
        server.await_schema(settings)
        opener = functools.partial(open_runtime, of_a_process(settings, wanted))
        code: int = registry.load("job", server.CELERY, "run")(settings.broker, opener, wanted)
        return code
    finally:
        shared.release()


def of_a_process(settings: Settings, wanted: Plan) -> Settings:
    """The settings of one worker process. There are more beside it: it reads and embeds on one core each and keeps few connections.

    A process that freezes inside a transaction holds the row of its job: the database cuts it off when its lease is over.
    """
    alone = {name: 1 for name in ("extract_workers", "embedding_threads") if getattr(settings, name) == 0}
    connections = min(settings.database_pool_size, 4 + 2 * wanted.slots_of_a_process)
    overflow = min(settings.database_max_overflow, 2 * connections)
    still_s = min(settings.database_idle_transaction_timeout_s, max(30, settings.job_lease_ttl_s))
    limits = {"database_pool_size": connections, "database_max_overflow": overflow, "database_idle_transaction_timeout_s": still_s}
    return settings.model_copy(update={**alone, **limits})


def plan(settings: Settings, *, queues: Sequence[str], pool: str, concurrency: int | None, autoscale: str | None) -> Plan:
    """What the worker will be. Raises `BadWorker` for what does not fit together."""
    if pool not in POOLS:
        raise BadWorker(f"there is no pool named {pool!r}", hint=f"Choose one of: {', '.join(POOLS)}.")
    unknown = [queue for queue in queues if queue not in QUEUES]
    if unknown or not queues:
        raise BadWorker(f"there is no queue named {', '.join(unknown)!r}", hint=f"Choose among: {','.join(QUEUES)}.")
    if concurrency is not None and concurrency < 1:
        raise BadWorker(f"a worker runs at least one job at a time, not {concurrency}")
    spare = max(1, cpu_count() - 1)
    slots = concurrency or min(spare, settings.worker_concurrency or spare)
    made: Plan = registry.load("job", server.CELERY, "plan")(
        pool=pool,
        slots=1 if pool == "solo" else slots,
        queues=tuple(queues),
        autoscale=_range(autoscale, pool) if autoscale is not None else None,
        recycle_after=settings.worker_recycle_after,
        memory_bytes=settings.worker_memory_bytes,
        deaf_s=settings.worker_deaf_s,
    )
    return made


def _range(autoscale: str, pool: str) -> tuple[int, int]:
    if pool != "prefork":
        raise BadWorker(f"the {pool} pool does not scale", hint="Use --pool prefork with --autoscale.")
    most, _, least = autoscale.partition(",")
    if not (most.strip().isdecimal() and least.strip().isdecimal() and 1 <= int(least) <= int(most)):
        raise BadWorker(f"--autoscale {autoscale!r} is not MOST,LEAST", hint="For example: --autoscale 10,2.")
    return int(most), int(least)


def __getattr__(name: str) -> Any:
    """`app` for Celery's own commands (flower, inspect, beat): the transport, with the settings of this environment."""
    if name != "app":
        raise AttributeError(name)
    settings = settings_module.load()
    server.check(settings)
    return registry.load("job", server.CELERY, "app")(settings.broker)
