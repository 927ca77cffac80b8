"""Turns at a remote provider: requests and tokens a minute, and a pause for all when the provider asks for one."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from datetime import UTC
from email.utils import parsedate_to_datetime

from semantik.engines.limits.base import Buckets, Rate
from semantik.kit.clock import now
from semantik.kit.errors import RateLimited

# A bucket holds five seconds of its rate: a minute never sees more than a twelfth above it, and a full bucket is five seconds away.
_BURST_S = 5.0
# A provider that asks for more is asked again after an hour.
_LONGEST_HOLD_S = 3600.0
_UNLIMITED = Rate(per_s=1e9, burst=1e9)


class Throttle:
    """One key at one provider. All workers that share the buckets share its limits and its pauses."""

    def __init__(self, buckets: Buckets, key: str, *, requests_per_minute: float = 0, tokens_per_minute: float = 0) -> None:
        """Zero: as many as the provider lets through."""
        self._buckets = buckets
        self._key = key
        self._requests = _rate(requests_per_minute)
        self._tokens = _rate(tokens_per_minute)
        self._lines: dict[bool, asyncio.Lock] = {True: asyncio.Lock(), False: asyncio.Lock()}

    @property
    def most_tokens(self) -> float:
        """Requests of up to this size never wait longer than a full bucket takes."""
        return self._tokens.burst

    async def turn(self, tokens: float, *, patience_s: float, urgent: bool = False) -> None:
        """Returns when a request of about so many tokens may be sent; `urgent` ones do not queue behind the others.

        Raises `RateLimited` when that is longer away than `patience_s`.
        """
        async with self._lines[urgent]:
            await self._take("requests", 1, self._requests, patience_s)
            async with AsyncExitStack() as refused:
                refused.push_async_callback(self._buckets.settle, f"{self._key}:requests", taken=1, used=0, rate=self._requests)
                await self._take("tokens", tokens, self._tokens, patience_s)
                refused.pop_all()

    async def settle(self, *, taken: float, used: float) -> None:
        """The tokens that a request really cost."""
        await self._buckets.settle(f"{self._key}:tokens", taken=taken, used=used, rate=self._tokens)

    async def hold(self, seconds: float) -> None:
        """Nobody's turn comes before `seconds` from now, in any worker."""
        await self._buckets.block(f"{self._key}:requests", min(seconds, _LONGEST_HOLD_S))

    async def _take(self, meter: str, cost: float, rate: Rate, patience_s: float) -> None:
        until = time.monotonic() + patience_s
        while wait := await self._buckets.take(f"{self._key}:{meter}", cost, rate):
            if time.monotonic() + wait > until:
                raise RateLimited(
                    f"the provider's limit of {meter} is used up for another {wait:.0f} s",
                    retry_after_s=wait,
                    hint="It goes on by itself. SEMANTIK_REMOTE_EMBEDDING_REQUESTS_PER_MINUTE and _TOKENS_PER_MINUTE set our own limits.",
                )
            await asyncio.sleep(wait)


def _rate(per_minute: float) -> Rate:
    return Rate(per_minute / 60, max(1.0, per_minute / 60 * _BURST_S)) if per_minute else _UNLIMITED


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
