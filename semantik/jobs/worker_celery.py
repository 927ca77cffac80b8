"""What a Celery worker runs: each of its processes answers doorbells, and drains when the worker is told to stop.

A prefork worker is a parent that opens nothing and children that open one runtime each, after the fork; a threads or solo
worker is one process with one runtime. Either way all work of jobs happens on the event loop of a `WorkerProcess`: pool
threads only wait.
"""

from __future__ import annotations

import os
import signal
import warnings
from typing import Any

from billiard.process import current_process
from celery import Celery, signals
from celery.exceptions import SecurityWarning

from semantik.jobs.dispatch_celery import DOORBELL, TICK, make_app
from semantik.jobs.values import QUEUES
from semantik.jobs.worker_process import Flags, OpenRuntime, Plan, WorkerProcess, name_of
from semantik.kit import metrics

_process: WorkerProcess | None = None


def make_worker(broker_url: str, open_runtime: OpenRuntime, plan: Plan, flags: Flags | None = None) -> Celery:
    """The app that a Celery worker runs. With `prefork` each child opens its own runtime, else the one process does."""
    app = make_app(broker_url)
    app.conf.update(worker_max_tasks_per_child=plan.recycle_after, worker_max_memory_per_child=plan.memory_bytes // 1024)
    flags = flags or Flags()

    @app.task(name=DOORBELL, ignore_result=True)
    def doorbell(queue: str) -> None:
        if _process is not None and queue in QUEUES:
            _process.answer(queue)

    @app.task(name=TICK, ignore_result=True)
    def tick_once() -> None:
        if _process is not None:
            _process.tick()

    def opened(**_: Any) -> None:
        global _process
        metrics.take_slot(getattr(current_process(), "index", 0))
        _process = WorkerProcess(open_runtime, broker_url, flags, plan)

    def draining(**_: Any) -> None:
        flags.drain()

    def closed(**_: Any) -> None:
        global _process
        if _process is not None:
            _process.close()
            _process = None

    if plan.pool == "prefork":
        signals.worker_process_init.connect(opened, weak=False)
        signals.worker_process_shutdown.connect(closed, weak=False)
    else:
        signals.worker_init.connect(opened, weak=False)
        signals.worker_shutdown.connect(closed, weak=False)
    signals.worker_shutting_down.connect(draining, weak=False)
    return app


def run(broker_url: str, open_runtime: OpenRuntime, plan: Plan) -> int:
    """Works until SIGTERM or SIGINT; returns the exit code. Logging is the caller's and stays as it is."""
    flags = Flags()
    app = make_worker(broker_url, open_runtime, plan, flags)
    signals.setup_logging.connect(_keep_logging, weak=False)
    # Said to root because a pickled message would run as root. Only JSON is accepted here, and of it only a queue's name.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    # Until Celery has handlers of its own: a process that finds its settings wrong may end the worker before it has started.
    signal.signal(signal.SIGTERM, _leave)
    try:
        worker = app.Worker(
            hostname=name_of(os.getpid()),
            pool_cls=plan.pool,
            concurrency=plan.slots,
            autoscale=plan.autoscale,
            queues=list(plan.queues),
            without_mingle=True,
            without_gossip=True,
            quiet=True,
        )
        worker.start()
        code = int(worker.exitcode or 0)
    except SystemExit:
        code = 0
    return flags.code or code


def _leave(*_: Any) -> None:
    raise SystemExit(0)


def _keep_logging(**_: Any) -> None:
    """Celery sets up its own logs unless somebody listens to this signal."""
