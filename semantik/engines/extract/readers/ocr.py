"""Text from pixels by the Tesseract inside kreuzberg, and the test whether what it saw are words."""

from __future__ import annotations

import re

import kreuzberg

from semantik.engines.extract import tessdata
from semantik.engines.extract.document import Document
from semantik.engines.extract.flow import clean, squeeze
from semantik.engines.extract.refusal import Refused, partial, plural
from semantik.engines.extract.sink import Sink

# Measured: 655-862 MB of address space for a page; thread stacks and a large page need the rest.
MEMORY = 2 * 1024**3

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_VOWELS = frozenset("aeiouyäöüàáâãåæèéêëìíîïòóôõøùúûýœаеёиоуыэюяαεηιουωάέήίόύώ")
_INK = re.compile(r"\S")


class Ocr:
    """The page budget of one document."""

    def __init__(self, document: Document, sink: Sink) -> None:
        self._limits = document.limits
        self._sink = sink
        self._allow_memory = document.allow_memory
        self._languages, missing = tessdata.languages(document.limits.ocr_languages)
        self.read_pages = 0
        self.left_out: list[int] = []
        if missing and document.limits.ocr:
            sink.warn(f"OCR data for {', '.join(missing)} is not installed.")

    @property
    def possible(self) -> bool:
        return self._limits.ocr and bool(self._languages) and self.read_pages < self._limits.ocr_max_pages

    def page(self, image: bytes, media_type: str, page: int | None = None) -> str:
        """The text of one image, blank when nothing on it looks like words. Counts against the budget."""
        self.read_pages += 1
        self._allow_memory(MEMORY)
        self._sink.ocr_begins(self._limits.ocr_page_timeout_s)
        try:
            result = kreuzberg.extract_bytes_sync(image, media_type, config=self._config())
        except kreuzberg.KreuzbergError:
            self._sink.warn("OCR could not read an image." if page is None else f"OCR could not read page {page}.")
            return ""
        finally:
            self._sink.ocr_ends()
        text = squeeze(clean(result.content or "")).strip()
        return text + "\n" if looks_written(text) else ""

    def _config(self) -> kreuzberg.ExtractionConfig:
        return kreuzberg.ExtractionConfig(
            force_ocr=True,
            use_cache=False,
            enable_quality_processing=False,
            output_format="plain",
            concurrency=kreuzberg.ConcurrencyConfig(max_threads=1),
            ocr=kreuzberg.OcrConfig(
                backend="tesseract",
                language=self._languages,
                tesseract_config=kreuzberg.TesseractConfig(psm=1, language=self._languages, use_cache=False),
            ),
        )

    def loss(self) -> Refused | None:
        """What is missing because the budget ended, OCR is off, or its data is not installed."""
        if not self.left_out:
            return None
        pages = page_list(self.left_out)
        if not self._limits.ocr:
            why, hint = "OCR is switched off", "Set SEMANTIK_OCR=true, then retry."
        elif not self._languages:
            why, hint = (
                f"no OCR data for {self._limits.ocr_languages} is installed",
                "Put its .traineddata where `semantik doctor` says, or set SEMANTIK_OCR_LANGUAGES.",
            )
        else:
            why = f"OCR reads {plural(self._limits.ocr_max_pages, 'page')} of a document"
            hint = "Raise SEMANTIK_OCR_MAX_PAGES, then retry."
        verb = "needs" if len(self.left_out) == 1 else "need"
        return partial("needs_ocr", f"{pages} without a text layer {verb} OCR: {why}.", hint)


def page_list(pages: list[int]) -> str:
    """Page 3 / Pages 1-4, 7 and 9: ranges, shortened after a dozen."""
    ranges: list[str] = []
    start = previous = pages[0]
    for page in [*pages[1:], -1]:
        if page == previous + 1:
            previous = page
            continue
        ranges.append(str(start) if start == previous else f"{start}-{previous}")
        start = previous = page
    if len(pages) == 1:
        return f"Page {ranges[0]}"
    if len(ranges) > 12:
        return f"Pages {', '.join(ranges[:12])} and others ({len(pages):,} in all)"
    return "Pages " + (ranges[0] if len(ranges) == 1 else ", ".join(ranges[:-1]) + " and " + ranges[-1])


def looks_written(text: str) -> bool:
    """Whether OCR saw writing: a photo gives scattered marks and fragments, a page gives words.

    Words count that have three letters, a vowel (where the script writes vowels) and an ordinary case; they must make up a
    third of the ink. Digits in runs count as written: a receipt or a table of figures is worth keeping.
    """
    ink = len(_INK.findall(text))
    if ink < 3:
        return False
    words = figures = 0
    count = 0
    for word in _WORD.findall(text):
        if _plausible(word):
            words += len(word)
            count += 1
    for run in re.findall(r"\d[\d.,:/-]{2,}\d", text):
        figures += len(run)
        count += 1
    return count > 0 and (words + figures) * 3 >= ink and (count >= 2 or ink <= 24)


def _plausible(word: str) -> bool:
    if not word.isascii() and any(ord(character) > 0x2E80 for character in word):
        return True
    if len(word) < 3 or len(word) > 40:
        return False
    if not (word.islower() or word.isupper() or word[1:].islower() or sum(map(str.isupper, word)) * 3 <= len(word)):
        return False
    lower = word.lower()
    if lower[0] > "\u0500":
        return True
    if len(set(lower)) < 2 or not _VOWELS.intersection(lower):
        return False
    return not re.search(r"(.)\1\1", lower)
