"""A move may wait for an index longer than a search may, and asks it again: hours of work hang on one answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from semantik.engines.vectors.base import IndexRefused, IndexUnavailable
from semantik.kit.errors import DiskFull
from semantik.kit.settings import Settings

T = TypeVar("T")

_ANSWER_S = 60.0
# Longer than a server takes to start anew, and than its breaker stays open.
_PAUSES_S = (5.0, 15.0, 40.0)


def patient(settings: Settings) -> Settings:
    """The same place, whose index has a minute for each answer."""
    return settings.model_copy(update={"qdrant_timeout_s": max(settings.qdrant_timeout_s, _ANSWER_S)})


async def patiently(call: Callable[[], Awaitable[T]], *, pauses_s: tuple[float, ...] = _PAUSES_S) -> T:
    """The answer of `call()`, which may be repeated. Raises `IndexUnavailable` when none came after some more tries, or none ever will."""
    for pause_s in pauses_s:
        try:
            return await call()
        except IndexUnavailable as error:
            # What a person has to mend first: another key, room on a disk.
            if error.retry_after_s is None or isinstance(error, IndexRefused | DiskFull):
                raise
            await asyncio.sleep(max(pause_s, error.retry_after_s))
    try:
        return await call()
    except IndexUnavailable as error:
        raise type(error)(
            f"{error.detail}, asked {len(pauses_s) + 1} times",
            hint="The source was not changed. Give the same command once more: it goes on from there.",
            retry_after_s=error.retry_after_s,
        ) from error
