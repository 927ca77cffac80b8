"""BM25 as sparse vectors: a document's vector holds the term-frequency part, the index multiplies by IDF of the searched corpus.

Score = sum over the query's distinct terms of idf(t) * tf(t) * (k1 + 1) / (tf(t) + k1 * (1 - b + b * length / mean_terms))
(Robertson and Zaragoza, The Probabilistic Relevance Framework, 2009). A repeated query term counts once, which helps on long
questions, and the function words of a query are dropped (bench/retrieval): among English documents the three German ones would
answer any German question by its articles. Documents keep theirs, which makes the length what a reader would call length.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

import numpy as np

from semantik.engines.embedding.function_words import FUNCTION_WORDS
from semantik.engines.embedding.language import spoken
from semantik.engines.embedding.terms import RUN, cut, plain, run_terms, wholes
from semantik.kit.sparse import SparseVector

# Best mean over the development sets of bench/retrieval among k1 .9-1.5 and b .4-.75; flat near the optimum.
K1 = 1.2
B = 0.75

# Terms of a typical chunk: what steadies the mean that a generation's first publish counts, and stands in for one never counted.
TYPICAL_MEAN_TERMS = 100.0


def document_vector(text: str, language: str | None, mean_terms: float) -> SparseVector:
    """The sparse vector of a passage. Empty for a text without a letter or digit. `mean_terms` > 0: see `generations.mean_terms`."""
    assert mean_terms > 0, "mean_terms is a positive constant of the generation"
    counts = Counter(term.key for term in cut(text, language))
    length_norm = K1 * (1 - B + B * counts.total() / mean_terms)
    weights: dict[int, float] = {}
    for key, count in counts.items():
        term = term_id(key)
        # Two keys on one id (about one pair in 4 billion) add up, so that ids stay unique.
        weights[term] = weights.get(term, 0.0) + count * (K1 + 1) / (count + length_norm)
    return _vector(weights)


def count_terms(text: str, language: str | None) -> int:
    """The length of a passage in terms, for the mean of a generation."""
    return sum(1 for _ in cut(text, language))


def query_vector(text: str, languages: Iterable[str | None]) -> tuple[SparseVector, Mapping[int, str]]:
    """The sparse vector of a query and, for each term id, the words as they stand in the query.

    `languages`: those of the documents that are searched; the query is cut once for each, so that it meets every stem.
    None or none at all reads as English.
    """
    cuts = dict.fromkeys(code or "en" for code in languages) or {"en": None}
    # English ones always, as many questions are in it and hardly a word of them means something elsewhere.
    functional = FUNCTION_WORDS["en"] if "en" in cuts else frozenset()
    functional |= FUNCTION_WORDS.get(spoken(text) or "", frozenset())
    surfaces: dict[int, str] = {}
    stop: dict[int, str] = {}
    for language in cuts:
        for term in cut(text, language):
            surface = text[term.start : term.end]
            target = stop if plain(surface) in functional else surfaces
            target.setdefault(term_id(term.key), surface)
    surfaces = surfaces or stop
    return _vector(dict.fromkeys(surfaces, 1.0)), surfaces


class Marks:
    """Finds the words of a query in passages. Remembers what it looked at: passages about one thing repeat their words."""

    def __init__(self, wanted: Mapping[int, str]) -> None:
        """`wanted` is that of `query_vector`."""
        self._wanted = wanted
        self._codes = _codes(wanted)
        self._parts = {part for code in self._codes for part in code}
        self._seen: dict[str | None, dict[str, _Run]] = {}

    def of(self, text: str, language: str | None) -> tuple[list[tuple[int, int]], list[str]]:
        """Where the wanted terms stand in `text`, and which of their surfaces were met.

        Spans are [start, end), ascending and apart from each other: touching ones are joined. The parts of a code count in
        BM25, and mislead where they are marked: of `E-402` nothing is marked for `E-417`. They are marked where all of them
        stand together in another form (`E417`), and one letter of an identifier never alone.
        """
        met: dict[int, None] = {}
        found: set[tuple[int, int]] = set()
        parts: list[tuple[int, int, int, int]] = []
        known = self._seen.setdefault(language, {})
        passed = 0
        for match in RUN.finditer(text):
            run = match.group()
            seen = known.get(run)
            if seen is None:
                seen = known[run] = self._look(run, match.lastgroup, language)
            if seen.met:
                start = match.start()
                met.update(seen.met)
                found.update((start + at, start + until) for at, until in seen.marked)
                parts += ((passed + place, id, start + at, start + until) for place, id, at, until in seen.parts)
            passed += seen.leaves
        found.update(_standing(self._codes, parts))
        spans = sorted(found)
        if any(end - start > 1 for start, end in spans):
            # A single Han character matches everywhere; it is shown only when nothing longer was found.
            spans = [(start, end) for start, end in spans if end - start > 1 or text[start].isascii()]
        joined: list[tuple[int, int]] = []
        for start, end in spans:
            if joined and start <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
            else:
                joined.append((start, end))
        return joined, list(dict.fromkeys(self._wanted[id] for id in met))

    def _look(self, run: str, kind: str | None, language: str | None) -> _Run:
        held, leaving = (_known_run if len(run) <= _REMEMBERED else _unwanted)(run, kind, language)
        if self._wanted.keys().isdisjoint(held):
            return leaving
        terms = list(run_terms(run, kind, language))
        ids = [term_id(key) for key, _, _ in terms]
        around = wholes(terms)
        leaves = [at for at in range(len(terms)) if at not in around]
        marked = [
            (start, end)
            for id, (key, start, end) in zip(ids, terms, strict=True)
            if id in self._wanted and id not in self._parts and (end - start > 1 or not around or not key.isascii())
        ]
        parts = [(place, ids[at], *terms[at][1:]) for place, at in enumerate(leaves) if ids[at] in self._parts]
        return _Run(dict.fromkeys(id for id in ids if id in self._wanted), tuple(marked), tuple(parts), len(leaves))


@dataclass(frozen=True, slots=True)
class _Run:
    """What a run of letters holds of the query. `parts` of its codes: (place among the leaves, id, start, end)."""

    met: Mapping[int, None]
    marked: Sequence[tuple[int, int]]
    parts: Sequence[tuple[int, int, int, int]]
    leaves: int


def _unwanted(run: str, kind: str | None, language: str | None) -> tuple[frozenset[int], _Run]:
    """The ids of a run's terms, and what it is for a query that none of them is in."""
    terms = list(run_terms(run, kind, language))
    return frozenset(term_id(key) for key, _, _ in terms), _Run({}, (), (), len(terms) - len(wholes(terms)))


