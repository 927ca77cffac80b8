"""Plain text, Markdown, source code, JSON and YAML: read in pieces, as they are; Markdown headings are found by line."""

from __future__ import annotations

import re
from collections.abc import Iterator

from semantik.engines.extract.decode import decoder
from semantik.engines.extract.document import Document
from semantik.engines.extract.flow import Flow, clean
from semantik.engines.extract.refusal import skipped
from semantik.engines.extract.sink import Sink

PIECE = 256 * 1024
# A line longer than this is data; no heading, row or paragraph is looked for in it.
MAX_LINE = 64 * 1024

_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$")
_SETEXT = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_INLINE = re.compile(r"!\[[^\]]*\]\([^)]*\)|\[([^\]]*)\]\([^)]*\)|[*_`]+")


def read(document: Document, sink: Sink) -> None:
    flow = sink.flow()
    if document.kind.name == "markdown":
        markdown(lines(document), flow, sink)
    else:
        for piece in texts(document):
            flow.add(piece)
    flow.finish()


def texts(document: Document) -> Iterator[str]:
    """The cleaned text in pieces that never part \\r from \\n."""
    decoding = decoder(document.charset)
    held = ""
    first = True
    with open(document.path, "rb") as file:
        file.seek(document.charset.bom)
        while True:
            data = file.read(PIECE)
            text = held + decoding.decode(data, final=not data)
            held = ""
            if data and text.endswith("\r"):
                text, held = text[:-1], "\r"
            if first and text:
                text, first = text.removeprefix("\ufeff"), False
            if text:
                yield clean(text)
            if not data:
                return


def lines(document: Document) -> Iterator[str]:
    """Cleaned lines with their line ends; a line without end comes in pieces of at most MAX_LINE."""
    rest = ""
    for text in texts(document):
        whole = (rest + text).splitlines(keepends=True) if "\n" in text else [rest + text]
        rest = whole.pop() if whole and not whole[-1].endswith("\n") else ""
        yield from _unsplit(whole)
        while len(rest) > MAX_LINE:
            yield rest[:MAX_LINE]
            rest = rest[MAX_LINE:]
    if rest:
        yield rest


def _unsplit(pieces: list[str]) -> Iterator[str]:
    """str.splitlines also parts at U+2028 and the like; only \\n ends a line here."""
    held = ""
    for piece in pieces:
        held += piece
        if held.endswith("\n"):
            yield held
            held = ""
    if held:
        yield held


def markdown(source: Iterator[str], flow: Flow, sink: Sink, *, title: bool = True) -> None:
    """Streams Markdown into `flow` with a heading for each # and underlined line outside of code fences and front matter."""
    fence: str | None = None
    previous: str | None = None
    first = True
    front = False
    for line in source:
        bare = line.rstrip("\n")
        if first and bare == "---":
            front = True
        elif front and bare in ("---", "..."):
            front = False
        elif not front and len(bare) < 1000:
            opened = _FENCE.match(bare)
            if fence is not None:
                if opened and opened.group(1).startswith(fence) and not bare.strip(" `~"):
                    fence = None
            elif opened:
                fence = opened.group(1)
            elif found := _ATX.match(bare):
                _flush(previous, flow)
                previous = None
                _head(flow, sink, len(found.group(1)), found.group(2) or "", title)
            elif (
                previous is not None
                and previous.strip()
                and (under := _SETEXT.match(bare))
                and not _ATX.match(previous)
                and len(previous) < 300
            ):
                _head(flow, sink, 1 if under.group(1)[0] == "=" else 2, previous.strip(), title)
        first = False
        _flush(previous, flow)
        previous = line
    _flush(previous, flow)


def _flush(line: str | None, flow: Flow) -> None:
    if line is not None:
        flow.add(line)


def _head(flow: Flow, sink: Sink, level: int, raw: str, title: bool) -> None:
    words = _INLINE.sub(lambda match: match.group(1) or "", raw).strip()
    if not words:
        return
    flow.heading(level, words[:500])
    if title and sink.title is None and level == 1:
        sink.title = words[:500]


def must_have_text(document: Document, sink: Sink) -> None:
    if sink.chars == 0:
        raise skipped("no_text", f"The {document.kind.words} holds no text.")
