"""One chunk a section: cuts at every heading, and within a section that is too long as `recursive` does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from semantik.engines.chunking.base import Chunker, ChunkingSettings, Span
from semantik.engines.chunking.headings import find_headings
from semantik.engines.chunking.packing import pack
from semantik.engines.chunking.seams import Seam, find_seams
from semantik.engines.embedding.base import Tokenizer
from semantik.engines.extract.base import Part


class Markdown(Chunker):
    """Takes the part's headings, or those its text marks with `#` when the part names none."""

    def split(self, part: Part, tokenizer: Tokenizer, settings: ChunkingSettings, heading_path: Sequence[str] = ()) -> list[Span]:
        if not part.headings:
            part = replace(part, headings=find_headings(part.text))
        seams = find_seams(part, tokenizer)
        cuts = [0, *(int(cut) for cut in np.flatnonzero(seams.strength == Seam.HEADING) if cut), len(seams)]
        spans: list[Span] = []
        for start, end in pairwise(cuts):
            spans.extend(pack(seams, settings, start=start, end=end))
        return spans
