"""What readers are given: one file, what it was found to be, and what it may cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from semantik.engines.extract.base import Limits
from semantik.engines.extract.decode import Charset
from semantik.engines.extract.refusal import failed, size_words


@dataclass(frozen=True, slots=True)
class Kind:
    """What a file is. `reader` names the module that reads it, `words` is how sentences call it."""

    name: str
    reader: str
    media_type: str
    words: str


_KINDS = (
    Kind("pdf", "pdf", "application/pdf", "PDF"),
    Kind("docx", "office", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "Word document"),
    Kind("odt", "office", "application/vnd.oasis.opendocument.text", "OpenDocument text"),
    Kind("epub", "book", "application/epub+zip", "EPUB book"),
    Kind("rtf", "office", "application/rtf", "RTF document"),
    Kind("doc", "office", "application/msword", "Word 97 document"),
    Kind("ppt", "office", "application/vnd.ms-powerpoint", "PowerPoint 97 presentation"),
    Kind("msg", "office", "application/vnd.ms-outlook", "Outlook message"),
    Kind("ooxml-encrypted", "locked", "application/x-ole-storage", "Office document"),
    Kind("pptx", "slides", "application/vnd.openxmlformats-officedocument.presentationml.presentation", "PowerPoint presentation"),
    Kind("odp", "slides", "application/vnd.oasis.opendocument.presentation", "OpenDocument presentation"),
    Kind("xlsx", "sheets", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "Excel workbook"),
    Kind("xlsb", "sheets", "application/vnd.ms-excel.sheet.binary.macroenabled.12", "binary Excel workbook"),
    Kind("xls", "sheets", "application/vnd.ms-excel", "Excel 97 workbook"),
    Kind("ods", "sheets", "application/vnd.oasis.opendocument.spreadsheet", "OpenDocument spreadsheet"),
    Kind("csv", "delimited", "text/csv", "CSV table"),
    Kind("tsv", "delimited", "text/tab-separated-values", "TSV table"),
    Kind("html", "web", "text/html", "HTML page"),
    Kind("markdown", "plain", "text/markdown", "Markdown file"),
    Kind("text", "plain", "text/plain", "text file"),
    Kind("code", "plain", "text/x-source", "source file"),
    Kind("json", "plain", "application/json", "JSON file"),
    Kind("yaml", "plain", "application/yaml", "YAML file"),
    Kind("xml", "markup", "application/xml", "XML document"),
    Kind("svg", "markup", "image/svg+xml", "SVG drawing"),
    Kind("eml", "mail", "message/rfc822", "mail"),
    Kind("mbox", "mail", "application/mbox", "mailbox"),
    Kind("zip", "archive", "application/zip", "ZIP archive"),
    Kind("tar", "archive", "application/x-tar", "TAR archive"),
    Kind("gzip", "archive", "application/gzip", "gzip file"),
    Kind("bzip2", "archive", "application/x-bzip2", "bzip2 file"),
    Kind("xz", "archive", "application/x-xz", "xz file"),
    Kind("png", "image", "image/png", "PNG image"),
    Kind("jpeg", "image", "image/jpeg", "JPEG image"),
    Kind("gif", "image", "image/gif", "GIF image"),
    Kind("bmp", "image", "image/bmp", "BMP image"),
    Kind("tiff", "image", "image/tiff", "TIFF image"),
    Kind("webp", "image", "image/webp", "WebP image"),
)
KINDS = {kind.name: kind for kind in _KINDS}
ARCHIVES = frozenset({"zip", "tar", "gzip", "bzip2", "xz", "mbox"})

# A reader that needs all bytes at once holds them several times over inside an address space of 1 GiB.
MAX_WHOLE = 256 * 1024**2


@dataclass(slots=True)
class Document:
    """`head` is the first 64 KiB; `charset` is set for text kinds. `allow_memory` raises the child's own memory limit."""

    path: Path
    name: str
    size: int
    head: bytes
    kind: Kind
    limits: Limits
    scratch: Path
    password: str | None = None
    charset: Charset = field(default_factory=lambda: Charset("utf-8"))
    allow_memory: Callable[[int], None] = lambda _: None

    def read(self) -> bytes:
        """All bytes, for parsers that need them at once."""
        if self.size > MAX_WHOLE:
            raise failed(
                "too_large",
                f"The {self.kind.words} has {size_words(self.size)}; this kind is read up to {size_words(MAX_WHOLE)}.",
                "Split the file.",
            )
        return self.path.read_bytes()
