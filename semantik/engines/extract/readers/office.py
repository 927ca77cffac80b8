"""DOCX, ODT, EPUB, RTF, DOC, PPT and MSG by kreuzberg as Markdown, with plain dumps of their XML where it fails."""

from __future__ import annotations

import io
import re
import zipfile
from html import unescape
from typing import Any

import kreuzberg
from lxml import etree

from semantik.engines.extract import guards
from semantik.engines.extract.document import Document
from semantik.engines.extract.flow import clean, squeeze, without_targets
from semantik.engines.extract.readers.plain import markdown
from semantik.engines.extract.refusal import damaged
from semantik.engines.extract.sink import Sink

# The text of a placeholder that nobody filled in, which PowerPoint 97 keeps on its master slides.
_PLACEHOLDER = re.compile(
    r"^[*\s-]*(?:Click to edit Master \w+ styles?|Click to edit Master \w+|(?:Second|Third|Fourth|Fifth) level)\s*$", re.MULTILINE
)
_PACKAGES = frozenset({"docx", "odt"})
_BODIES = {"docx": re.compile(r"word/document\d*\.xml$"), "odt": re.compile(r"content\.xml$")}
# The parts of a DOCX that are read; what names other parts (.rels) stays as it is.
_TEXTS = re.compile(r"(?:word/[^/]+|docProps/core)\.xml$")
_IS_UTF8 = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml(?![^>]{0,200}encoding=[\"'](?!utf-8|us-ascii))|<[^?])", re.IGNORECASE).match
_REFERENCE = re.compile(rb"&(?:amp|lt|gt|quot|apos|#[0-9]{1,7}|#x[0-9a-fA-F]{1,6});")
_MASK = {ord("&"): "\ue0f0", ord("<"): "\ue0f1", ord(">"): "\ue0f2", ord('"'): "\ue0f3", ord("'"): "\ue0f4"}
_UNMASK = {0xE0F0: "&", 0xE0F1: "<", 0xE0F2: ">", 0xE0F3: '"', 0xE0F4: "'"}
# A bar keeps its escape, for tables; so does what would make a line a heading, an underline or a fence.
_ESCAPE = re.compile(
    r"(?<![^\n]) {0,3}\\(?:[#`~]|[-=]+ *(?![^\n]))"
    r"|\\([!-/:-@\[-`{}~])"
    r"|&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,30});"
)
_BREAKS = frozenset({"p", "tr", "br", "h", "h1", "h2", "h3", "h4", "h5", "h6", "div", "li", "title"})


def read(document: Document, sink: Sink) -> None:
    name = document.kind.name
    if name in _PACKAGES:
        guards.package(document.path, document.kind.words)
        if name == "odt":
            guards.open_document(document.path, document.kind.words)
    data = with_references_resolved(document) if name == "docx" else document.read()
    text, metadata = extract(data, document.kind.media_type)
    if name == "ppt" and text:
        text = _PLACEHOLDER.sub("", text)
    if not text.strip() and name in _PACKAGES:
        text = dump(document)
    if not text.strip() and not metadata.get("_read"):
        raise damaged(document.kind.words)
    describe(metadata, sink)
    flow = sink.flow()
    markdown(iter(squeeze(text).splitlines(keepends=True)), flow, sink)
    flow.finish()


def config(output: str = "markdown", pages: kreuzberg.PageConfig | None = None) -> kreuzberg.ExtractionConfig:
    return kreuzberg.ExtractionConfig(
        use_cache=False,
        disable_ocr=True,  # type: ignore[call-arg]  # missing from the stubs of kreuzberg 4.10
        enable_quality_processing=False,
        output_format=output,
        pages=pages,
        concurrency=kreuzberg.ConcurrencyConfig(max_threads=1),
    )


def extract(
    data: bytes, media_type: str, output: str = "markdown", pages: kreuzberg.PageConfig | None = None
) -> tuple[str, dict[str, Any]]:
    """(cleaned text without link targets, metadata). `_read` in the metadata says that the parser had no complaint."""
    try:
        result = kreuzberg.extract_bytes_sync(data, media_type, config=config(output, pages))
    except kreuzberg.KreuzbergError:
        return "", {}
    text = _plain(without_targets(clean(result.content or ""))).translate(_UNMASK)
    return text, {**dict(result.metadata or {}), "_read": True}


def with_references_resolved(document: Document) -> bytes:
    """The package with each `&amp;`, `&lt;` or `&#233;` of its body as a character.

    The parser drops references: "R&D" would read "RD" (kreuzberg 4.10.4). Characters that XML cannot hold as they are stand
    in a private alphabet until `extract` has the text.
    """
    rebuilt = io.BytesIO()
    try:
        with zipfile.ZipFile(document.path) as package:
            parts = {entry.filename: package.read(entry) for entry in package.infolist() if _TEXTS.match(entry.filename)}
            if not any(b"&" in part and _IS_UTF8(part) for part in parts.values()):
                return document.read()
            with zipfile.ZipFile(rebuilt, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as resolved:
                for entry in package.infolist():
                    part = parts.get(entry.filename)
                    if part is None:
                        part = package.read(entry)
                    elif _IS_UTF8(part):
                        part = _REFERENCE.sub(_resolved, part)
                    resolved.writestr(entry.filename, part)
    except guards.ZIP_ERRORS:
        return document.read()
    return rebuilt.getvalue()


def _resolved(match: re.Match[bytes]) -> bytes:
    character = unescape(match.group().decode("ascii"))
    return clean(character.translate(_MASK)).encode() if len(character) == 1 else match.group()


def _plain(markdown: str) -> str:
    """Without the escapes and entities that the parser writes into its Markdown, save those that keep a line from becoming a heading."""
    return _ESCAPE.sub(_meant, markdown) if "\\" in markdown or "&" in markdown else markdown


def _meant(match: re.Match[str]) -> str:
    whole, escaped = match.group(), match.group(1)
    return clean(unescape(whole)) if whole[0] == "&" else escaped or whole


def describe(metadata: dict[str, Any], sink: Sink) -> None:
    title = metadata.get("title")
    if isinstance(title, str) and title.strip():
        sink.title = _said(title).strip()[:500]
    authors = metadata.get("authors") or metadata.get("author")
    if isinstance(authors, str):
        authors = [authors]
    if isinstance(authors, list) and authors:
        sink.metadata["authors"] = [_said(str(author))[:200] for author in authors[:50]]
    for key in ("created_at", "modified_at", "language", "subject"):
        value = metadata.get(key)
        if isinstance(value, str) and value.strip():
            sink.metadata[key.removesuffix("_at")] = _said(value)[:500]


def _said(value: str) -> str:
    return clean(value).translate(_UNMASK)


def dump(document: Document) -> str:
    """The text of the package's body parts, block by block, without any structure."""
    parts: list[str] = []
    pattern = _BODIES[document.kind.name]
    try:
        with zipfile.ZipFile(document.path) as archive:
            for entry in archive.infolist():
                if pattern.match(entry.filename):
                    parts.append(xml_text(archive.read(entry)))
    except guards.ZIP_ERRORS:
        pass
    return clean("\n".join(parts))


class _Lines:
    """A parser target: character data in order, a line end after each paragraph-like element."""

    def __init__(self) -> None:
        self.out: list[str] = []

    def start(self, tag: str | bytes, attrib: object) -> None:
        tag = str(tag)
        if tag.rpartition("}")[2] in ("tab", "s"):
            self.out.append(" ")

    def end(self, tag: str | bytes) -> None:
        tag = str(tag)
        if tag.rpartition("}")[2] in _BREAKS:
            self.out.append("\n")

    def data(self, data: str | bytes) -> None:
        self.out.append(str(data))

    def comment(self, text: str | bytes) -> None:
        return

    def pi(self, target: str | bytes, data: str | bytes | None = None) -> None:
        return

    def close(self) -> str:
        return "".join(self.out)


def xml_text(data: bytes) -> str:
    """Text of XML, a line for each paragraph; entities are not resolved, what is broken is skipped."""
    lines = _Lines()
    parser = etree.XMLParser(target=lines, recover=True, resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        for start in range(0, len(data), 64 * 1024):
            parser.feed(data[start : start + 64 * 1024])
        parser.close()
    except etree.XMLSyntaxError:
        # What came before the fault stands in `lines`.
        pass
    return "".join(lines.out)
