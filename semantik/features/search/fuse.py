"""One list out of two: each side's scores are measured against random passages of the same collections, then added."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from semantik.engines.vectors.base import Answer, Moments, SideResult
from semantik.features.search.values import Candidate, Evidence, Weights

# Weight of the dense side: SLOPE * max(0, t - START), t = the query's highest dense z.
_SLOPE = 1.2
_START = 1.5


@dataclass(frozen=True, slots=True)
class _Side:
    """z of every candidate, and the side's own ranks."""

    ranks: Mapping[str, int]
    scores: Mapping[str, float]
    z: Mapping[str, float]

    @property
    def top(self) -> float:
        return max((self.z[id] for id in self.ranks), default=0.0)

    def evidence(self, id: str) -> Evidence | None:
        return Evidence(self.ranks.get(id), self.scores[id], self.z[id]) if id in self.scores else None


def fuse(answer: Answer) -> list[Candidate]:
    """Candidates best first, ties by id. Pure."""
    dense, sparse = _side(answer.dense), _side(answer.sparse)
    weights = _weights(dense, sparse)
    ids = {*(dense.scores if dense else ()), *(sparse.scores if sparse else ())}
    floor_dense = min(dense.z.values(), default=0.0) if dense else 0.0
    floor_sparse = min(sparse.z.values(), default=0.0) if sparse else 0.0
    candidates = []
    for id in ids:
        total = 0.0
        if dense:
            total += weights.dense * dense.z.get(id, floor_dense)
        if sparse:
            total += weights.sparse * sparse.z.get(id, floor_sparse)
        candidates.append(
            Candidate(
                id=id,
                score=_calibrated(total),
                total=total,
                dense=dense.evidence(id) if dense else None,
                sparse=sparse.evidence(id) if sparse else None,
                weights=weights,
            )
        )
    return sorted(candidates, key=lambda candidate: (-candidate.total, candidate.id))


def _side(side: SideResult | None) -> _Side | None:
    if side is None:
        return None
    ranks = {id: rank for rank, id in enumerate(side.found.ids, 1)}
    scores = {**side.cross, **dict(zip(side.found.ids, side.found.scores, strict=True))}
    moments = side.moments or Moments(0.0, 1.0, 0)
    spread = moments.std if moments.std > 1e-6 else 1.0
    return _Side(ranks, scores, {id: (score - moments.mean) / spread for id, score in scores.items()})


def _weights(dense: _Side | None, sparse: _Side | None) -> Weights:
    if dense is None:
        return Weights(0.0, 1.0, "only keywords were asked for")
    if sparse is None:
        return Weights(1.0, 0.0, "only meaning was asked for")
    weight = _SLOPE * max(0.0, dense.top - _START)
    seen = f"the passage nearest in meaning stands {dense.top:.1f} standard deviations above random ones"
    if not sparse.ranks:
        return Weights(weight or 1.0, 0.0, f"no passage holds a word of the query, so meaning decides; {seen}")
    if weight == 0.0:
        return Weights(0.0, 1.0, f"{seen}, which tells nothing, so keywords decide")
    return Weights(weight, 1.0, f"{seen}, so a deviation in meaning counts {weight:.1f} times one in keywords")


def _calibrated(total: float) -> float:
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, (total - 10.0) / 4.0))))
