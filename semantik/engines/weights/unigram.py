"""Cuts text by a SentencePiece unigram vocabulary: the tokens, and where in the text each one stands.

The `tokenizers` library gives the same pieces and is the oracle of the tests, but holds 250,000 pieces in about 200 MB and
takes 1.6 s of CPU to build; a dictionary of the pieces takes a fifth of both, and the words of a text repeat, so most of
them come out of a small cache. Kudo, "Subword regularization", ACL 2018, section 3.2; Viterbi over pieces of at most 16
characters, so the time is linear in the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_SPACE = "\u2581"
_RUN = re.compile(r"\S+")
# What SentencePiece's `nmt_nfkc` map does besides NFKC: format characters become blanks, controls vanish.
_NMT = dict.fromkeys([0x1680, *range(0x200B, 0x2010), 0x2028, 0x2029, 0x2581, 0xFEFF, 0xFFFD], " ") | dict.fromkeys(
    [*range(0x01, 0x09), 0x0B, *range(0x0E, 0x20), 0x7F, 0x8F, 0x9F], ""
)
_NMT_CHARACTERS = re.compile("[" + "".join(map(re.escape, map(chr, _NMT))) + "]")
# Second halves of canonical compositions whose combining class is 0 (Indic vowel signs, Hangul vowels and finals).
_JOINING = frozenset("\u09be\u09d7\u0b3e\u0b56\u0b57\u0bbe\u0bd7\u0cc2\u0cd5\u0cd6\u0d3e\u0d57\u0dcf\u0ddf\u102e\u1b35") | {
    chr(code) for code in (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3), *range(0x314F, 0x3164), *range(0xFFC2, 0xFFDD))
}

_MAX_RUN = 2048  # a longer stretch without a blank is cut: it is no word, and nothing may grow with it
_MAX_UNKNOWN = 16  # unknown characters that share one token
_MAX_CLUSTER = 32
_CACHED_LENGTH = 32
_CACHED_RUNS = 20_000

_Cut = tuple[tuple[int, ...], tuple[int, ...]]  # ids, and where each starts within the run


class Unigram:
    """Safe to call from several threads: the cache is only ever a shortcut."""

    def __init__(self, pieces: list[str], scores: NDArray[np.float32], *, unk: int) -> None:
        self._ids = {piece: index for index, piece in enumerate(pieces)}
        self._scores: list[float] = scores.tolist()
        self._unk = unk
        self._unk_score = min(self._scores) - 10.0
        # The longest piece behind each beginning of three characters: most beginnings have none, which ends the search there.
        self._reach: dict[str, int] = {}
        for piece in pieces:
            if len(piece) >= 3 and len(piece) > self._reach.get(piece[:3], 0):
                self._reach[piece[:3]] = len(piece)
        self._cache: dict[str, _Cut] = {}

    def ids(self, text: str, limit: int | None = None) -> list[int]:
        """Ids of the text's tokens, no specials; at most `limit`, and no more of the text is looked at than that takes."""
        found: list[int] = []
        for _, run, continued in _runs(text):
            found.extend(self._cut(run, continued)[0])
            if limit is not None and len(found) >= limit:
                return found[:limit]
        return found

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Character spans of the tokens, ascending; together they cover every non-blank character."""
        found: list[tuple[int, int]] = []
        for start, run, continued in _runs(text):
            starts = self._cut(run, continued)[1] or (0,)
            end = start + len(run)
            last = len(starts) - 1
            for index, offset in enumerate(starts):
                # A token reaches to the next one, so that what normalisation dropped belongs to some token. Tokens of one
                # character that became many (a ligature) share its span.
                reach = index + 1
                while reach <= last and starts[reach] == offset:
                    reach += 1
                found.append((start + offset, start + starts[reach] if reach <= last else end))
        return found

    def count(self, text: str) -> int:
        return sum(len(self._cut(run, continued)[0]) or 1 for _, run, continued in _runs(text))

    def _cut(self, run: str, continued: bool) -> _Cut:
        if continued:
            return self._segment(run, continued)
        known = self._cache.get(run)
        if known is not None:
            return known
        cut = self._segment(run, continued)
        if len(run) <= _CACHED_LENGTH:
            if len(self._cache) >= _CACHED_RUNS:
                self._cache.clear()
            self._cache[run] = cut
        return cut

    def _segment(self, run: str, continued: bool) -> _Cut:
        normal, origins = _normalised(run)
        ids: list[int] = []
        starts: list[int] = []
        position = 0
        for word in normal.split(" "):
            if word:
                prefix = 0 if continued and position == 0 else 1
                for piece, offset in self._viterbi(_SPACE + word if prefix else word):
                    ids.append(piece)
                    starts.append(origins[position + max(0, offset - prefix)])
            position += len(word) + 1
        if starts:
            starts[0] = 0
        return tuple(ids), tuple(starts)

    def _viterbi(self, word: str) -> list[tuple[int, int]]:
        """The best pieces of a word as (id, offset)."""
        length, reach, ids, scores = len(word), self._reach, self._ids, self._scores
        best = [-1e30] * (length + 1)
        best[0] = 0.0
        came_from = [0] * (length + 1)
        chosen = [self._unk] * (length + 1)
        for start in range(length):
            base = best[start]
            longest = reach.get(word[start : start + 3], 2)
            for end in range(start + 1, min(start + longest, length) + 1):
                index = ids.get(word[start:end])
                if index is None:
                    continue
                score = base + scores[index]
                if score > best[end]:
                    best[end], came_from[end], chosen[end] = score, start, index
            if word[start] not in ids and base + self._unk_score > best[start + 1]:
                best[start + 1], came_from[start + 1], chosen[start + 1] = base + self._unk_score, start, self._unk
        path: list[tuple[int, int]] = []
        end = length
        while end > 0:
            path.append((chosen[end], came_from[end]))
            end = came_from[end]
        path.reverse()
        return self._fused(path) if any(index == self._unk for index, _ in path) else path

    def _fused(self, path: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Neighbouring unknown characters become one token, as in SentencePiece, up to a bound."""
        fused: list[tuple[int, int]] = []
        for index, offset in path:
            joins = index == self._unk and fused and fused[-1][0] == self._unk and offset - fused[-1][1] < _MAX_UNKNOWN
            if not joins:
                fused.append((index, offset))
        return fused


def _runs(text: str) -> Iterator[tuple[int, str, bool]]:
    """Stretches without a blank as (start, stretch, whether it goes on from the one before)."""
    for match in _RUN.finditer(text):
        start, end = match.span()
        if end - start <= _MAX_RUN:
            yield start, match.group(), False
            continue
        for cut in range(start, end, _MAX_RUN):
            yield cut, text[cut : min(cut + _MAX_RUN, end)], cut > start


def _normalised(run: str) -> tuple[str, range | list[int]]:
    """The run as the model knows it (NMT and NFKC) and for each of its characters the place in the run it came from."""
    if run.isascii() and run.isprintable():
        return run, range(len(run) + 1)
    if unicodedata.is_normalized("NFKC", run) and not _NMT_CHARACTERS.search(run):
        return run, range(len(run) + 1)
    pieces: list[str] = []
    origins: list[int] = []
    start = 0
    for end in range(1, len(run) + 1):
        if end < len(run) and end - start < _MAX_CLUSTER and (unicodedata.combining(run[end]) or run[end] in _JOINING):
            continue
        piece = unicodedata.normalize("NFKC", run[start:end].translate(_NMT)).replace("\xa0", " ")
        pieces.append(piece)
        origins.extend([start] * len(piece))
        start = end
    return "".join(pieces), [*origins, len(run)]
