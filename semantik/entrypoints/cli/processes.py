"""`semantik worker`, `semantik scheduler` and `semantik flower`: the processes of a server beside its API replicas."""

from __future__ import annotations

import sys

from semantik.entrypoints import exporter
from semantik.entrypoints.cli import client
from semantik.entrypoints.cli.options import chosen
from semantik.kit.errors import SemantikError
from semantik.kit.settings import Settings


def worker(queues: str | None, pool: str, concurrency: int | None, autoscale: str | None) -> None:
    chosen.serving = True
    try:
        settings = client.chosen_settings()
        with exporter.counted(settings):
            # Not before the exporter has said where to count.
            from semantik.entrypoints import worker as working
            from semantik.jobs.values import QUEUES

            _require_server(settings, "workers need")
            names = [name.strip() for name in queues.split(",") if name.strip()] if queues is not None else QUEUES
            code = working.run(settings, queues=names, pool=pool, concurrency=concurrency, autoscale=autoscale)
    except SemantikError as error:
        client.fail(error)
    sys.exit(code)


def scheduler() -> None:
    from semantik.entrypoints import scheduler as ticking

    chosen.serving = True

    async def work() -> None:
        settings = client.chosen_settings()
        _require_server(settings, "schedulers need")
        await ticking.run(settings)

    client.guarded(work())


def flower(host: str, port: int) -> None:
    from semantik.entrypoints import flower as watching

    chosen.serving = True
    try:
        settings = client.chosen_settings()
        _require_server(settings, "Flower needs")
        watching.run(settings, host=host, port=port)
    except SemantikError as error:
        client.fail(error)


def _require_server(settings: Settings, who_needs: str) -> None:
    """Raises `NotServerMode`, which names the process that was called."""
    from semantik.entrypoints import server

    if not settings.server_mode:
        raise server.NotServerMode(
            f"{who_needs} a PostgreSQL in SEMANTIK_DATABASE_URL and a Redis in SEMANTIK_REDIS_URL",
            hint="Without them `semantik serve` runs jobs itself, in one process.",
        )
