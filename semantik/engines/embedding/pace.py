"""Keeps requests to a remote service apart: a fixed rate, and a pause for all when the service asks for one."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC
from email.utils import parsedate_to_datetime

from semantik.kit.clock import now


class Pace:
    """Hands out turns in order of asking. Seconds of the monotonic clock."""

    def __init__(self, per_minute: float | None = None) -> None:
        self._apart_s = 60.0 / per_minute if per_minute else 0.0
        self._next = 0.0

    async def turn(self) -> None:
        """Returns when the next request may be sent."""
        while True:
            at = max(self._next, time.monotonic())
            wait = at - time.monotonic()
            if wait <= 0:
                self._next = at + self._apart_s
                return
            if self._apart_s:
                # Takes its place in the row before it waits, so that the others queue behind it.
                self._next = at + self._apart_s
                await asyncio.sleep(wait)
                return
            await asyncio.sleep(wait)

    def hold(self, seconds: float) -> None:
        """Nobody's turn comes before `seconds` from now."""
        self._next = max(self._next, time.monotonic() + seconds)


def retry_after_s(value: str | None) -> float | None:
    """Seconds of a Retry-After header, given as a number or a date (RFC 9110, section 10.2.3); None when there is none."""
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - now()).total_seconds())
