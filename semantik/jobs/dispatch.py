"""The port that gets ready jobs to workers: a bell together with what makes jobs run."""

from __future__ import annotations

from typing import Protocol

from semantik.runtime import Bell


class Dispatcher(Bell, Protocol):
    async def start(self) -> None: ...

    async def at_work(self) -> None:
        """Returns once jobs run, also those that others left: one that was started to wait for its first job begins now.

        Raises what keeps it from beginning.
        """
        ...

    async def stop(self, grace_s: float = 10.0) -> None:
        """Asks running jobs to release at their next item and returns when they have, or were cut off after `grace_s`."""
        ...
