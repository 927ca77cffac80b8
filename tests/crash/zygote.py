"""Starts `semantik serve` and `semantik worker` for tests that kill them: everything is imported once, then each is a fork.

A command holds the arguments of the command line, its environment, the file for what it writes, and fail points.
"""

from __future__ import annotations

import gc
import importlib
import os
import pkgutil
import traceback
from typing import Any

import semantik
from semantik.entrypoints.cli.main import app
from semantik.jobs import failpoints
from tests.jobs import forks

# What the processes would otherwise import again in each life, because it is looked up by name. The parsers are not among it:
# they belong to the children that extract, which are programs of their own.
_LAZY = (
    "alembic.command", "alembic.runtime.migration", "alembic.script", "aiosqlite", "psycopg", "psycopg_binary", "qdrant_client",
    "sqlalchemy.dialects.postgresql.psycopg", "sqlalchemy.dialects.sqlite.aiosqlite", "kombu.transport.redis", "redis.asyncio",
    "celery.app.amqp", "celery.app.control", "celery.app.events", "celery.app.log", "celery.bin.worker", "celery.concurrency.prefork",
    "celery.concurrency.thread", "celery.loaders.app", "celery.worker.components", "celery.worker.consumer", "celery.worker.strategy",
    "billiard.popen_fork", "uvicorn.lifespan.off", "uvicorn.loops.auto", "uvicorn.protocols.http.auto",
    "uvicorn.protocols.websockets.auto",
)  # fmt: skip
_LEFT_OUT = ("semantik.engines.extract", "semantik.engines.rerank", "semantik.engines.llm", "semantik.migrations.", "semantik.testing")


def _import_all() -> None:
    for module in pkgutil.walk_packages(semantik.__path__, "semantik."):
        if not module.name.startswith(_LEFT_OUT) and not module.name.endswith(("__main__", ".env", "exporter", ".flower")):
            importlib.import_module(module.name)
    for name in ("semantik.engines.extract.pool", *_LAZY):
        importlib.import_module(name)


def child(command: dict[str, Any]) -> None:
    """Never returns."""
    log = os.open(command["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    for name in [name for name in os.environ if name.startswith("SEMANTIK_")]:
        del os.environ[name]
    os.environ.update(command["environment"])
    failpoints.arm(command.get("failpoints", ""))
    try:
        app(command["arguments"])
    except SystemExit as ended:
        os._exit(ended.code if isinstance(ended.code, int) else 0)
    except BaseException:  # noqa: BLE001 (the end of this process: say why)
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    _import_all()
    gc.freeze()
    forks.fork_on_command(child)
