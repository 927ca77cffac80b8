"""The port to token buckets for what is bought by the unit: requests and tokens of a model provider, with refunds and exact waits.

A caller takes what it expects to use, works, and settles what it used; the difference goes back. A provider that says
"slow down" blocks its key for that long. Keys hold across workers when the buckets live in Redis. Wait short times in
place; for longer ones raise `kit.errors.RateLimited`: a job then gives its slot to another and comes back by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Rate:
    """`per_s` units flow in each second, at most `burst` are kept."""

    per_s: float
    burst: float


class Buckets(Protocol):
    async def take(self, key: str, cost: float, rate: Rate) -> float:
        """0.0 when the cost was taken, else the seconds after which it will be there. More than `burst` counts as `burst`."""
        ...

    async def settle(self, key: str, *, taken: float, used: float, rate: Rate) -> None:
        """Gives back what was taken and not used; what was used beyond is owed, and later callers wait for it."""
        ...

    async def block(self, key: str, seconds: float) -> None:
        """Nobody takes from the key for so long: the provider said so."""
        ...

    async def close(self) -> None: ...
