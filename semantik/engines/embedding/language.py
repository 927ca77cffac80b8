"""Tells the language of a text, ISO 639-1, or says that it cannot tell. Loaded on first use, about 65 MB, 1 s of CPU."""

from __future__ import annotations

import re
import threading
from functools import cache

import numpy as np
from py3langid.langid import MODEL_FILE, LanguageIdentifier

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