# Most runs of most passages are words met before. Some 0.6 KB each: 10 MB at the most, and a long run is none of them.
_known_run = lru_cache(maxsize=16_384)(_unwanted)
_REMEMBERED = 64


def _codes(wanted: Mapping[int, str]) -> list[tuple[int, ...]]:
    """The identifiers among the wanted surfaces that hold a digit, as the ids of their parts in order."""
    codes = []
    for surface in dict.fromkeys(wanted.values()):
        if surface.isascii() and any(map(str.isdigit, surface)):
            terms = list(cut(surface, None))
            around = wholes(terms)
            parts = tuple(term_id(term.key) for at, term in enumerate(terms) if at not in around)
            if len(parts) > 1:
                codes.append(parts)
    return codes


def _standing(codes: Sequence[tuple[int, ...]], parts: Sequence[tuple[int, int, int, int]]) -> Iterator[tuple[int, int]]:
    """Where all parts of a code stand one after the other, whatever joins them."""
    for at, (place, id, start, _) in enumerate(parts):
        for code in codes:
            following = parts[at : at + len(code)]
            if id == code[0] and [(one[0], one[1]) for one in following] == list(enumerate(code, place)):
                yield start, following[-1][3]


@lru_cache(maxsize=65_536)
def term_id(key: str) -> int:
    """A stable 32-bit id: the same on any machine, in any version."""
    return int.from_bytes(blake2b(key.encode("utf-8", "surrogatepass"), digest_size=4).digest(), "little")


def _vector(weights: Mapping[int, float]) -> SparseVector:
    indices = np.fromiter(weights.keys(), np.uint32, len(weights))
    values = np.fromiter(weights.values(), np.float32, len(weights))
    order = np.argsort(indices)
    return SparseVector(indices[order], values[order])
