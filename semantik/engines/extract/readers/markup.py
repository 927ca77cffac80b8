"""XML and SVG: refused when they define entities; documents give their text, data gives itself as it stands."""

from __future__ import annotations

import re

from semantik.engines.extract.document import Document
from semantik.engines.extract.flow import clean
from semantik.engines.extract.guards import has_entity
from semantik.engines.extract.readers import plain
from semantik.engines.extract.readers.office import xml_text
from semantik.engines.extract.refusal import failed, skipped
from semantik.engines.extract.sink import Sink

_TAG = re.compile(r"<[^<>]*>")
_SVG_TEXT = re.compile(r"<(?:\w+:)?(text|title|desc)\b[^>]*>(.*?)</(?:\w+:)?\1\s*>", re.DOTALL | re.IGNORECASE)
_MAX_PARSED = 64 * 1024**2


def read(document: Document, sink: Sink) -> None:
    if has_entity(document.head):
        raise failed(
            "entity_refused",
            f"The {document.kind.words} defines entities, which can expand without bound or read other files; it was not opened.",
            "Save it with the entities resolved, then replace the file.",
        )
    if document.kind.name == "svg":
        _drawing(document, sink)
        return
    sample = document.head[document.charset.bom :].decode(document.charset.name, "replace")
    words = len("".join(_TAG.sub(" ", sample).split()))
    if document.size <= _MAX_PARSED and words * 3 >= len("".join(sample.split())):
        text = clean(xml_text(document.read()))
        lines = (" ".join(line.split()) for line in text.split("\n"))
        flow = sink.flow()
        flow.add("\n".join(line for line in lines if line))
        flow.finish()
    if sink.chars == 0:
        # Mostly markup: what is in it are its names and attributes.
        flow = sink.flow()
        for piece in plain.texts(document):
            flow.add(piece)
        flow.finish()


def _drawing(document: Document, sink: Sink) -> None:
    text = clean(document.read()[document.charset.bom :].decode(document.charset.name, "replace"))
    lines = []
    for match in _SVG_TEXT.finditer(text):
        line = " ".join(_TAG.sub(" ", match.group(2)).split())
        if line:
            lines.append(line)
            if match.group(1).lower() == "title" and sink.title is None:
                sink.title = line[:500]
    if not lines:
        raise skipped("no_text", "The SVG drawing holds no text.")
    sink.part("\n".join(lines) + "\n")
