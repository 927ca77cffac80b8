"""PDF by pdfium, page by page: text layer, outline as headings, OCR for pages that are pictures, attachments as members."""

from __future__ import annotations

import ctypes
import io
import re
from typing import Any

import pypdfium2 as pdfium
import pypdfium2.raw as raw

from semantik.engines.extract.base import Heading
from semantik.engines.extract.document import Document
from semantik.engines.extract.flow import clean
from semantik.engines.extract.readers.ocr import Ocr, page_list
from semantik.engines.extract.refusal import damaged, locked, partial, skipped
from semantik.engines.extract.sink import Sink

# Pages that wait for words to be known before hyphens at line ends are resolved.
WINDOW = 16
RENDER_PIXELS = 20_000_000
MAX_PAGES = 200_000
_VOCABULARY = 100_000
_FEW = 8

_WORD = re.compile(r"[^\W\d_]{2,}(?:-[^\W\d_]{2,})*")
_HYPHEN = re.compile(r"([^\W\d_]+)\x02\n?([^\W\d_]+)")
_PDF_DATE = re.compile(r"D?:?(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?")
_PERMISSIONS = (("print", 2), ("modify", 3), ("copy", 4), ("annotate", 5), ("fill_forms", 8), ("extract_for_accessibility", 9), ("assemble", 10))


def read(document: Document, sink: Sink) -> None:
    pdf = _open(document)
    try:
        _read(document, pdf, sink)
    finally:
        pdf.close()


def _open(document: Document) -> pdfium.PdfDocument:
    start = document.head.find(b"%PDF-")
    source: Any = document.path if start <= 0 else document.read()[start:]
    try:
        pdf = pdfium.PdfDocument(source, password=document.password)
        count = len(pdf)
    except pdfium.PdfiumError as error:
        # The library's last error is stale in a long-lived process: only a file that names encryption can be locked.
        if "assword" in str(error) and _encrypted(document):
            raise locked("PDF", document.password) from None
        raise damaged("PDF") from None
    if count == 0:
        pdf.close()
        raise damaged("PDF", "it has no pages")
    return pdf


def _encrypted(document: Document) -> bool:
    with open(document.path, "rb") as file:
        tail = b""
        while piece := file.read(1024**2):
            if b"/Encrypt" in tail + piece:
                return True
            tail = piece[-16:]
    return False


def _read(document: Document, pdf: pdfium.PdfDocument, sink: Sink) -> None:
    count = len(pdf)
    sink.pages = count
    _describe(pdf, sink)
    outline = _outline(pdf)
    ocr = Ocr(document, sink)
    hyphens = _Hyphens()
    window: list[tuple[int, str, bool]] = []
    failed_pages: list[int] = []
    empty_run = 0

    def drain() -> None:
        for page, text, by_ocr in window:
            resolved = clean(hyphens.resolve(text)) if "\x02" in text else text
            sink.part(resolved, _headings(resolved, outline.get(page, [])), page=page, ocr=by_ocr)
        window.clear()

    for index in range(min(count, MAX_PAGES)):
        try:
            text, by_ocr = _page(pdf, index, ocr)
            empty_run = 0
        except pdfium.PdfiumError:
            failed_pages.append(index + 1)
            empty_run += 1
            # A page tree that lies about its count: a thousand missing pages in a row are not a damage, they were never there.
            if empty_run >= 1000:
                break
            continue
        hyphens.learn(text)
        window.append((index + 1, text, by_ocr))
        if len(window) >= WINDOW or by_ocr:
            drain()
    drain()
    _attachments(document, pdf, sink)
    _conclude(sink, ocr, failed_pages, count)


def _conclude(sink: Sink, ocr: Ocr, failed_pages: list[int], count: int) -> None:
    loss = ocr.loss(sink.chars > 0)
    if failed_pages:
        if sink.chars == 0 and loss is None:
            raise damaged("PDF", f"none of its {count:,} pages can be read")
        sink.lose(partial("pages_failed", f"{page_list(failed_pages)} cannot be read.", "Print the PDF into a new one and replace the file."))
    if loss is not None:
        if sink.chars == 0:
            raise skipped(loss.code, loss.reason, loss.hint)
        sink.lose(loss)
    if sink.chars == 0:
        tried = " and OCR found none" if ocr.read_pages else ""
        raise skipped("no_text", f"The PDF has no text on its {count:,} pages{tried}.")


def _page(pdf: pdfium.PdfDocument, index: int, ocr: Ocr) -> tuple[str, bool]:
    page = pdf.get_page(index)
    try:
        layer = page.get_textpage()
        try:
            text = layer.get_text_bounded()
        finally:
            layer.close()
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        if not _wants_ocr(page, text):
            return _tidy(text), False
        if not ocr.possible:
            ocr.left_out.append(index + 1)
            return _tidy(text), False
        seen = ocr.page(_picture(page), "image/png", index + 1)
        # The layer of a scan may hold a stamp or a page number; OCR sees those too.
        return (seen, True) if seen else (_tidy(text), False)
    finally:
        page.close()


def _tidy(text: str) -> str:
    """Cleaned but for \\x02, which stands for a hyphen at a line end until the document's words are known."""
    if "\x02" not in text:
        return clean(text)
    return "\x02".join(clean(piece) for piece in text.split("\x02"))


