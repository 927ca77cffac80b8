"""The port that gets ready jobs to workers. A ring is a hint, "look into this queue": lost, late or doubled, it does no harm."""

from __future__ import annotations

from typing import Protocol


class Bell(Protocol):
    def ring(self, queue: str, n: int = 1) -> None:
        """Wakes up to `n` workers of the queue. Returns at once, never raises; whatever goes wrong, somebody looks anyway."""
        ...


class Dispatcher(Bell, Protocol):
    """A bell together with what makes jobs run."""

    async def start(self) -> None: ...

    async def stop(self, grace_s: float = 10.0) -> None:
        """Asks running jobs to release at their next item and returns when they have, or were cut off after `grace_s`."""
        ...


class NoBell:
    """For processes that only enqueue: the workers' own look into the table finds the job."""

    def ring(self, queue: str, n: int = 1) -> None:
        return
