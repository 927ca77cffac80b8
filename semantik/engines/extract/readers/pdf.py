"""PDF by pdfium, page by page: text layer, outline as headings, OCR for pages that are pictures, attachments as members."""

from __future__ import annotations

import ctypes
import io
import re
from collections.abc import Callable
from enum import Enum
from typing import Any

import pypdfium2 as pdfium
import pypdfium2.raw as raw

from semantik.engines.extract.base import Heading
from semantik.engines.extract.document import Document
from semantik.engines.extract.flow import clean
from semantik.engines.extract.readers.members import Members, leaf_name
from semantik.engines.extract.readers.ocr import Ocr, page_list
from semantik.engines.extract.refusal import PASSWORD_HINT, damaged, locked, partial, plural, skipped
from semantik.engines.extract.sink import Sink

# Pages that wait for words to be known before hyphens at line ends are resolved.
WINDOW = 16
RENDER_PIXELS = 20_000_000
MAX_PAGES = 200_000
_VOCABULARY = 100_000
# Fewer characters are a stamp or a page number on a scan.
_FEW = 8
_MANY_OBJECTS = 2000
_MISSING_RUN = 1000
# Reopening costs a few milliseconds; 5,000 pages of a 10-K otherwise grow to 240 MB.
_FRESH = 300
# A PDF of blank pages is small; a large one with nothing on its pages has lost them.
_NOT_BLANK = 20_000
_BLANK_PAGE = 400

_WORD = re.compile(r"[^\W\d_]{2,}(?:-[^\W\d_]{2,})*")
_HYPHEN = re.compile(r"([^\W\d_]+)\x02\n?([^\W\d_]+)")
_PDF_DATE = re.compile(r"D?:?(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?")
_PERMISSIONS = (
    ("print", 2),
    ("modify", 3),
    ("copy", 4),
    ("annotate", 5),
    ("fill_forms", 8),
    ("extract_for_accessibility", 9),
    ("assemble", 10),
)


def read(document: Document, sink: Sink) -> None:
    with _Opened(document) as opened:
        _read(document, opened, sink)


