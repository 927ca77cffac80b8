"""Where a text may be cut, and how gladly: one strength for the place before each of its tokens."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from semantik.engines.chunking.endings import sentence_ends
from semantik.engines.embedding.base import Tokenizer
from semantik.engines.extract.base import Part

_BLANK_LINE = re.compile(r"\n[^\S\n]*\n")


class Seam(IntEnum):
    """Strength of a place to cut, weakest first."""

    TOKEN = 0
    WORD = 1
    SENTENCE = 2
    LINE = 3
    ROW = 4
    PARAGRAPH = 5
    HEADING = 6


@dataclass(frozen=True, slots=True)
class Seams:
    """Tokens of one text as [starts, ends) and before each token the `strength` of the seam; `-1` = never cut here.

    The text is cut between tokens only, so `[starts[i], ends[j - 1])` for any i < j has no blank at either end.
    """

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    strength: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.starts)


def find_token_seams(text: str, tokenizer: Tokenizer) -> Seams:
    """Tokenises the text once; knows tokens and words only. Linear."""
    bounds = np.array(_visible(text, tokenizer.spans(text)), dtype=np.int64).reshape(-1, 2)
    starts, ends = bounds[:, 0].copy(), bounds[:, 1].copy()
    strength = np.zeros(len(starts), dtype=np.int8)
    strength[1:][starts[1:] > ends[:-1]] = Seam.WORD
    # Tokens of one character that the tokenizer made many stay together.
    strength[1:][starts[1:] < ends[:-1]] = -1
    return Seams(starts, ends, strength)


def find_seams(part: Part, tokenizer: Tokenizer) -> Seams:
    """Tokenises the text once and finds sentences, lines, rows, paragraphs and headings. Linear."""
    text = part.text
    seams = find_token_seams(text, tokenizer)
    starts, ends, strength = seams.starts, seams.ends, seams.strength
    if not len(starts):
        return seams
    _raise(strength, starts, ends, sentence_ends(text), Seam.SENTENCE)
    _raise(strength, starts, ends, [match.end() for match in re.finditer("\n", text)], Seam.LINE)
    if part.rows:
        _only_whole_rows(strength, starts, ends, [offset for offset, _ in part.rows])
    _raise(strength, starts, ends, [match.end() for match in _BLANK_LINE.finditer(text)], Seam.PARAGRAPH)
    _bind_headings(strength, starts, ends, part)
    return seams


def _visible(text: str, spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The spans without blanks at their ends; spans of nothing but blanks are dropped."""
    kept = []
    for start, end in spans:
        token = text[start:end]
        if token[:1].isspace() or token[-1:].isspace():
            end -= len(token) - len(token.rstrip())
            start += len(token) - len(token.lstrip())
        if start < end:
            kept.append((start, end))
    return kept


def _raise(strength: NDArray[np.int8], starts: NDArray[np.int64], ends: NDArray[np.int64], offsets: Sequence[int], seam: Seam) -> None:
    """Lifts the seam before the first token at or after each offset. An offset inside a token is no seam."""
    at = np.asarray(offsets, dtype=np.int64)
    tokens: NDArray[np.int64] = np.searchsorted(starts, at)
    inside = (tokens > 0) & (ends[np.maximum(tokens, 1) - 1] > at)
    tokens = tokens[(tokens > 0) & (tokens < len(starts)) & ~inside]
    strength[tokens] = np.maximum(strength[tokens], seam)


def _only_whole_rows(strength: NDArray[np.int8], starts: NDArray[np.int64], ends: NDArray[np.int64], offsets: Sequence[int]) -> None:
    """Rows begin at ROW seams; a line break inside a row's cell is no better a place than a sentence's end."""
    first, last = np.searchsorted(starts, [offsets[0], offsets[-1]])
    strength[first : last + 1] = np.minimum(strength[first : last + 1], Seam.SENTENCE)
    _raise(strength, starts, ends, offsets, Seam.ROW)


def _bind_headings(strength: NDArray[np.int8], starts: NDArray[np.int64], ends: NDArray[np.int64], part: Part) -> None:
    """The place before a heading is the best one; between a heading and what follows it is none."""
    offsets = sorted({heading.offset for heading in part.headings})
    _raise(strength, starts, ends, offsets, Seam.HEADING)
    bounds = []
    for offset in offsets:
        line_end = part.text.find("\n", offset)
        bounds.append(len(part.text) if line_end < 0 else line_end)
    followers = np.searchsorted(starts, np.asarray(bounds, dtype=np.int64))
    followers = followers[(followers > 0) & (followers < len(starts))]
    # Two headings in a row: the first keeps the second, the seam before the first stays.
    strength[followers] = np.minimum(strength[followers], Seam.TOKEN)
