"""PPTX and ODP slide by slide: title as heading, paragraphs, tables, chart values, speaker notes. A broken slide costs only itself."""

from __future__ import annotations

import posixpath
import re
import zipfile
import zlib
from collections.abc import Iterator

from lxml import etree

from semantik.engines.extract import guards
from semantik.engines.extract.base import Heading
from semantik.engines.extract.document import Document
from semantik.engines.extract.flow import clean
from semantik.engines.extract.readers.ocr import page_list
from semantik.engines.extract.refusal import damaged, partial, skipped
from semantik.engines.extract.sink import Sink

_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_REL = "{http://schemas.openxmlformats.org/package/2006/relationships}"
_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_DRAW = "{urn:oasis:names:tc:opendocument:xmlns:drawing:1.0}"
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_PRESENTATION = "{urn:oasis:names:tc:opendocument:xmlns:presentation:1.0}"
_DC = "{http://purl.org/dc/elements/1.1/}"
_SLIDE = re.compile(r"ppt/slides/slide(\d+)\.xml$")
_BROKEN = (*guards.ZIP_ERRORS, KeyError, etree.XMLSyntaxError, zlib.error)


def read(document: Document, sink: Sink) -> None:
    words = document.kind.words
    guards.package(document.path, words)
    if document.kind.name == "odp":
        guards.open_document(document.path, words)
    try:
        with zipfile.ZipFile(document.path) as archive:
            _describe(archive, sink)
            if document.kind.name == "odp":
                broken = _odp(archive, sink, words)
            else:
                broken = _pptx(archive, sink)
    except guards.ZIP_ERRORS as error:
        raise damaged(words) from error
    if broken:
        if sink.chars == 0:
            raise damaged(words, "none of its slides can be read")
        sink.lose(
            partial(
                "pages_failed",
                f"{page_list(broken).replace('Page', 'Slide')} cannot be read.",
                "Save it again with the program that made it.",
            )
        )
    if sink.chars == 0:
        raise skipped("no_text", f"The {words} has no text on its {sink.pages or 0:,} slides.")


def tree(data: bytes) -> etree._Element:
    return etree.fromstring(
        data, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True)
    )


def _pptx(archive: zipfile.ZipFile, sink: Sink) -> list[int]:
    names = _slide_names(archive)
    sink.pages = len(names)
    broken = []
    for number, name in enumerate(names, 1):
        try:
            title, body = _slide(archive, name)
        except _BROKEN:
            broken.append(number)
            continue
        text = clean((f"{title}\n" if title else "") + body)
        heading = [Heading(0, 1, " ".join(clean(title).split())[:500])] if title else []
        sink.part(text, heading, slide=number)
    return broken


def _slide_names(archive: zipfile.ZipFile) -> list[str]:
    """Slides in the order they are shown; in the order of their numbers where the list of them is missing or lies."""
    here = set(archive.namelist())
    by_number = sorted((name for name in here if _SLIDE.match(name)), key=lambda name: int(_SLIDE.match(name).group(1)))  # type: ignore[union-attr]  # matched one line above
    try:
        targets = _relations(archive, "ppt/presentation.xml")
        shown = [targets[str(entry.get(f"{_R}id"))][1] for entry in tree(archive.read("ppt/presentation.xml")).iter(f"{_P}sldId")]
    except _BROKEN:
        return by_number
    return list(dict.fromkeys(shown)) or by_number


def _relations(archive: zipfile.ZipFile, name: str) -> dict[str, tuple[str, str]]:
    """id -> (last word of its type, name of the part)."""
    folder, leaf = posixpath.split(name)
    root = tree(archive.read(f"{folder}/_rels/{leaf}.rels"))
    found = {}
    for entry in root.iter(f"{_REL}Relationship"):
        target = str(entry.get("Target", ""))
        resolved = target[1:] if target.startswith("/") else posixpath.normpath(posixpath.join(folder, target))
        if entry.get("TargetMode") != "External":
            found[str(entry.get("Id"))] = (str(entry.get("Type", "")).rpartition("/")[2], resolved)
    return found


def _slide(archive: zipfile.ZipFile, name: str) -> tuple[str, str]:
    root = tree(archive.read(name))
    title, lines = "", []
    for shape in _shapes(root):
        kind = _placeholder(shape)
        if kind in ("sldNum", "dt", "ftr"):
            continue
        found = list(_paragraphs(shape))
        if kind in ("title", "ctrTitle") and not title and found:
            title = " ".join(found)
        else:
            lines += found
    try:
        relations = _relations(archive, name)
    except _BROKEN:
        relations = {}
    for kind, target in relations.values():
        try:
            if kind == "chart":
                lines += _chart(tree(archive.read(target)))
            elif kind == "diagramData":
                lines += list(_paragraphs(tree(archive.read(target))))
            elif kind == "notesSlide":
                notes = [
                    line for shape in _shapes(tree(archive.read(target))) if _placeholder(shape) == "body" for line in _paragraphs(shape)
                ]
                lines += ["Notes:", *notes] if notes else []
        except _BROKEN:
            lines.append(f"[a {kind} on this slide cannot be read]")
    return title, "".join(f"{line}\n" for line in lines)


