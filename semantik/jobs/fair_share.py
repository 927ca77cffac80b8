"""With every slot of a process taken, lets those who have none have their turn. What is fair says `Runner.make_room`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from semantik.jobs.runner import Runner
from semantik.jobs.store.rows import DATABASE_ERRORS
from semantik.kit import logs

log = logs.get(__name__)

_LOOK_EVERY_S = 1.0


async def keep(runner: Runner, queues: Sequence[str], *, slots: int, slice_s: float) -> None:
    """Looks for as long as it is left to; `slots` are those that serve these queues."""
    while True:
        await asyncio.sleep(min(_LOOK_EVERY_S, slice_s / 5))
        if runner.running_in(queues) < slots:
            continue
        try:
            await runner.make_room(queues, slice_s=slice_s)
        except DATABASE_ERRORS as error:
            log.warning("nobody could be asked to step back", error=str(error)[:300])