class _Opened:
    """The PDF, opened afresh now and then: pdfium keeps what it has parsed of each page until the document is closed."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._pages = 0
        self.pdf = _open(document)

    def page(self, number: int) -> pdfium.PdfPage:
        self._pages += 1
        if self._pages > _FRESH:
            self.pdf.close()
            self.pdf, self._pages = _open(self._document), 0
        return self.pdf.get_page(number - 1)

    def __enter__(self) -> _Opened:
        return self

    def __exit__(self, *_: object) -> None:
        self.pdf.close()


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
        raise damaged("PDF", "" if _whole(document) else "its end is missing, as after a transfer that was cut") from None
    if count == 0:
        pdf.close()
        raise damaged("PDF", "it has no pages")
    return pdf


def _whole(document: Document) -> bool:
    with open(document.path, "rb") as file:
        file.seek(max(0, document.size - 2048))
        return b"%%EOF" in file.read()


def _encrypted(document: Document) -> bool:
    with open(document.path, "rb") as file:
        tail = b""
        while piece := file.read(1024**2):
            if b"/Encrypt" in tail + piece:
                return True
            tail = piece[-16:]
    return False


def _read(document: Document, opened: _Opened, sink: Sink) -> None:
    pdf = opened.pdf
    count = len(pdf)
    sink.pages = count
    _describe(pdf, sink)
    outline = _outline(pdf)
    ocr = Ocr(document, sink)
    hyphens = _Hyphens()
    window: list[tuple[int, str, bool]] = []
    broken: list[int] = []
    run = drawn = 0

    def drain() -> None:
        hyphens.learn([text for _, text, _ in window])
        for page, text, by_ocr in window:
            resolved = clean(hyphens.resolve(text)) if "\x02" in text else text
            sink.part(resolved, _headings(resolved, outline.get(page, [])), page=page, ocr=by_ocr)
        window.clear()

    for number in range(1, min(count, MAX_PAGES) + 1):
        try:
            text, by_ocr, some = _page(opened, number, ocr, drain)
            run = 0
        except pdfium.PdfiumError:
            broken.append(number)
            run += 1
            # A page tree that lies about its count: a thousand missing pages in a row were never there.
            if run >= _MISSING_RUN:
                sink.pages = number - run
                sink.warn(f"The PDF claims {count:,} pages; those after page {sink.pages:,} are not there.")
                del broken[-run:]
                break
            continue
        drawn += some
        window.append((number, text, by_ocr))
        if len(window) >= WINDOW or by_ocr:
            drain()
    drain()
    attachments(document, opened.pdf, sink)
    _conclude(document, sink, ocr, broken, drawn)


def _conclude(document: Document, sink: Sink, ocr: Ocr, broken: list[int], drawn: int) -> None:
    loss = ocr.loss()
    pages = plural(sink.pages or 0, "page")
    if broken:
        if sink.chars == 0 and loss is None:
            raise damaged("PDF", f"none of its {pages} can be read")
        sink.lose(partial("pages_failed", f"{page_list(broken)} cannot be read.", "Print the PDF into a new one and replace the file."))
    if loss is not None:
        if sink.chars == 0:
            raise skipped(loss.code, loss.reason, loss.hint)
        sink.lose(loss)
    if sink.chars == 0:
        if drawn == 0 and (document.size > _NOT_BLANK + _BLANK_PAGE * (sink.pages or 0) or not _intact(document)):
            raise damaged("PDF", f"nothing is left on its {pages}")
        tried = ", and OCR found none" if ocr.read_pages else ""
        raise skipped("no_text", f"The PDF has no text on its {pages}{tried}.")


def _intact(document: Document) -> bool:
    """Whether the table of the PDF's objects is where its end says; a file that was cut or edited by accident has it elsewhere."""
    with open(document.path, "rb") as file:
        file.seek(max(0, document.size - 2048))
        found = re.findall(rb"startxref\s+(\d{1,12})", file.read())
        if not found:
            return False
        file.seek(int(found[-1]) + max(0, document.head.find(b"%PDF-")))
        return re.match(rb"\s*(?:xref|\d+\s+\d+\s+obj)", file.read(64)) is not None


def _page(opened: _Opened, number: int, ocr: Ocr, before_ocr: Callable[[], None]) -> tuple[str, bool, bool]:
    """(text, whether OCR read it, whether anything is on the page)."""
    page = opened.page(number)
    try:
        layer = page.get_textpage()
        try:
            text = layer.get_text_bounded()
        finally:
            layer.close()
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        ink = len(text) - text.count(" ") - text.count("\n")
        if ink >= _FEW and not _garbled(text):
            return _tidy(text), False, True
        look = _look(page, ink)
        if look is not _Look.PICTURE:
            return _tidy(text), False, look is not _Look.BLANK
        if not ocr.possible:
            ocr.left_out.append(number)
            return _tidy(text), False, True
        # What waits is given first: an OCR page that is stopped takes the child with it.
        before_ocr()
        seen = ocr.page(_picture(page), "image/png", number)
        # The layer of a scan may hold a stamp or a page number; OCR sees those too.
        return (seen, True, True) if seen else (_tidy(text), False, True)
    finally:
        page.close()


def _tidy(text: str) -> str:
    """Cleaned but for \\x02, which stands for a hyphen at a line end until the document's words are known."""
    if "\x02" not in text:
        return clean(text)
    return "\x02".join(clean(piece) for piece in text.split("\x02"))


class _Look(Enum):
    """What a page without text looks like."""

    BLANK = 0
    PLAIN = 1
    PICTURE = 2


