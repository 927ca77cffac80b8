"""Fills chunks with tokens: as full as the limit allows, ending at the best seam near it, with overlap at a sentence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semantik.engines.chunking.base import ChunkingSettings, Span
from semantik.engines.chunking.seams import Seam, Seams

_LONGEST_CHARACTER = 64  # tokens; the longest compatibility decomposition has 18 letters


@dataclass(frozen=True, slots=True)
class Manner:
    """How a strategy fills its chunks.

    `preferences`: (strength, least filling); the first that finds a seam decides. `overlap_at`: where an overlap may begin, best
    first; none of these found = no overlap. `least_last`: the part of `max_tokens` that is left for the last chunk.
    """

    preferences: tuple[tuple[Seam, float], ...]
    overlap_at: tuple[Seam, ...]
    least_last: float = 0.25


# A chunk rather ends half full behind a paragraph than full in the middle of one, and rather a tenth full than inside a sentence.
GLADLY = Manner(
    preferences=(
        (Seam.HEADING, 0.3),
        (Seam.PARAGRAPH, 0.5),
        (Seam.LINE, 0.6),
        (Seam.ROW, 0.0),
        (Seam.SENTENCE, 0.4),
        (Seam.PARAGRAPH, 0.15),
        (Seam.SENTENCE, 0.1),
        (Seam.WORD, 0.0),
    ),
    overlap_at=(Seam.SENTENCE, Seam.WORD, Seam.TOKEN),
)


def pack(seams: Seams, settings: ChunkingSettings, manner: Manner = GLADLY, *, start: int = 0, end: int | None = None) -> list[Span]:
    """Spans over tokens [start, end): ascending, each at most `max_tokens`, covering all, overlapping by at most `overlap_tokens`.

    Only tokens that share one character may go beyond the limit. Linear: each chunk looks at its own tokens a bounded number of times.
    """
    end = len(seams) if end is None else end
    spans: list[Span] = []
    cut = start
    while start < end:
        cut = _cut(seams, start, cut, end, settings.max_tokens, manner)
        spans.append(Span(int(seams.starts[start]), int(seams.ends[cut - 1]), cut - start))
        if cut >= end:
            break
        start = _overlapped(seams, start, cut, settings.overlap_tokens, manner)
    return spans


def _cut(seams: Seams, start: int, done: int, end: int, max_tokens: int, manner: Manner) -> int:
    """The token before which the chunk that begins at `start` ends: behind `done`, the end of the chunk before."""
    if end - start <= max_tokens:
        return end
    # The last chunk should not be a scrap.
    limit = min(start + max_tokens, end - int(max_tokens * manner.least_last))
    limit = max(limit, start + (max_tokens + 1) // 2, done + 1)
    for seam, filling in (*manner.preferences, (Seam.TOKEN, 0.0)):
        first = max(done, start + int((limit - start) * filling)) + 1
        found = _last(seams.strength[first : limit + 1] >= seam)
        if found is not None:
            return first + found
    later = np.flatnonzero(seams.strength[limit : min(end, limit + _LONGEST_CHARACTER)] >= Seam.TOKEN)
    return limit + int(later[0]) if len(later) else end


def _overlapped(seams: Seams, start: int, cut: int, overlap: int, manner: Manner) -> int:
    """Where the next chunk begins: up to `overlap` tokens before the cut, and always behind `start`.

    No overlap across a heading or a row: what stands above belongs to something else.
    """
    if overlap <= 0 or seams.strength[cut] in (Seam.HEADING, Seam.ROW):
        return cut
    earliest = max(start + 1, cut - overlap)
    strength = seams.strength[earliest:cut]
    for seam in manner.overlap_at:
        found = np.flatnonzero(strength >= seam)
        if len(found):
            return earliest + int(found[0])
    return cut


def _last(mask: NDArray[np.bool_]) -> int | None:
    found = np.flatnonzero(mask)
    return int(found[-1]) if len(found) else None
