"""A circuit breaker: after a row of failures calls are refused at once, until one that is let through succeeds.

closed --(failures in a row)--> open --(pause over)--> one trial --ok--> closed
                                 ^------------------failed, longer pause---'
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable


class Breaker:
    """One a server. `pause_s` doubles with each failed trial up to `most_s`; each pause is drawn from its upper half, so that many
    processes do not come back at the same instant."""

    def __init__(
        self, *, failures: int = 3, pause_s: float = 1.0, most_s: float = 30.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = failures
        self._first_s = pause_s
        self._most_s = most_s
        self._clock = clock
        self._failures = 0
        self._pauses = 0
        self._until: float | None = None

    def wait_s(self) -> float:
        """0 when a call may go out; else how long calls are refused from now. The first to ask after a pause is its trial."""
        if self._until is None:
            return 0.0
        left = self._until - self._clock()
        if left > 0:
            return left
        # Whoever comes while the trial is out waits for what it says.
        self._until = self._clock() + self._first_s
        return 0.0

    @property
    def open(self) -> bool:
        return self._until is not None

    def succeeded(self) -> None:
        self._failures = self._pauses = 0
        self._until = None

    def failed(self) -> None:
        self._failures += 1
        if self._failures >= self._limit:
            pause_s = min(self._most_s, self._first_s * 2**self._pauses)
            self._pauses += 1
            self._until = self._clock() + pause_s * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, no secret
