"""Cuts text into the terms that BM25 counts, each with its span, so that a match can be shown where it stands.

    words           runs of Unicode letters, marks and digits; case folded, compatibility forms unified, stemmed by language
    identifiers     `parse_http_date`, `parseHttpDate`, `E0277` count whole *and* in their parts
    part numbers    `AB-1234`, `1.20.3`, `COVID-19`: words joined by - . / : @ that hold a digit count whole and in parts;
                    `63,708` also as 63708
    Han and kana    single characters and bigrams, apart from the digits and Latin words they touch
    Hangul          bigrams and the whole word (particles hang on words)
    Thai, Lao, Khmer, Burmese   bigrams and trigrams of clusters: these scripts put no spaces between words

A term is text: the stem for words; a whole identifier is a term like any other. Deterministic and linear in the text's length.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from itertools import chain
from typing import Any, NamedTuple

import snowballstemmer

STEMMERS = {
    "ar": "arabic", "ca": "catalan", "cs": "czech", "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish",
    "et": "estonian", "eu": "basque", "fa": "persian", "fi": "finnish", "fr": "french", "ga": "irish", "hi": "hindi",
    "hu": "hungarian", "hy": "armenian", "id": "indonesian", "it": "italian", "lt": "lithuanian", "ne": "nepali", "nl": "dutch",
    "no": "norwegian", "pl": "polish", "pt": "portuguese", "ro": "romanian", "ru": "russian", "sr": "serbian", "sv": "swedish",
    "ta": "tamil", "tr": "turkish", "yi": "yiddish",
}  # fmt: skip

# A word longer than this is no word (a base64 blob, a line of dashes turned letters); it counts cut to this length.
_MAX_WORD = 64
_MAX_WHOLE = 48


class Term(NamedTuple):
    """`key` is what is counted; text[start:end] is where it stands."""

    key: str
    start: int
    end: int


def _ranges(*pairs: tuple[int, int]) -> str:
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in pairs)


_HAN = _ranges(
    (0x2E80, 0x2FDF), (0x3005, 0x3007), (0x3040, 0x30FF), (0x31F0, 0x31FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF),
    (0xFF66, 0xFF9F), (0x20000, 0x323AF),
)  # fmt: skip
_HANGUL = _ranges((0x1100, 0x11FF), (0x3130, 0x318F), (0xAC00, 0xD7AF))
_UNSPACED = _ranges((0x0E01, 0x0E3A), (0x0E40, 0x0E4E), (0x0E81, 0x0ECE), (0x1000, 0x103F), (0x1050, 0x109D), (0x1780, 0x17D3))


def _marks() -> str:
    """Combining marks and joiners of the basic plane: Python's \\w leaves them out, and Hindi words would fall apart."""
    found: list[list[int]] = []
    for point in [*range(0x300, 0x1B00), *range(0x1DC0, 0x1E00), 0x200C, 0x200D, *range(0x20D0, 0x2100), *range(0xA600, 0xAC00)]:
        if unicodedata.category(chr(point))[0] == "M" or point in (0x200C, 0x200D):
            if found and found[-1][1] == point - 1:
                found[-1][1] = point
            else:
                found.append([point, point])
    return _ranges(*[(first, last) for first, last in found])


_MARKS = _marks()
_WORD = rf"(?:(?![{_HAN}{_HANGUL}{_UNSPACED}])[\w{_MARKS}])"
# ASCII first and in one go: most words are nothing else.
_WORDS = rf"(?:[A-Za-z0-9_]++|{_WORD})+"
RUN = re.compile(rf"(?P<words>{_WORDS}(?:[-./:@,]{_WORDS})*)|(?P<han>[{_HAN}]+)|(?P<hangul>[{_HANGUL}]+)|(?P<unspaced>[{_UNSPACED}]+)")
_SINGLE = re.compile(_WORDS)
_CLUSTER = re.compile(rf"[เ-ไ]?[^{_MARKS}][{_MARKS}ะ-ฺๅ-๎]*")
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_PARTS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_ASCII_WORD = re.compile(r"[A-Za-z0-9_]+")


def cut(text: str, language: str | None) -> Iterator[Term]:
    """The terms of `text` in order of appearance, repeated as often as they occur. `language`: ISO 639-1; None reads as English."""
    for run in RUN.finditer(text):
        start = run.start()
        for key, at, until in run_terms(run.group(), run.lastgroup, language):
            yield Term(key, start + at, start + until)


