"""The heading path of a chunk, carried from part to part of a document, and the text that is embedded for it."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from semantik.engines.chunking.base import Span
from semantik.engines.embedding.base import Tokenizer
from semantik.engines.extract.base import Heading, Part

SEPARATOR = " › "
# Enough for three levels of usual length; a longer path says less about the chunk than the chunk's own words.
MAX_PATH_TOKENS = 48
_LEAST_PATH_TOKENS = 3

_ATX = re.compile(r"^ {0,3}(#{1,6})[ \t]+(\S.*)$|^ {0,3}(```|~~~)", re.MULTILINE)

_Open = tuple[tuple[int, str], ...]  # headings that stand open, outermost first, as (level, title)


class Trail:
    """Walks a document part by part: `at` for each chunk of a part, then `leave` it."""

    def __init__(self) -> None:
        self._before: _Open = ()
        self._part: Part | None = None
        self._offsets: list[int] = []
        self._states: list[_Open] = [()]

    @property
    def path(self) -> tuple[str, ...]:
        """The headings that stand open where the next part begins."""
        return tuple(title for _, title in self._before)

    def at(self, part: Part, span: Span) -> tuple[str, ...]:
        """The headings over the span: those open at its first character, one that begins there included.

        A chunk that holds several sections gets what they share: the headings between them are in its own text.
        """
        self._enter(part)
        first = bisect_right(self._offsets, span.start)
        last = bisect_left(self._offsets, span.end)
        shared = self._states[first]
        for state in self._states[first + 1 : last + 1]:
            shared = _shared(shared, state)
        return tuple(title for _, title in shared)

    def leave(self, part: Part) -> None:
        self._enter(part)
        self._before = self._states[-1]
        self._part = None

    def _enter(self, part: Part) -> None:
        if part is self._part:
            return
        self._part = part
        ordered = sorted(part.headings, key=lambda heading: heading.offset)
        self._offsets = [heading.offset for heading in ordered]
        self._states = [self._before]
        for heading in ordered:
            self._states.append(_past(self._states[-1], heading))


def find_headings(text: str) -> tuple[Heading, ...]:
    """Markdown's `#` headings outside fenced code."""
    found: list[Heading] = []
    fence: str | None = None
    for match in _ATX.finditer(text):
        if match.group(3):
            fence = match.group(3) if fence is None else None if fence == match.group(3) else fence
        elif fence is None:
            found.append(Heading(offset=match.start(), level=len(match.group(1)), title=_without_closing(match.group(2))))
    return tuple(found)


def embedded_text(heading_path: Sequence[str], text: str, tokenizer: Tokenizer, *, tokens: int | None = None) -> str:
    """What is embedded for a chunk: its heading path, unless its text begins with it, a line break, and the text.

    The path takes at most `MAX_PATH_TOKENS` and never room that the text needs: the model would cut the text's end. When it
    is too long its outer headings go first, since the innermost says most. `tokens` = those of the text, when known.
    """
    titles = [title for title in heading_path if title]
    while titles and text.lstrip("#* \t").startswith(titles[-1]):
        titles.pop()
    if not titles:
        return text
    most = _path_tokens(text, tokenizer, tokens)
    while len(titles) > 1 and tokenizer.count(SEPARATOR.join(titles)) > most:
        titles.pop(0)
    path = SEPARATOR.join(titles)
    spans = tokenizer.spans(path)
    if len(spans) > most:
        path = path[: spans[most - 1][1]] if most >= _LEAST_PATH_TOKENS else ""
    return f"{path}\n{text}" if path else text


def _without_closing(title: str) -> str:
    """`## Title ##` is closed by the marks behind a blank; `C#` is not."""
    title = title.rstrip()
    bare = title.rstrip("#")
    return bare.rstrip() if not bare or bare[-1] in " \t" else title


def _path_tokens(text: str, tokenizer: Tokenizer, tokens: int | None) -> int:
    if not tokenizer.room:
        return MAX_PATH_TOKENS
    # One token more, because a text that was cut inside a word may take one more when it stands alone.
    return min(MAX_PATH_TOKENS, tokenizer.room - (tokenizer.count(text) if tokens is None else tokens) - 1)


def _past(state: _Open, heading: Heading) -> _Open:
    """A heading closes those of its level and below."""
    title = " ".join(heading.title.split())
    outer = tuple(one for one in state if one[0] < heading.level)
    return (*outer, (heading.level, title)) if title else outer


def _shared(one: _Open, other: _Open) -> _Open:
    same = 0
    while same < min(len(one), len(other)) and one[same] == other[same]:
        same += 1
    return one[:same]
