"""One list out of two, by scores: each side is measured against random passages of the same collections, then added.

z = (score - mean) / std, with this query's mean and deviation over some 400 random passages of the searched collections.
A side that knows nothing of the query is flat: its best passage is hardly above random ones, and it counts for little.

    total = z of keywords + w * z of meaning        w = SLOPE * sqrt(1 + 20 / n) * max(0, t - START * n / (n + 60))

t is the query's highest z in meaning, n the number of passages in the sample. Both corrections by n matter only for small
collections, in which no z can exceed sqrt(n - 1). A keyword that no sampled passage holds has no deviation to speak of: z of
keywords is scaled so that its best is at most CAP.

The score shown is the share of first hits with as much evidence that people had judged to answer the query. Its evidence is no
deviation, for in a collection about one thing nothing stands out, and about a stranger's question something always does:

    nearness  (cosine - mean) / (1 - mean): how far the passage has come from random towards equal
    coverage  BM25 over that of a passage which holds every word of the query, each as rare as can be

Fitted by bench/fusion (docs/decisions/0005-adaptive-fusion.md). Rank fusion was measured and lost.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from semantik.engines.vectors.base import Answer, Moments, SideResult
from semantik.features.search.values import Candidate, Evidence, Weights


@dataclass(frozen=True, slots=True)
class Shape:
    """The constants of fusion, chosen over the sets of bench/retrieval and over all of them thrown into one; flat around these."""

    slope: float = 1.4
    start: float = 1.7
    cap: float = 15.0
    # Keywords of a query in another language than the documents: .15 to .5 are within .003 on the cross-lingual set, 1 loses .016.
    foreign: float = 0.4
    # What a passage in another language than the query gets for keywords, for each deviation in meaning.
    echo: float = 2.0


CHOSEN = Shape()


@dataclass(frozen=True, slots=True)
class Fit:
    """A logistic fit of "the first hit was judged relevant", by bench/fusion: every set and every size of collection has equal weight."""

    nearness: float
    coverage: float
    small: float
    offset: float

    def share(self, nearness: float, coverage: float, sampled: int) -> float:
        """From 0 to 1."""
        exponent = self.nearness * nearness + self.coverage * coverage + self.small * math.sqrt(20 / max(1, sampled)) + self.offset
        return 1.0 / (1.0 + math.exp(-max(-40.0, min(40.0, exponent))))


HYBRID = Fit(nearness=9.75, coverage=2.63, small=1.93, offset=-5.21)
DENSE = Fit(nearness=13.98, coverage=0.0, small=2.49, offset=-6.24)
SPARSE = Fit(nearness=0.0, coverage=7.76, small=1.22, offset=-4.13)


@dataclass(frozen=True, slots=True)
class _Side:
    """Scores and z of every candidate this side can tell of, and its own ranks."""

    ranks: Mapping[str, int]
    scores: Mapping[str, float]
    z: Mapping[str, float]
    mean: float
    sampled: int

    @property
    def top(self) -> float:
        return max((self.z[id] for id in self.ranks), default=0.0)

    @property
    def floor(self) -> float:
        return min(self.z.values(), default=0.0)

    def evidence(self, id: str) -> Evidence | None:
        return Evidence(self.ranks.get(id), self.scores[id], self.z[id]) if id in self.scores else None

    def nearness(self, ids: Sequence[str]) -> list[float]:
        """How far each passage has come from random towards equal, in [0, 1]; a model's own range of cosines drops out."""
        scores, mean, room = self.scores, self.mean, 1.0 - self.mean
        return [max(0.0, (scores.get(id, mean) - mean) / room) for id in ids] if room > 1e-6 else [0.0] * len(ids)

    def coverage(self, ids: Sequence[str], words: int) -> list[float]:
        """The share of the query's `words` that each passage holds, by what they weigh, in [0, 1]. A word is at most as rare as 1 of n."""
        scores, whole = self.scores, max(1, words) * math.log1p(max(1, self.sampled))
        return [min(1.0, scores.get(id, 0.0) / whole) for id in ids]


@dataclass(frozen=True, slots=True)
class _Told:
    dense: _Side | None
    sparse: _Side | None

    def __call__(self, id: str) -> tuple[Evidence | None, Evidence | None]:
        return self.dense.evidence(id) if self.dense else None, self.sparse.evidence(id) if self.sparse else None


