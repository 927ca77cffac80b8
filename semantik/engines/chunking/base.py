"""The port from parts to chunks: spans of one part's text, sized in tokens of the collection's model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from semantik.engines.embedding.base import Tokenizer
from semantik.engines.extract.base import Part


@dataclass(frozen=True, slots=True)
class ChunkingSettings:
    """`overlap_tokens` < `max_tokens`; `max_tokens` leaves room for specials, prefix and the heading path."""

    strategy: str = "recursive"
    max_tokens: int = 240
    overlap_tokens: int = 24


@dataclass(frozen=True, slots=True)
class Span:
    """[start, end) in the part's text, not empty, no blank at either end; `tokens` counted by the tokenizer."""

    start: int
    end: int
    tokens: int


class Chunker(Protocol):
    """Pure; linear time on any text. Spans ascend by start; together they cover every non-blank character."""

    def split(self, part: Part, tokenizer: Tokenizer, settings: ChunkingSettings, heading_path: Sequence[str] = ()) -> list[Span]: ...
