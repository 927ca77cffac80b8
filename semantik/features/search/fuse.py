"""One list out of two, by scores: each side is measured against random passages of the same collections, then added.

z = (score - mean) / std, with this query's mean and deviation over some 400 random passages of the searched collections.
A side that knows nothing of the query is flat: its best passage is hardly above random ones, and it counts for little.

    total = z of keywords + w * z of meaning        w = SLOPE * sqrt(1 + 20 / n) * max(0, t - START * n / (n + 60))

t is the query's highest z in meaning, n the number of passages in the sample. Both corrections by n matter only for small
collections, in which no z can exceed sqrt(n - 1). A keyword that no sampled passage holds has no deviation to speak of: z of
keywords is scaled so that its best is at most CAP.

The score shown is `total` on a scale of 0 to 1: the share of passages with such a total that people had judged to answer the
query, fitted over the development sets (docs/decisions/0005-adaptive-fusion.md). Rank fusion was measured and lost.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from semantik.engines.vectors.base import Answer, Moments, SideResult
from semantik.features.search.values import Candidate, Evidence, Weights

# Chosen over the sets of bench/retrieval and over all of them thrown into one collection; flat around these values.
_SLOPE = 1.4
_START = 1.7
_CAP = 15.0
# Keywords of a query in another language than the documents: .15 to .5 are within .003 on the cross-lingual set, 1 loses .016.
_FOREIGN = 0.4

# Logistic fits of "was judged relevant" over the best hit of each query, every set with equal weight: factor and offset.
_HYBRID = (1.66, -4.30)  # of ln(1 + total)
_DENSE = (0.78, -2.65)  # of z
_SPARSE = (3.34, -6.57)  # of ln(1 + z)


@dataclass(frozen=True, slots=True)
class _Side:
    """Scores and z of every candidate this side can tell of, and its own ranks."""

    ranks: Mapping[str, int]
    scores: Mapping[str, float]
    z: Mapping[str, float]
    sampled: int

    @property
    def top(self) -> float:
        return max((self.z[id] for id in self.ranks), default=0.0)

    @property
    def floor(self) -> float:
        return min(self.z.values(), default=0.0)

    def evidence(self, id: str) -> Evidence | None:
        return Evidence(self.ranks.get(id), self.scores[id], self.z[id]) if id in self.scores else None


def fuse(answer: Answer, *, foreign: bool = False) -> list[Candidate]:
    """Candidates best first, ties by id. Pure. A side that has no score for a candidate counts it at its lowest.

    `foreign`: the query is in a language that the documents are not in, so that words meet by accident or as names.
    """
    dense, sparse = _side(answer.dense, cap=math.inf), _side(answer.sparse, cap=_CAP)
    weights = weigh(dense, sparse, foreign=foreign)
    ids = {*(dense.scores if dense else ()), *(sparse.scores if sparse else ())}
    lowest_dense, lowest_sparse = dense.floor if dense else 0.0, sparse.floor if sparse else 0.0
    candidates = []
    for id in ids:
        total = 0.0
        if dense is not None:
            total += weights.dense * dense.z.get(id, lowest_dense)
        if sparse is not None:
            total += weights.sparse * sparse.z.get(id, lowest_sparse)
        score = calibrated(total, dense=dense is not None, sparse=sparse is not None)
        found = dense.evidence(id) if dense else None, sparse.evidence(id) if sparse else None
        candidates.append(Candidate(id, score, total, *found, weights))
    return sorted(candidates, key=lambda candidate: (-candidate.total, candidate.id))


def _side(side: SideResult | None, *, cap: float) -> _Side | None:
    if side is None:
        return None
    ranks = {id: rank for rank, id in enumerate(side.found.ids, 1)}
    scores = {**side.cross, **dict(zip(side.found.ids, side.found.scores, strict=True))}
    moments = side.moments or Moments(0.0, 0.0, 0)
    best = max(side.found.scores, default=moments.mean)
    spread = max(moments.std, (best - moments.mean) / cap, 1e-9)
    # Equal vectors differ by rounding only: that is no deviation.
    z = {id: (score - moments.mean) / spread if abs(score - moments.mean) > 1e-6 else 0.0 for id, score in scores.items()}
    return _Side(ranks, scores, z, moments.n)


def weigh(dense: _Side | None, sparse: _Side | None, *, foreign: bool = False) -> Weights:
    """How much each side counts, and the sentence that says why."""
    if dense is None:
        return Weights(0.0, 1.0, "only keywords were asked for")
    if sparse is None:
        return Weights(1.0, 0.0, "only meaning was asked for")
    n = max(1, dense.sampled)
    weight = _SLOPE * math.sqrt(1 + 20 / n) * max(0.0, dense.top - _START * n / (n + 60))
    seen = f"the passage nearest in meaning stands {dense.top:.1f} standard deviations above random ones"
    if not sparse.ranks:
        return Weights(weight or 1.0, 0.0, f"no passage holds a word of the query, so meaning decides; {seen}")
    if weight == 0.0:
        return Weights(0.0, 1.0, f"{seen}, which tells nothing, so keywords decide")
    if foreign:
        return Weights(weight, _FOREIGN, f"the query is in another language than the documents, so keywords count less; {seen}")
    return Weights(weight, 1.0, f"{seen}, so a deviation in meaning counts {weight:.1f} times one in keywords")


def calibrated(total: float, *, dense: bool, sparse: bool) -> float:
    """`total` as a share of 0 to 1; never falls as `total` rises."""
    if dense and not sparse:
        factor, offset = _DENSE
        exponent = factor * total + offset
    else:
        factor, offset = _HYBRID if dense else _SPARSE
        exponent = factor * math.log1p(max(0.0, total)) + offset
    return 1.0 / (1.0 + math.exp(-max(-40.0, min(40.0, exponent))))
