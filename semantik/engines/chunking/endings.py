"""Where sentences end, in most scripts; abbreviations, initials and numbers do not end one."""

from __future__ import annotations

import re

_CLOSERS = "\"'”’»›)\\]）】」』〉》"
# Scripts without blanks between sentences end them by the mark alone; the others need a blank or the end behind it.
# A row of marks is tried from its first one only: from each, a long row would take quadratic time.
_END = re.compile(rf"[。！？｡．]++[{_CLOSERS}]*+|(?<![.!?…।॥؟۔։።៕။])[.!?…।॥؟۔։።៕။]++[{_CLOSERS}]*+(?=\s|$)")
_WORD_BEFORE = re.compile(r"(\w[\w.]*)\.$")
_LOOK_BACK = 24

_WORDS = (
    "mr mrs ms dr prof st jr sr vs etc e.g i.e cf al fig figs eq eqs no nos vol pp ed eds inc ltd co corp dept approx resp sec ch art para "
    "jan feb mar apr jun jul aug sep sept oct nov dec u.s u.k ph.d "
    "bzw z.b d.h u.a usw ca abb abs nr evtl ggf inkl str sog vgl s.o s.u hr fr bspw "
    "mme mlle m.m p.ex env av sra srta ud uds pág págs núm ej p.ej dott sig sigg pag ecc dhr mevr bijv o.a "
    "т.е т.д т.п г гг др стр рис см им ул"
)
_ABBREVIATIONS = frozenset(_WORDS.split(" "))


def sentence_ends(text: str) -> list[int]:
    """Offsets just behind the last character of each sentence, ascending. Linear."""
    return [match.end() for match in _END.finditer(text) if not _goes_on(text, match)]


def _goes_on(text: str, match: re.Match[str]) -> bool:
    """Whether dots belong to a pause, an abbreviation, an initial or a list number."""
    if match.group().strip(".…"):
        return False
    after = text[match.end() : match.end() + 3].lstrip(" ")
    if after[:1].islower():
        return True
    if match.group() != ".":
        return False
    before = _WORD_BEFORE.search(text[max(0, match.start() - _LOOK_BACK) : match.end()])
    if before is None:
        return False
    word = before.group(1)
    return word.casefold() in _ABBREVIATIONS or (len(word) == 1 and word.isalpha() and word.isupper()) or _is_list_number(text, match, word)


def _is_list_number(text: str, match: re.Match[str], word: str) -> bool:
    start = match.start() - len(word)
    return word.isdigit() and len(word) <= 3 and (start == 0 or text[start - 1] == "\n")
