"""The heading path of a chunk, carried from part to part of a document, and the text that is embedded for it."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from semantik.engines.embedding.base import Tokenizer
from semantik.engines.extract.base import Heading

SEPARATOR = " › "
# Enough for three levels of usual length; a longer path says less about the chunk than the chunk's own words.
MAX_PATH_TOKENS = 48

_ATX = re.compile(r"^ {0,3}(#{1,6})[ \t]+(\S.*?)[ \t]*#*[ \t]*$|^ {0,3}(```|~~~)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Trail:
    """The headings that stand open at some place of a document, outermost first, as (level, title)."""

    open: tuple[tuple[int, str], ...] = ()

    @property
    def path(self) -> tuple[str, ...]:
        return tuple(title for _, title in self.open)

    def past(self, heading: Heading) -> Trail:
        """The trail behind a heading: it closes those of its level and below."""
        title = " ".join(heading.title.split())
        outer = tuple(one for one in self.open if one[0] < heading.level)
        return Trail((*outer, (heading.level, title))) if title else Trail(outer)


class Outline:
    """The trails within one part, given the trail at its beginning. Made once a part, asked for each chunk."""

    def __init__(self, headings: Sequence[Heading], before: Trail = Trail()) -> None:
        ordered = sorted(headings, key=lambda heading: heading.offset)
        self._offsets = [heading.offset for heading in ordered]
        self._trails = [before]
        for heading in ordered:
            self._trails.append(self._trails[-1].past(heading))

    @property
    def after(self) -> Trail:
        """The trail at the part's end: the next part's beginning."""
        return self._trails[-1]

    def path(self, start: int, end: int) -> tuple[str, ...]:
        """The headings over [start, end): those open at its first character, a heading that begins there included.

        A chunk that holds several sections gets what they share; the headings inside it are in its own text.
        """
        first = bisect_right(self._offsets, start)
        last = bisect_left(self._offsets, end)
        shared = self._trails[first].open
        for trail in self._trails[first + 1 : last + 1]:
            same = 0
            while same < min(len(shared), len(trail.open)) and shared[same] == trail.open[same]:
                same += 1
            shared = shared[:same]
        return tuple(title for _, title in shared)


def find_headings(text: str) -> tuple[Heading, ...]:
    """Markdown's `#` headings outside fenced code."""
    found: list[Heading] = []
    fence: str | None = None
    for match in _ATX.finditer(text):
        if match.group(3):
            fence = match.group(3) if fence is None else None if fence == match.group(3) else fence
        elif fence is None:
            found.append(Heading(offset=match.start(), level=len(match.group(1)), title=match.group(2)))
    return tuple(found)


def embedded_text(heading_path: Sequence[str], text: str, tokenizer: Tokenizer, *, max_tokens: int = MAX_PATH_TOKENS) -> str:
    """What is embedded for a chunk: its heading path, unless its text begins with it, a line break, and the text.

    Of a path beyond `max_tokens` the outer headings go first: the innermost says most. A first part may be cut at the end.
    """
    titles = [title for title in heading_path if title]
    while titles and text.lstrip("#* \t").startswith(titles[-1]):
        titles.pop()
    while len(titles) > 1 and tokenizer.count(SEPARATOR.join(titles)) > max_tokens:
        titles.pop(0)
    if not titles:
        return text
    path = SEPARATOR.join(titles)
    spans = tokenizer.spans(path)
    if len(spans) > max_tokens:
        path = path[: spans[max_tokens - 1][1]]
    return f"{path}\n{text}"
