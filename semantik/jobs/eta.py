"""An honest rate: from what was done lately, and silence while it would be a guess. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

_WINDOW_S = 60.0
_LEAST_S = 3.0
_LEAST_ITEMS = 5
# When the two halves of the window differ more than this, the future is not known from the past.
_STEADY = 3.0


@dataclass(slots=True)
class Pace:
    """Remembers (time, processed) of one attempt over the last minute."""

    _samples: deque[tuple[float, int]] = field(default_factory=deque)

    def note(self, at_s: float, processed: int) -> None:
        self._samples.append((at_s, processed))
        while len(self._samples) > 3 and at_s - self._samples[1][0] > _WINDOW_S:
            self._samples.popleft()
        if len(self._samples) > 600:
            # Keeps memory and the search for the middle small whatever the pace: every second sample goes.
            self._samples = deque(list(self._samples)[::2])

    def rate_per_s(self) -> float | None:
        """Items a second, or None while too little was seen or the pace is not steady."""
        if len(self._samples) < 3:
            return None
        (start, first), (end, last) = self._samples[0], self._samples[-1]
        if end - start < _LEAST_S or last - first < _LEAST_ITEMS:
            return None
        middle = (start + end) / 2
        at, count = min(self._samples, key=lambda sample: abs(sample[0] - middle))
        if not start < at < end:
            return None
        early, late = (count - first) / (at - start), (last - count) / (end - at)
        if min(early, late) <= 0 or max(early, late) / min(early, late) > _STEADY:
            return None
        return (last - first) / (end - start)


def remaining_s(*, total: int | None, processed: int, rate_per_s: float | None) -> int | None:
    """Seconds to go, None while that would be a guess."""
    if total is None or not rate_per_s or processed >= total:
        return None
    return round((total - processed) / rate_per_s)
