"""BM25 as sparse vectors: a document's vector holds the term-frequency part, the index multiplies by IDF of the searched corpus.

Score = sum over the query's distinct terms of idf(t) * tf(t) * (k1 + 1) / (tf(t) + k1 * (1 - b + b * length / mean_terms))
(Robertson and Zaragoza, The Probabilistic Relevance Framework, 2009). A repeated query term counts once, which helps on long
questions, and the function words of a query are dropped (bench/retrieval): among English documents the three German ones would
answer any German question by its articles. Documents keep theirs, which makes the length what a reader would call length.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import blake2b

import numpy as np

from semantik.engines.embedding.function_words import FUNCTION_WORDS
from semantik.engines.embedding.language import spoken
from semantik.engines.embedding.terms import RUN, cut, plain, run_terms
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
        self._seen: dict[str | None, dict[str, list[tuple[int, int, int]]]] = {}

    def of(self, text: str, language: str | None) -> tuple[list[tuple[int, int]], list[str]]:
        """Where the wanted terms stand in `text`, and which of their surfaces were met.

        Spans are [start, end), ascending and apart from each other: touching ones are joined.
        """
        met: dict[int, None] = {}
        found: set[tuple[int, int]] = set()
        known = self._seen.setdefault(language, {})
        for match in RUN.finditer(text):
            run = match.group()
            seen = known.get(run)
            if seen is None:
                terms = run_terms(run, match.lastgroup, language)
                seen = known[run] = [(id, at, until) for key, at, until in terms if (id := term_id(key)) in self._wanted]
            if seen:
                start = match.start()
                for id, at, until in seen:
                    met[id] = None
                    found.add((start + at, start + until))
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


@lru_cache(maxsize=65_536)
def term_id(key: str) -> int:
    """A stable 32-bit id: the same on any machine, in any version."""
    return int.from_bytes(blake2b(key.encode("utf-8", "surrogatepass"), digest_size=4).digest(), "little")


def _vector(weights: Mapping[int, float]) -> SparseVector:
    indices = np.fromiter(weights.keys(), np.uint32, len(weights))
    values = np.fromiter(weights.values(), np.float32, len(weights))
    order = np.argsort(indices)
    return SparseVector(indices[order], values[order])
