"""EPUB: chapters in the order of the spine, each through the HTML reader. Entities that a book defines are dropped, not expanded."""

from __future__ import annotations

import posixpath
import re
import zipfile
from urllib.parse import unquote

from lxml import etree

from semantik.engines.extract import guards
from semantik.engines.extract.decode import decode
from semantik.engines.extract.document import Document
from semantik.engines.extract.flow import clean
from semantik.engines.extract.readers import web
from semantik.engines.extract.refusal import damaged, locked, partial, skipped
from semantik.engines.extract.sink import Sink

_CONTAINER = "META-INF/container.xml"
_DC = "{http://purl.org/dc/elements/1.1/}"
_PAGES = (".xhtml", ".html", ".htm")


def read(document: Document, sink: Sink) -> None:
    words = document.kind.words
    guards.package(document.path, words, entities=True)
    broken = 0
    try:
        with zipfile.ZipFile(document.path) as archive:
            chapters = _chapters(archive, sink)
            sealed = _sealed(archive)
            if sealed and all(name in sealed for name in chapters):
                raise locked(f"{words}, protected by DRM,", None)
            for name in chapters:
                try:
                    text = decode(archive.read(name))
                except (KeyError, *guards.ZIP_ERRORS):
                    broken += 1
                    continue
                flow = sink.flow()
                web.fill(text, flow, sink)
                flow.finish()
    except guards.ZIP_ERRORS as error:
        raise damaged(words) from error
    if broken and sink.chars:
        sink.lose(partial("pages_failed", f"{broken:,} chapters cannot be read.", "Replace the book with a whole copy."))
    elif broken:
        raise damaged(words, "none of its chapters can be read")
    if sink.chars == 0:
        raise skipped("no_text", f"The {words} holds no text.")


def _chapters(archive: zipfile.ZipFile, sink: Sink) -> list[str]:
    """Names of the chapters; every page of the package in the order of its table of contents when the spine is missing."""
    names = set(archive.namelist())
    every = [name for name in archive.namelist() if name.lower().endswith(_PAGES)]
    try:
        container = _tree(archive.read(_CONTAINER))
        root_name = next(str(entry.get("full-path")) for entry in container.iter() if str(entry.tag).endswith("}rootfile"))
        package = _tree(archive.read(root_name))
    except (KeyError, StopIteration, etree.XMLSyntaxError, *guards.ZIP_ERRORS):
        return every
    _describe(package, sink)
    folder = posixpath.dirname(root_name)
    items = {str(entry.get("id")): str(entry.get("href")) for entry in package.iter() if str(entry.tag).rpartition("}")[2] == "item"}
    spine = [items.get(str(entry.get("idref"))) for entry in package.iter() if str(entry.tag).rpartition("}")[2] == "itemref"]
    found = [posixpath.normpath(posixpath.join(folder, unquote(href.partition("#")[0]))) for href in spine if href]
    return list(dict.fromkeys(name for name in found if name in names)) or every


def _tree(data: bytes) -> etree._Element:
    text = web.without_doctype(decode(data).lstrip("\ufeff"))
    text = re.sub(r"^\s*<\?xml[^>]*\?>", "", text)
    return etree.fromstring(text, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, recover=True))


def _describe(package: etree._Element, sink: Sink) -> None:
    title, author, language = (package.find(f".//{_DC}{name}") for name in ("title", "creator", "language"))
    if title is not None and title.text and title.text.strip():
        sink.title = clean(title.text).strip()[:500]
    if author is not None and author.text and author.text.strip():
        sink.metadata["authors"] = [clean(author.text).strip()[:200]]
    if language is not None and language.text:
        sink.metadata["language"] = clean(language.text).strip()[:20]


def _sealed(archive: zipfile.ZipFile) -> set[str]:
    """Names of encrypted parts. Fonts are often scrambled in books that are otherwise open."""
    try:
        data = archive.read("META-INF/encryption.xml")
    except (KeyError, *guards.ZIP_ERRORS):
        return set()
    return {unquote(uri) for uri in re.findall(r'CipherReference[^>]*URI\s*=\s*["\']([^"\']+)', decode(data))}
