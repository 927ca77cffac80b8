"""Tells the language of a text, ISO 639-1, or says that it cannot tell. Loaded on first use, about 65 MB, 1 s of CPU."""

from __future__ import annotations

import re
import threading
from collections.abc import Collection
from functools import cache

import numpy as np
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from semantik.engines.embedding.function_words import FUNCTION_WORDS
from semantik.engines.embedding.terms import plain_words

# Languages with many speakers or a stemmer of ours. Rare neighbours (pcm, lb, wuu ...) only steal short texts from them.
_CODES = (
    "ar bg bn ca cs da de el en es et eu fa fi fr ga he hi hr hu hy id it ja ka ko lt lv ms nl no pl pt ro ru sk sl sr sv ta te th tr "
    "uk ur vi zh"
)
LANGUAGES = tuple(_CODES.split(" "))

# Below this share of the probability the answer is noise ("invoice 2024" reads as Romanian with .13).
_SURE = 0.5
_SAMPLE = 2_000
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U000323af]")
_KANA = re.compile(r"[\u3040-\u30ff]")
_CODE = re.compile(r"[{}();=<>\[\]_|$\\]")
_lock = threading.Lock()


def detect(text: str, fallback: str | None = None) -> str | None:
    """The language of `text`, or `fallback` when it is too short, mixed, or no prose (code, numbers). Safe from any thread."""
    sample = text if len(text) <= 2 * _SAMPLE else text[:_SAMPLE] + " " + text[len(text) // 2 : len(text) // 2 + _SAMPLE]
    letters = sum(map(str.isalpha, sample))
    if letters < 3:
        return fallback
    han = len(_HAN.findall(sample))
    if han >= 0.3 * letters:
        return "ja" if len(_KANA.findall(sample)) > 0.05 * letters else "zh"
    if len(_CODE.findall(sample)) > 0.06 * len(sample):
        return fallback
    language, share = _identifier().classify(sample)
    return language if share >= _SURE else fallback


def load() -> None:
    """What the first `detect` would load; for a thread that has time before it is needed."""
    _identifier()


def _identifier() -> LanguageIdentifier:
    with _lock:
        return _load()


@cache
def _load() -> LanguageIdentifier:
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    known = set(identifier.labels)
    identifier.set_languages([code for code in LANGUAGES if code in known])
    identifier.nb_ptc = identifier.nb_ptc.astype(np.float32)
    # The table over all 140 languages goes; only the restricted one is ever read again.
    identifier._full_model = (identifier.nb_ptc, identifier.nb_pc, identifier.nb_classes)
    return identifier


_SCRIPTS = (
    (("zh", "ja", "ko"), re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")),
    (("ar", "fa", "ur"), re.compile(r"[\u0600-\u06ff]")),
    (("ru", "uk", "bg", "sr", "be", "mk"), re.compile(r"[\u0400-\u04ff]")),
    (("el",), re.compile(r"[\u0370-\u03ff]")),
    (("he", "yi"), re.compile(r"[\u0590-\u05ff]")),
    (("hi", "ne", "mr"), re.compile(r"[\u0900-\u097f]")),
    (("bn",), re.compile(r"[\u0980-\u09ff]")),
    (("ta",), re.compile(r"[\u0b80-\u0bff]")),
    (("te",), re.compile(r"[\u0c00-\u0c7f]")),
    (("th",), re.compile(r"[\u0e00-\u0e7f]")),
    (("ka",), re.compile(r"[\u10a0-\u10ff]")),
    (("hy",), re.compile(r"[\u0530-\u058f]")),
)


def is_foreign(query: str, languages: Collection[str | None]) -> bool:
    """Whether the query is surely in none of these languages. By script and function words: no model, microseconds.

    False when in doubt: a few names, a code, languages that are not known.
    """
    known = {language for language in languages if language}
    if not known or len(known) < len(set(languages)):
        return False
    if codes := _script(query):
        return known.isdisjoint(codes)
    counts = _function_words(query)
    best = max(counts.values())
    # Two words at least, and more than any language of the documents explains.
    return best >= 2 and best > max((counts.get(language, best) for language in known), default=0)


def tongues(query: str) -> Collection[str]:
    """The languages that a query can be in; empty when that does not show."""
    language = spoken(query)
    return (language,) if language else _script(query)


def spoken(query: str) -> str | None:
    """The language that a query is surely in: two function words at least, and more of them than of any other language."""
    codes = _script(query)
    counts = {code: count for code, count in _function_words(query).items() if not codes or code in codes}
    first, second = sorted([*counts.values(), 0, 0], reverse=True)[:2]
    return max(counts, key=lambda code: counts[code]) if first >= 2 and first > second else None


def _script(query: str) -> Collection[str]:
    """The languages of the script that most of the letters are in; empty for Latin and for fewer than two such letters."""
    letters = sum(map(str.isalpha, query))
    for codes, script in _SCRIPTS:
        found = len(script.findall(query))
        if found > 0.5 * letters:
            return codes if found >= 2 else ()
    return ()


def _function_words(query: str) -> dict[str, int]:
    """How many of the words are function words of each language."""
    found = plain_words(query)
    return {code: sum(word in function for word in found) for code, function in FUNCTION_WORDS.items()}
