"""Checks before any parser runs: what a container claims to expand to, XML entities, image sizes, sheet areas."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from semantik.engines.extract.refusal import Refused, damaged, failed, locked, size_words

MAX_MEMBERS = 10_000
MAX_TOTAL = 400 * 1024**2
# A member smaller than this may have any ratio: a blank sheet or a run of zeros compresses a thousandfold in good faith.
RATIO_FLOOR = 20 * 1024**2
MAX_RATIO = 100
MAX_PIXELS = 100_000_000
ENTITY_WINDOW = 64 * 1024

_ENTITY = re.compile(rb"<!\s*ENTITY", re.IGNORECASE)
# Parts of an OOXML, ODF or EPUB package that parsers read as XML.
_XML_NAMES = (".xml", ".rels", ".xhtml", ".html", ".htm", ".opf", ".ncx", ".svg", ".vml")

# What zipfile raises on damaged archives; NotImplementedError and RuntimeError are its words for methods and passwords.
ZIP_ERRORS = (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError, OSError, IndexError)


def package(path: Path, what: str, *, entities: bool = False) -> None:
    """Refuses an office package that is a bomb, encrypted, or brings its own XML entities (`entities` lets those pass).

    Sizes are as declared; the address space limit stands behind them.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if len(entries) > MAX_MEMBERS:
                raise failed("archive_too_many", f"The {what} holds {len(entries):,} parts; the limit is {MAX_MEMBERS:,}.")
            expanded = sum(entry.file_size for entry in entries)
            if expanded > MAX_TOTAL:
                raise failed("archive_bomb", f"The {what} expands to {size_words(expanded)}; the limit is {size_words(MAX_TOTAL)}.")
            for entry in entries:
                if entry.flag_bits & 1:
                    raise locked(what, None)
                if ratio_too_high(entry):
                    raise _bomb(what, entry)
                if not entities and entry.filename.lower().endswith(_XML_NAMES) and not entry.is_dir() and _head_has_entity(archive, entry):
                    raise failed(
                        "entity_refused",
                        f"The {what} defines XML entities in {entry.filename[:100]!r}, "
                        "which a document of this kind never needs; it was not opened.",
                        "Save it again with the program that made it.",
                    )
    except ZIP_ERRORS as error:
        raise damaged(what, "its parts cannot be unpacked") from error


def open_document(path: Path, what: str) -> None:
    """Refuses an OpenDocument package whose parts are encrypted one by one."""
    try:
        with zipfile.ZipFile(path) as archive:
            if "META-INF/manifest.xml" in archive.namelist() and b"encryption-data" in archive.read("META-INF/manifest.xml"):
                raise failed(
                    "needs_password",
                    f"The {what} is encrypted and needs a password.",
                    "Encryption of OpenDocument is not opened here: save it without a password and replace the file.",
                )
    except ZIP_ERRORS as error:
        raise damaged(what, "its parts cannot be unpacked") from error


def ratio_too_high(entry: zipfile.ZipInfo) -> bool:
    return entry.file_size > RATIO_FLOOR and entry.file_size > MAX_RATIO * max(entry.compress_size, 1)


def _bomb(what: str, entry: zipfile.ZipInfo) -> Refused:
    ratio = entry.file_size // max(entry.compress_size, 1)
    return failed(
        "archive_bomb",
        f"The {what} expands from {size_words(entry.compress_size)} to {size_words(entry.file_size)}, "
        f"a ratio of {ratio:,}; the limit is {MAX_RATIO}.",
        "A real document never does that; do not open it elsewhere either.",
    )


def _head_has_entity(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bool:
    with archive.open(entry) as stream:
        try:
            head = stream.read(ENTITY_WINDOW)
        except zipfile.BadZipFile:
            return False
    return has_entity(head)


def has_entity(head: bytes) -> bool:
    """Whether XML bytes define entities, in any of the encodings that XML knows."""
    window = head[:ENTITY_WINDOW]
    if b"\x00" in window:
        window = window.replace(b"\x00", b"")
    return _ENTITY.search(window) is not None


def pixels(width: int, height: int, what: str) -> None:
    if width * height > MAX_PIXELS:
        raise failed(
            "image_too_large",
            f"The {what} has {width:,} x {height:,} pixels ({width * height / 1e6:,.0f} MP); the limit is {MAX_PIXELS // 1_000_000} MP.",
            "Scale it down, then replace the file.",
        )
