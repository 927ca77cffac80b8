"""How often something may be tried: guessing passwords and set-up tokens is slowed down for each address and name.

Counted in this process, so several API processes allow so many times as much. An attempt counts before it is
checked, so that a hundred guesses sent at once are not all let through; a success takes its own attempts back.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable

from fastapi import Request

from semantik.kit.errors import RateLimited

_WINDOW_S = 60.0
# An attacker chooses the keys: the oldest ones are dropped beyond this.
_MAX_KEYS = 20_000
# One address may try several names, as a shared office does, but not every name there is.
_PER_ADDRESS = 5


class TooManyAttempts(RateLimited):
    code = "too_many_attempts"
    title = "Too many attempts"


class Attempts:
    """A sliding window of a minute for each key."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: OrderedDict[str, deque[float]] = OrderedDict()

    def take(self, key: str, *, limit: int) -> None:
        """Counts one attempt. Raises `TooManyAttempts` when `limit` were made in the last minute; that one does not count."""
        at = self._clock()
        seen = self._seen.setdefault(key, deque())
        self._seen.move_to_end(key)
        while seen and seen[0] <= at - _WINDOW_S:
            seen.popleft()
        if len(seen) >= limit:
            wait_s = max(1.0, seen[0] + _WINDOW_S - at)
            raise TooManyAttempts(
                f"{limit} attempts in a minute are allowed", retry_after_s=wait_s, hint=f"Try again in {round(wait_s)} s."
            )
        seen.append(at)
        while len(self._seen) > _MAX_KEYS:
            self._seen.popitem(last=False)

    def give_back(self, key: str) -> None:
        """Takes back the newest attempt of a key: it was no guess."""
        seen = self._seen.get(key)
        if seen:
            seen.pop()
        if not seen:
            self._seen.pop(key, None)


class Guard:
    """One attempt at a secret by one caller: `take` before checking it, `succeeded` after a match."""

    def __init__(self, attempts: Attempts, keys: dict[str, int]) -> None:
        self._attempts = attempts
        self._keys = keys

    def take(self) -> None:
        for key, limit in self._keys.items():
            self._attempts.take(key, limit=limit)

    def succeeded(self) -> None:
        for key in self._keys:
            self._attempts.give_back(key)


def guard(request: Request, name: str, *, limit: int) -> Guard:
    """A guard for `name` (an e-mail, a user's id, "setup") from the caller's address."""
    if not hasattr(request.app.state, "attempts"):
        request.app.state.attempts = Attempts()
    address = request.client.host if request.client else "local"
    return Guard(request.app.state.attempts, {f"{address} {name}": limit, f"{address} *": limit * _PER_ADDRESS})