def _wants_ocr(page: pdfium.PdfPage, text: str) -> bool:
    ink = len(text) - text.count(" ") - text.count("\n")
    if ink >= _FEW and not _garbled(text):
        return False
    width, height = page.get_size()
    area = max(width * height, 1.0)
    paths = 0
    for index, item in enumerate(page.get_objects(max_depth=3)):
        if index >= 2000:
            return True
        if item.type == raw.FPDF_PAGEOBJ_IMAGE:
            left, bottom, right, top = item.get_bounds()
            if abs((right - left) * (top - bottom)) >= area * 0.05:
                return True
        elif item.type in (raw.FPDF_PAGEOBJ_PATH, raw.FPDF_PAGEOBJ_SHADING):
            paths += 1
        elif item.type == raw.FPDF_PAGEOBJ_TEXT and ink < _FEW:
            # Text that is drawn but has no characters behind it, as from a Type 3 font without a map.
            paths += 20
    # Letters drawn as outlines are many paths; rules and a frame are few.
    return paths >= 40


def _garbled(text: str) -> bool:
    """A text layer without a map to Unicode gives private or replacement characters."""
    sample = text[:4000]
    odd = sum(1 for character in sample if "\ue000" <= character <= "\uf8ff" or character in "\ufffd\ufffe\uffff" or "\x03" <= character <= "\x08")
    return odd * 3 > len(sample)


def _picture(page: pdfium.PdfPage) -> bytes:
    width, height = page.get_size()
    scale = min(200 / 72, (RENDER_PIXELS / max(width * height, 1.0)) ** 0.5)
    bitmap = page.render(scale=scale, grayscale=True, may_draw_forms=False)
    out = io.BytesIO()
    bitmap.to_pil().save(out, "PNG", compress_level=1)
    bitmap.close()
    return out.getvalue()


class _Hyphens:
    """Decides for each word parted at a line end whether its hyphen is spelling or typesetting, by the words seen so far."""

    def __init__(self) -> None:
        self._words: set[str] = set()
        self._joined = 0
        self._kept = 0

    def learn(self, text: str) -> None:
        if len(self._words) < _VOCABULARY:
            self._words.update(_WORD.findall(text.lower()))

    def resolve(self, text: str) -> str:
        return _HYPHEN.sub(self._decide, text).replace("\x02\n", "-").replace("\x02", "-")

    def _decide(self, match: re.Match[str]) -> str:
        left, right = match.group(1), match.group(2)
        joined, kept = (left + right).lower() in self._words, f"{left}-{right}".lower() in self._words
        if joined and not kept:
            self._joined += 1
            return left + right
        if kept and not joined:
            self._kept += 1
            return f"{left}-{right}"
        # The second half of a typeset hyphen is seldom a word of its own.
        alone = right.lower() in self._words and left.lower() in self._words
        if self._joined != self._kept:
            return left + right if self._joined > self._kept else f"{left}-{right}"
        return f"{left}-{right}" if alone or not right.islower() else left + right


def _outline(pdf: pdfium.PdfDocument) -> dict[int, list[tuple[int, str]]]:
    """Bookmarks by page: (level, title)."""
    found: dict[int, list[tuple[int, str]]] = {}
    try:
        for number, bookmark in enumerate(pdf.get_toc(max_depth=8)):
            if number >= 20_000:
                break
            title = " ".join(clean(bookmark.get_title()).split())[:500]
            target = bookmark.get_dest()
            page = target.get_index() if target is not None else None
            if title and page is not None:
                found.setdefault(page + 1, []).append((bookmark.level + 1, title))
    except (pdfium.PdfiumError, ValueError, RecursionError, UnicodeError):
        pass
    return found


def _headings(text: str, entries: list[tuple[int, str]]) -> list[Heading]:
    """Where each bookmark's title stands on its page; at the place of the one before, else at the top, when it is not found."""
    headings: list[Heading] = []
    position = 0
    for level, title in entries:
        words = title.split()
        match = re.compile(r"\s+".join(map(re.escape, words[:12])), re.IGNORECASE).search(text, position) if words else None
        if match:
            position = match.start()
        headings.append(Heading(position, level, title))
    return headings


def _describe(pdf: pdfium.PdfDocument, sink: Sink) -> None:
    try:
        found = pdf.get_metadata_dict(skip_empty=True)
    except (pdfium.PdfiumError, UnicodeError, ValueError):
        found = {}
    title = clean(found.get("Title", "")).strip()
    if title and not re.search(r"\.(?:docx?|indd|qxd|tex|dvi|pdf|xlsx?|pptx?)$|^(?:untitled|microsoft word)", title, re.IGNORECASE):
        sink.title = title[:500]
    for key, name in (("Author", "authors"), ("Subject", "subject"), ("Keywords", "keywords"), ("Creator", "creator")):
        value = clean(found.get(key, "")).strip()
        if value:
            sink.metadata[name] = [value[:200]] if name == "authors" else value[:500]
    for key, name in (("CreationDate", "created"), ("ModDate", "modified")):
        match = _PDF_DATE.match(found.get(key, ""))
        if match:
            year, month, day, hour, minute, second = (value or default for value, default in zip(match.groups(), ("", "01", "01", "00", "00", "00"), strict=True))
            sink.metadata[name] = f"{year}-{month}-{day}T{hour}:{minute}:{second}"
    revision = raw.FPDF_GetSecurityHandlerRevision(pdf)
    if revision >= 0:
        flags = ctypes.c_uint32(raw.FPDF_GetDocPermissions(pdf)).value
        sink.metadata["encrypted"] = True
        sink.metadata["permissions"] = {name: bool(flags >> bit & 1) for name, bit in _PERMISSIONS}


def _attachments(document: Document, pdf: pdfium.PdfDocument, sink: Sink) -> None:
    return None


