"""Cuts at the size limit, at a token's edge, whatever stands there: chunks of equal size."""

from __future__ import annotations

from collections.abc import Sequence

from semantik.engines.chunking.base import Chunker, ChunkingSettings, Span
from semantik.engines.chunking.packing import Manner, pack
from semantik.engines.chunking.seams import Seam, find_token_seams
from semantik.engines.embedding.base import Tokenizer
from semantik.engines.extract.base import Part

_EXACTLY = Manner(preferences=((Seam.TOKEN, 0.0),), overlap_at=(Seam.TOKEN,), least_last=0.0)


class Tokens(Chunker):
    """Every chunk but the last is full and overlaps exactly, save where one character became several tokens."""

    def split(self, part: Part, tokenizer: Tokenizer, settings: ChunkingSettings, heading_path: Sequence[str] = ()) -> list[Span]:
        return pack(find_token_seams(part.text, tokenizer), settings, _EXACTLY)
