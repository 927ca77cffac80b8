"""The default way to cut: at headings, paragraphs, lines, sentences, words, whichever is best near the size limit."""

from __future__ import annotations

from collections.abc import Sequence

from semantik.engines.chunking.base import Chunker, ChunkingSettings, Span
from semantik.engines.chunking.packing import pack
from semantik.engines.chunking.seams import find_seams
from semantik.engines.embedding.base import Tokenizer
from semantik.engines.extract.base import Part


class Recursive(Chunker):
    """A heading stays with what follows it; a table row is cut only when it alone is too long."""

    def split(self, part: Part, tokenizer: Tokenizer, settings: ChunkingSettings, heading_path: Sequence[str] = ()) -> list[Span]:
        return pack(find_seams(part, tokenizer), settings)