def _shapes(root: etree._Element) -> Iterator[etree._Element]:
    """Shapes and frames in order, those in groups too; the fallback of a new kind of shape would repeat its text."""
    for element in root.iter(f"{_P}sp", f"{_P}graphicFrame"):
        if not any(parent.tag == f"{_MC}Fallback" for parent in element.iterancestors()):
            yield element


def _placeholder(shape: etree._Element) -> str | None:
    found = shape.find(f".//{_P}nvPr/{_P}ph")
    return None if found is None else str(found.get("type", "body"))


def _paragraphs(shape: etree._Element) -> Iterator[str]:
    for element in shape.iter(f"{_A}tr", f"{_A}p"):
        if element.tag == f"{_A}tr":
            cells = [" ".join(filter(None, (_runs(line) for line in cell.iter(f"{_A}p")))) for cell in element.iter(f"{_A}tc")]
            if any(cells):
                yield " | ".join(cells)
        elif next(element.iterancestors(f"{_A}tc"), None) is None:
            line = _runs(element)
            if line:
                yield line


def _runs(paragraph: etree._Element) -> str:
    pieces = []
    for element in paragraph.iter(f"{_A}t", f"{_A}br", f"{_A}tab"):
        pieces.append(element.text or "" if element.tag == f"{_A}t" else " ")
    return " ".join("".join(pieces).split())


def _chart(root: etree._Element) -> list[str]:
    lines = []
    title = " ".join(filter(None, (_runs(line) for line in root.iterfind(f".//{_C}title//{_A}p"))))
    if title:
        lines.append(f"Chart: {title}")
    for series in root.iter(f"{_C}ser"):
        name = " ".join(element.text or "" for element in series.iterfind(f"{_C}tx//{_C}v"))
        labels = [element.text or "" for element in series.iterfind(f"{_C}cat//{_C}v")]
        values = [element.text or "" for element in series.iterfind(f"{_C}val//{_C}v")]
        pairs = [f"{label}: {value}" for label, value in zip(labels, values, strict=False)] or values
        if pairs:
            lines.append(f"{name or 'Series'}: " + ", ".join(pairs[:1000]))
    return lines


def _odp(archive: zipfile.ZipFile, sink: Sink, words: str) -> list[int]:
    try:
        root = tree(archive.read("content.xml"))
    except (KeyError, etree.XMLSyntaxError) as error:
        raise damaged(words) from error
    pages = list(root.iter(f"{_DRAW}page"))
    sink.pages = len(pages)
    for number, page in enumerate(pages, 1):
        title, lines = "", []
        for element in page.iter(f"{_TEXT}p", f"{_TEXT}h", f"{_TABLE}table-row"):
            if element.tag == f"{_TABLE}table-row":
                cells = [" ".join("".join(map(str, cell.itertext())).split()) for cell in element.iter(f"{_TABLE}table-cell")]
                lines.append(" | ".join(cells) if any(cells) else "")
                continue
            if next(element.iterancestors(f"{_TABLE}table-cell"), None) is not None:
                continue
            line = " ".join("".join(map(str, element.itertext())).split())
            frame = next(element.iterancestors(f"{_DRAW}frame"), None)
            if line and not title and frame is not None and frame.get(f"{_PRESENTATION}class") == "title":
                title = line
            elif line:
                lines.append(line)
        text = clean((f"{title}\n" if title else "") + "".join(f"{line}\n" for line in lines if line))
        sink.part(text, [Heading(0, 1, title[:500])] if title and text.startswith(title) else [], slide=number)
    return []


def _describe(archive: zipfile.ZipFile, sink: Sink) -> None:
    for name in ("docProps/core.xml", "meta.xml"):
        try:
            root = tree(archive.read(name))
        except _BROKEN:
            continue
        title, author = root.find(f".//{_DC}title"), root.find(f".//{_DC}creator")
        if (
            title is not None
            and title.text
            and title.text.strip()
            and title.text.strip().lower() not in ("powerpoint presentation", "untitled")
        ):
            sink.title = clean(title.text).strip()[:500]
        if author is not None and author.text and author.text.strip():
            sink.metadata["authors"] = [clean(author.text).strip()[:200]]
        return