def fuse(
    answer: Answer, *, words: int = 1, foreign: bool = False, strangers: Collection[str] = (), shape: Shape = CHOSEN
) -> list[Candidate]:
    """Candidates best first, ties by id; their scores never rise. Pure.

    A side that has no score for a candidate counts it at its lowest. `words`: how many words of the query are keywords. `foreign`:
    the query is in a language that the documents are not in, so that words meet by accident or as names. `strangers`: ids of
    passages in another language than the query, among others in its own: keywords cannot speak for them, so their meaning does.
    """
    dense, sparse = _side(answer.dense, cap=math.inf), _side(answer.sparse, cap=shape.cap)
    weights = weigh(dense, sparse, foreign=foreign, shape=shape)
    ids = list({*(dense.scores if dense else ()), *(sparse.scores if sparse else ())})
    if not ids:
        return []
    totals = [0.0] * len(ids)
    for side, weight in ((dense, weights.dense), (sparse, weights.sparse)):
        if side is not None:
            z, floor = side.z, side.floor
            if strangers and side is sparse and dense is not None:
                z = _echoed(z, dense.z, strangers, shape.echo)
            totals = [total + weight * z.get(id, floor) for id, total in zip(ids, totals, strict=True)]
    best = sorted(zip([-total for total in totals], ids, strict=True))
    ids = [id for _, id in best]
    # What tells nothing of this query is no evidence against a passage either.
    fit = DENSE if weights.sparse == 0 else SPARSE if weights.dense == 0 else HYBRID
    sampled = max((side.sampled for side in (dense, sparse) if side is not None), default=0)
    nothing = [0.0] * len(ids)
    proofs = zip(ids, dense.nearness(ids) if dense else nothing, sparse.coverage(ids, words) if sparse else nothing, strict=True)
    unspoken = frozenset(strangers) if dense is not None and weights.dense else frozenset()
    scores = accumulate(((DENSE if id in unspoken else fit).share(nearness, coverage, sampled) for id, nearness, coverage in proofs), min)
    told = _Told(dense, sparse)
    return [Candidate(id, score, -less, weights, told) for (less, id), score in zip(best, scores, strict=True)]


def _echoed(words: Mapping[str, float], meaning: Mapping[str, float], strangers: Collection[str], echo: float) -> dict[str, float]:
    """z of keywords with those of strangers raised to what their meaning promises."""
    return {**words, **{id: max(words.get(id, 0.0), echo * meaning[id]) for id in strangers if meaning.get(id, 0.0) > 0}}


def _side(side: SideResult | None, *, cap: float) -> _Side | None:
    if side is None:
        return None
    ranks = {id: rank for rank, id in enumerate(side.found.ids, 1)}
    scores = {**side.cross, **dict(zip(side.found.ids, side.found.scores, strict=True))}
    moments = side.moments or Moments(0.0, 0.0, 0)
    mean, best = moments.mean, max(side.found.scores, default=moments.mean)
    spread = max(moments.std, (best - mean) / cap, 1e-9)
    # Equal vectors differ by rounding only: that is no deviation.
    z = {id: (score - mean) / spread if abs(score - mean) > 1e-6 else 0.0 for id, score in scores.items()}
    return _Side(ranks, scores, z, mean, moments.n)


def weigh(dense: _Side | None, sparse: _Side | None, *, foreign: bool = False, shape: Shape = CHOSEN) -> Weights:
    """How much each side counts, and the sentence that says why."""
    if dense is None:
        return Weights(0.0, 1.0, "only keywords were asked for")
    if sparse is None:
        return Weights(1.0, 0.0, "only meaning was asked for")
    n = max(1, dense.sampled)
    weight = shape.slope * math.sqrt(1 + 20 / n) * max(0.0, dense.top - shape.start * n / (n + 60))
    seen = f"nearest passage: {dense.top:.1f} standard deviations above random ones"
    if not sparse.ranks:
        return Weights(weight or 1.0, 0.0, f"no passage holds a word of the query, so meaning decides ({seen})")
    if weight == 0.0:
        return Weights(0.0, 1.0, f"no passage stands out in meaning, so keywords decide ({seen})")
    if foreign:
        return Weights(weight, shape.foreign, f"the query is in another language than the documents, so keywords count less ({seen})")
    numbers = f"({weight:.1f} to 1; {seen})"
    if weight > 1.0:
        return Weights(weight, 1.0, f"the nearest passage stands out in meaning, so meaning counts more than keywords {numbers}")
    return Weights(weight, 1.0, f"no passage stands out much in meaning, so keywords count at least as much {numbers}")