def _look(page: pdfium.PdfPage, ink: int) -> _Look:
    width, height = page.get_size()
    area = max(width * height, 1.0)
    paths = 0
    found = _Look.BLANK
    for index, item in enumerate(page.get_objects(max_depth=3)):
        found = _Look.PLAIN
        if index >= _MANY_OBJECTS:
            return _Look.PICTURE
        if item.type == raw.FPDF_PAGEOBJ_IMAGE:
            left, bottom, right, top = item.get_bounds()
            if abs((right - left) * (top - bottom)) >= area * 0.05:
                return _Look.PICTURE
        elif item.type in (raw.FPDF_PAGEOBJ_PATH, raw.FPDF_PAGEOBJ_SHADING):
            paths += 1
        elif item.type == raw.FPDF_PAGEOBJ_TEXT and ink == 0:
            # Text that is drawn but has no characters behind it, as from a font without a map.
            paths += 20
    # Letters drawn as outlines are many paths; rules and a frame are few.
    return _Look.PICTURE if paths >= 40 else found


def _garbled(text: str) -> bool:
    """A text layer without a map to Unicode gives private or replacement characters."""
    sample = text[:4000]
    odd = sum(
        1 for character in sample if "\ue000" <= character <= "\uf8ff" or character in "\ufffd\ufffe\uffff" or "\x03" <= character <= "\x08"
    )
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
        self._wanted = False
        self._joined = 0
        self._kept = 0

    def learn(self, texts: list[str]) -> None:
        """Takes in the words of pages, from the first hyphen of the document on: most documents have none."""
        self._wanted = self._wanted or any("\x02" in text for text in texts)
        if self._wanted and len(self._words) < _VOCABULARY:
            for text in texts:
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
    lower = text.lower()
    for level, title in entries:
        found = lower.find(title.lower(), position) if len(lower) == len(text) else -1
        if found < 0:
            # Titles are set over several lines, or with other blanks than their bookmark has.
            words = r"\s+".join(re.escape(word) for word in title.split()[:12])
            match = re.search(words, text[position:], re.IGNORECASE)
            found = position + match.start() if match else position
        position = found
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
            year, month, day, hour, minute, second = (
                value or default for value, default in zip(match.groups(), ("", "01", "01", "00", "00", "00"), strict=True)
            )
            sink.metadata[name] = f"{year}-{month}-{day}T{hour}:{minute}:{second}"
    revision = raw.FPDF_GetSecurityHandlerRevision(pdf)
    if revision >= 0:
        flags = ctypes.c_uint32(raw.FPDF_GetDocPermissions(pdf)).value
        sink.metadata["encrypted"] = True
        sink.metadata["permissions"] = {name: bool(flags >> bit & 1) for name, bit in _PERMISSIONS}


def attachments(document: Document, pdf: pdfium.PdfDocument, sink: Sink) -> None:
    """Files inside the PDF as members."""
    try:
        count = pdf.count_attachments()
    except pdfium.PdfiumError:
        return
    if count <= 0:
        return
    sealed = document.password is None and _sealed_attachments(document)
    members = Members(document, sink)
    for index in range(min(count, 1000)):
        try:
            attachment = pdf.get_attachment(index)
            name = leaf_name(attachment.get_name(), f"attachment-{index + 1}")
            if sealed:
                members.refuse(name, 0, "needs_password", "The attachment is encrypted and needs a password.", PASSWORD_HINT)
            elif document.limits.depth >= document.limits.max_depth:
                members.refuse(
                    name, 0, "nesting_limit", f"It lies inside {document.limits.depth + 1} containers; deeper ones are not opened."
                )
            else:
                data = bytes(attachment.get_data())
                members.add(name, [data], claimed=len(data))
        except (pdfium.PdfiumError, ValueError, UnicodeError):
            members.refuse(f"attachment-{index + 1}", 0, "damaged", "The attachment cannot be read.")
    sink.metadata["attachments"] = count
    members.lose_attachments()


def _sealed_attachments(document: Document) -> bool:
    """Encryption of the attachments alone: pdfium hands them out as they stand, sealed."""
    if document.size > 64 * 1024**2 or not _encrypted(document):
        return False
    data = document.path.read_bytes()
    return re.search(rb"/EFF\s*/(?!Identity)", data) is not None and re.search(rb"/StmF\s*/Identity", data) is not None
