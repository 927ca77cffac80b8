"""Tells the language of a text, ISO 639-1, or says that it cannot tell. Loaded on first use, about 65 MB, 1 s of CPU."""

from __future__ import annotations

import re
import threading
from collections.abc import Collection
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


# Words that hold sentences together and hardly occur in other languages' sentences; enough to tell a question's language.
_FUNCTION_WORDS = {
    "cs": "je jsou byl byla bylo co kdo kde kdy jak proč který která které ve na pro jaký jaká",
    "da": "er var hvad hvem hvor hvornår hvordan hvilken hvilket og af det den ikke med til",
    "de": (
        "der die das und ist sind war waren wurde wurden was wer wo wann wie warum welche welcher welches von zu mit für nicht ein eine "
        "einen den dem im viele"
    ),
    "en": "the of and is are was were what who where when how why which did does do to for with a an in on by at many much from",
    "es": "el la los las de del y es son fue fueron qué quién dónde cuándo cómo cuál cuáles cuántos cuántas por para con una un en se",
    "fi": "on oli ovat mikä mitä kuka missä milloin miten miksi ja ei kuinka monta",
    "fr": "le la les des du et est sont était quoi qui où quand comment pourquoi quel quelle quels quelles pour avec une un dans combien",
    "hu": "az és egy volt mi ki hol mikor hogyan miért melyik hány nem hogy",
    "id": "yang dan di apa siapa kapan bagaimana mengapa berapa untuk dengan adalah dari pada",
    "it": "il lo la gli le di del della e è sono era cosa chi dove quando come perché quale quali quanti per con una un nel",
    "nl": "de het een en is zijn was waren wat wie waar wanneer hoe waarom welke van voor met niet hoeveel in",
    "no": "er var hva hvem hvor når hvordan hvilken hvilket og av det den ikke med til",
    "pl": "jest są był była było co kto gdzie kiedy jak dlaczego który która które w na dla ile nie",
    "pt": "o a os as de do da dos das e é são foi foram que quem onde quando como qual quais quantos por para com uma um em no na",
    "ro": "este sunt a fost ce cine unde când cum care câți câte și în de la pentru cu din",
    "sv": "är var vad vem när hur vilken vilket vilka och av det den inte med till många",
    "tr": "ve bir bu ne kim nerede nasıl neden hangi kaç için ile olan olarak mi mı zaman",
    "vi": "là và của có những gì ai ở đâu khi nào thế bao nhiêu trong cho với được",
}
_FUNCTION = {code: frozenset(words.split()) for code, words in _FUNCTION_WORDS.items()}
_SCRIPTS = (
    ("zh ja ko", re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")),
    ("ar fa ur", re.compile(r"[\u0600-\u06ff]")),
    ("ru uk bg sr be mk", re.compile(r"[\u0400-\u04ff]")),
    ("el", re.compile(r"[\u0370-\u03ff]")),
    ("he yi", re.compile(r"[\u0590-\u05ff]")),
    ("hi ne mr", re.compile(r"[\u0900-\u097f]")),
    ("bn", re.compile(r"[\u0980-\u09ff]")),
    ("ta", re.compile(r"[\u0b80-\u0bff]")),
    ("te", re.compile(r"[\u0c00-\u0c7f]")),
    ("th", re.compile(r"[\u0e00-\u0e7f]")),
    ("ka", re.compile(r"[\u10a0-\u10ff]")),
    ("hy", re.compile(r"[\u0530-\u058f]")),
)


def is_foreign(query: str, languages: Collection[str | None]) -> bool:
    """Whether the query is surely in none of these languages. By script and function words: no model, microseconds.

    False when in doubt: a few names, a code, languages that are not known.
    """
    known = {language for language in languages if language}
    if not known or len(known) < len(set(languages)):
        return False
    letters = sum(map(str.isalpha, query))
    for codes, script in _SCRIPTS:
        found = len(script.findall(query))
        if found > 0.5 * letters:
            return found >= 2 and known.isdisjoint(codes.split())
    words = re.findall(r"\w+", query.lower())
    counts = {code: sum(word in function for word in words) for code, function in _FUNCTION.items()}
    best = max(counts.values())
    # Two words at least, and more than any language of the documents explains.
    return best >= 2 and best > max((counts.get(language, best) for language in known), default=0)
