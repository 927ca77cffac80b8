"""Turns flowing text into parts that obey the port's rules: cleaned, bounded, cut where a reader would pause. Linear time."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence

from semantik.engines.extract.base import Heading

MAX_PART = 256 * 1024
# Half of the limit: large enough that few sections are cut, small enough that a chunker holds little at once.
TARGET_PART = MAX_PART // 2

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f]")
_BAD = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
# Linear: a label holds no bracket and an address no line end, so no two tries look at the same stretch.
_TARGET = r"\((?:[^()\n]{0,8000}(?:\([^()\n]{0,2000}\))?){1,4}\)"
_IMAGE = re.compile(r"!\[([^\[\]\n]{0,1000})\]" + _TARGET)
_LINK = re.compile(r"(?<!!)\[([^\[\]\n]{0,1000})\]" + _TARGET)
_BLANK_RUN = re.compile(r"\n[ \t]*\n(?:[ \t]*\n)+")


def clean(text: str) -> str:
    """Line ends become \\n; NUL and other control characters go; form feeds become line ends; lone surrogates U+FFFD."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    # Two quick looks: a class that reaches over all of Unicode costs forty times as much, and hardly any text needs it.
    if _CONTROL.search(text) is None and (text.isascii() or ("\ufffe" not in text and "\uffff" not in text and _encodes(text))):
        return text
    return _BAD.sub(_replacement, text)


def _encodes(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _replacement(match: re.Match[str]) -> str:
    character = match.group()
    if character in "\x0b\x0c\x1c\x1d\x1e":
        return "\n"
    return "\ufffd" if "\ud800" <= character <= "\udfff" else ""


def squeeze(text: str) -> str:
    """More than one blank line in a row says nothing more than one."""
    return _BLANK_RUN.sub("\n\n", text)


def without_targets(markdown: str) -> str:
    """Links and images by their words alone: addresses are not what a document says."""
    if "](" not in markdown:
        return markdown
    return _LINK.sub(r"\1", _IMAGE.sub(r"\1", markdown))


def cut_at(text: str, headings: Sequence[Heading], most: int = TARGET_PART) -> int:
    """Where to end a part of at most `most` characters in a longer `text`; `headings` ascend by offset.

    Prefers the outermost heading of the latter half, then any heading, then a blank line, a line end, a blank; cuts hard
    where there is none of them.
    """
    inside = [heading for heading in headings[: bisect_right(headings, most - 1, key=lambda h: h.offset)] if heading.offset > 0]
    late = [heading for heading in inside if heading.offset >= most // 2]
    if late:
        outermost = min(heading.level for heading in late)
        return next(heading.offset for heading in reversed(late) if heading.level == outermost)
    if inside:
        return inside[-1].offset
    for separator in ("\n\n", "\n", " "):
        found = text.rfind(separator, most // 2, most - 1)
        if found >= 0:
            return found + len(separator)
    return most - 1


def pieces(text: str, headings: Sequence[Heading] = (), most: int = TARGET_PART) -> Iterator[tuple[str, tuple[Heading, ...]]]:
    """Cuts cleaned text into pieces of at most `most` characters that end with \\n; headings move with their text."""
    start, first = 0, 0
    while start < len(text):
        last = len(headings)
        if len(text) - start < most:
            end = len(text)
        else:
            window = [
                Heading(h.offset - start, h.level, h.title) for h in headings[first : bisect_right(headings, start + most, key=_offset)]
            ]
            end = start + cut_at(text[start : start + most], window, most)
            last = first + bisect_right(headings[first:], end - 1, key=_offset) if first < len(headings) else first
        piece = text[start:end]
        moved = tuple(Heading(h.offset - start, h.level, h.title) for h in headings[first:last])
        yield (piece if piece.endswith("\n") else piece + "\n"), moved
        start, first = end, last


def _offset(heading: Heading) -> int:
    return heading.offset


class Flow:
    """Collects streamed text and gives it on in pieces; holds at most two targets at a time."""

    def __init__(self, give: Callable[[str, tuple[Heading, ...]], None]) -> None:
        self._give = give
        self._texts: list[str] = []
        self._length = 0
        self._headings: list[Heading] = []

    def heading(self, level: int, title: str) -> None:
        """The text added next begins a section of this title."""
        self._headings.append(Heading(self._length, level, title))

    def add(self, text: str) -> None:
        """`text` must be cleaned."""
        self._texts.append(text)
        self._length += len(text)
        if self._length >= 2 * TARGET_PART:
            self._drain(keep=TARGET_PART)

    def finish(self) -> None:
        self._drain(keep=0)

    def _drain(self, keep: int) -> None:
        text = "".join(self._texts)
        headings = self._headings
        start = 0
        while len(text) - start >= max(keep, TARGET_PART):
            window = [Heading(h.offset - start, h.level, h.title) for h in headings if h.offset < start + TARGET_PART]
            end = start + cut_at(text[start : start + TARGET_PART], window)
            self._hand_over(text[start:end], [h for h in window if h.offset < end - start])
            headings = [h for h in headings if h.offset >= end]
            start = end
        text = text[start:]
        headings = [Heading(h.offset - start, h.level, h.title) for h in headings]
        if keep == 0 and text:
            self._hand_over(text, headings)
            text, headings = "", []
        self._texts, self._length, self._headings = [text], len(text), headings

    def _hand_over(self, text: str, headings: Sequence[Heading]) -> None:
        # A heading whose line was never added lies behind the text; it has nothing to head.
        self._give(text if text.endswith("\n") else text + "\n", tuple(h for h in headings if h.offset < len(text)))
