"""Shows how a text would be cut, without storing anything."""

from __future__ import annotations

from semantik.engines.chunking import headings
from semantik.engines.chunking.base import Chunker, ChunkingSettings
from semantik.engines.embedding.base import Tokenizer
from semantik.engines.extract.base import Part
from semantik.features.collections.schemas import Preview, PreviewChunk
from semantik.kit.concurrency import run_cpu


async def cut(text: str, chunker: Chunker, tokenizer: Tokenizer, settings: ChunkingSettings) -> Preview:
    """Markdown headings in the text count as headings, as they do in a Markdown document."""
    return await run_cpu(_cut, text, chunker, tokenizer, settings)


def _cut(text: str, chunker: Chunker, tokenizer: Tokenizer, settings: ChunkingSettings) -> Preview:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    part = Part(text=text if text.endswith("\n") else text + "\n", headings=headings.find_headings(text))
    trail = headings.Trail()
    return Preview(
        chunks=[
            PreviewChunk(
                ordinal=ordinal,
                text=part.text[span.start : span.end],
                start=span.start,
                end=span.end,
                tokens=span.tokens,
                heading_path=list(trail.at(part, span)),
            )
            for ordinal, span in enumerate(chunker.split(part, tokenizer, settings))
        ]
    )
