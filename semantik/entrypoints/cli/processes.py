"""`semantik worker`, `semantik scheduler` and `semantik flower`: the processes of a server beside its API replicas."""

from __future__ import annotations

import sys

from semantik.entrypoints import exporter
from semantik.entrypoints.cli import client
from semantik.entrypoints.cli.options import chosen
from semantik.kit.errors import SemantikError


def worker(queues: str | None, pool: str, concurrency: int | None, autoscale: str | None) -> None:
    chosen.serving = True
    try:
        settings = client.chosen_settings()
        with exporter.counted(settings):
            # Not before the exporter has said where to count.
            from semantik.entrypoints import worker as working
            from semantik.jobs.values import QUEUES

            names = [name.strip() for name in queues.split(",") if name.strip()] if queues is not None else QUEUES
            code = working.run(settings, queues=names, pool=pool, concurrency=concurrency, autoscale=autoscale)
    except SemantikError as error:
        client.fail(error)
    sys.exit(code)


def scheduler() -> None:
    from semantik.entrypoints import scheduler as ticking

    chosen.serving = True
    client.guarded(ticking.run(client.chosen_settings()))


def flower(host: str, port: int) -> None:
    from semantik.entrypoints import flower as watching

    chosen.serving = True
    try:
        watching.run(client.chosen_settings(), host=host, port=port)
    except SemantikError as error:
        client.fail(error)