def run_terms(run: str, kind: str | None, language: str | None) -> Iterable[tuple[str, int, int]]:
    """The terms of a match of `RUN` (`kind` is its last group) with their spans in it. They depend on nothing beyond it."""
    match kind:
        case "han":
            return _grams(run, [(i, i + 1) for i in range(len(run))], (1, 2))
        case "hangul":
            whole = plain(run)[:_MAX_WORD] if len(run) != 2 else ""
            return chain([(whole, 0, len(run))] if whole else (), _grams(run, [(i, i + 1) for i in range(len(run))], (2,)))
        case "unspaced":
            clusters = [match.span() for match in _CLUSTER.finditer(run)]
            return _grams(run, clusters or [(0, len(run))], (2, 3) if len(clusters) > 1 else (1,))
        case _:
            return (_known_words if len(run) <= _MAX_WORD else _words)(run, language or "en")


def wholes(terms: Sequence[tuple[str, int, int]]) -> set[int]:
    """Which of a run's terms are identifiers or part numbers as a whole: others lie within them."""
    found: set[int] = set()
    around: list[int] = []
    for at, (_, start, end) in enumerate(terms):
        while around and not (terms[around[-1]][1] <= start and end <= terms[around[-1]][2]):
            around.pop()
        if around and terms[around[-1]][1:] != (start, end):
            found.add(around[-1])
        around.append(at)
    return found


def plain_words(text: str) -> list[str]:
    """The words of spaced scripts, as `plain` gives them."""
    return [plain(match.group()) for match in _SINGLE.finditer(text)]


def _grams(run: str, units: list[tuple[int, int]], sizes: tuple[int, ...]) -> Iterator[tuple[str, int, int]]:
    for size in sizes:
        for at in range(len(units) - size + 1):
            first, last = units[at][0], units[at + size - 1][1]
            # A lone joiner or vowel mark has nothing left once it is unified.
            if key := plain(run[first:last]):
                yield key, first, last


def _words(run: str, language: str) -> tuple[tuple[str, int, int], ...]:
    """The terms of words that touch or are joined by - . / : @ and ,"""
    terms: list[tuple[str, int, int]] = []
    singles = [match.span() for match in _SINGLE.finditer(run)]
    if len(singles) > 1:
        if _THOUSANDS.fullmatch(run):
            terms.append((run.replace(",", ""), 0, len(run)))
        elif len(run) <= _MAX_WHOLE and "," not in run and any(map(str.isdigit, run)):
            terms.append((plain(run), 0, len(run)))
    for first, last in singles:
        word = run[first:last].strip("_")
        if not word:
            continue
        lead = run.index(word, first, last)
        terms += ((key, lead + at, lead + until) for key, at, until in _word_terms(word[:_MAX_WORD], language))
    return tuple(term for term in terms if term[0])


# Texts repeat their words, and a search looks for its words in ten passages: this makes that three times as fast.
_known_words = lru_cache(maxsize=32_768)(_words)


def _word_terms(word: str, language: str) -> tuple[tuple[str, int, int], ...]:
    """The stem of a plain word; of an identifier itself whole and the stems of its parts."""
    if _ASCII_WORD.fullmatch(word):
        parts = [match.span() for match in _PARTS.finditer(word)]
        if len(parts) > 1 and not _is_ordinal(word):
            whole = (plain(word), 0, len(word))
            return whole, *((stem(plain(word[at:until]), language), at, until) for at, until in parts)
    elif "_" in word:
        parts = [match.span() for match in re.finditer(r"[^_]+", word)]
        return (plain(word), 0, len(word)), *((stem(plain(word[at:until]), language), at, until) for at, until in parts)
    return ((stem(plain(word), language), 0, len(word)),)


def _is_ordinal(word: str) -> bool:
    """1st, 2nd, 19th, 1990s: two parts by the letter, one word to a reader."""
    return word[0].isdigit() and word.lstrip("0123456789").lower() in ("st", "nd", "rd", "th", "s")


_ARABIC_FORMS = str.maketrans({"أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ي", "ـ": None, **{chr(c): None for c in range(0x64B, 0x653)}})


def plain(word: str) -> str:
    """Case folded, compatibility forms unified (full width, ligatures), Arabic vowel marks and forms of alef unified."""
    if word.isascii():
        return word.lower()
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", word).casefold())
    return folded.translate(_ARABIC_FORMS).replace("\u200c", "").replace("\u200d", "")


@lru_cache(maxsize=65_536)
def stem(word: str, language: str) -> str:
    """`word` must be `plain`. Without a stemmer for the language, and for words with digits, the word itself."""
    name = STEMMERS.get(language)
    if name is None or (not word.isalpha() and any(map(str.isdigit, word))):
        return word
    stemmer, lock = _stemmer(name)
    with lock:  # A stemmer object holds the word it works on.
        stemmed = str(stemmer.stemWord(word))
    return stemmed or word


@cache
def _stemmer(name: str) -> tuple[Any, threading.Lock]:
    return snowballstemmer.stemmer(name), threading.Lock()
