"""Whole sentences, as many as fit; overlap in whole sentences. A sentence is cut only when it alone is too long."""

from __future__ import annotations

from collections.abc import Sequence

from semantik.engines.chunking.base import Chunker, ChunkingSettings, Span
from semantik.engines.chunking.packing import Manner, pack
from semantik.engines.chunking.seams import Seam, find_seams
from semantik.engines.embedding.base import Tokenizer
from semantik.engines.extract.base import Part

_BY_SENTENCE = Manner(preferences=((Seam.HEADING, 0.3), (Seam.SENTENCE, 0.0), (Seam.WORD, 0.0)), overlap_at=(Seam.SENTENCE,))


class Sentences(Chunker):
    def split(self, part: Part, tokenizer: Tokenizer, settings: ChunkingSettings, heading_path: Sequence[str] = ()) -> list[Span]:
        return pack(find_seams(part, tokenizer), settings, _BY_SENTENCE)
