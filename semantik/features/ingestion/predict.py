"""From a few documents to all of them: totals with an interval that says how little a sample knows. Pure.

Documents are told apart by type and size (powers of eight), because within such a stratum what comes out of a document is
nearly proportional to its bytes. Each stratum is predicted by a ratio estimator (Cochran, Sampling Techniques, chapter 6);
its error has two parts, of the ratio and of the documents not looked at, and Student's t with the degrees of freedom that
the strata have together (Satterthwaite). Sizes and yields are skewed, so the interval is multiplied and not added.
A stratum with fewer than two sampled documents borrows the spread of the others, and at least half of its own amount.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Two-sided 90 %, for 1, 2, 3 ... degrees of freedom; the normal value beyond.
_T90 = (6.31, 2.92, 2.35, 2.13, 2.02, 1.94, 1.89, 1.86, 1.83, 1.81, 1.80, 1.78, 1.77, 1.76, 1.75, 1.75, 1.74, 1.73, 1.73, 1.72)
_NORMAL90 = 1.65
_LEAST_SPREAD = 0.5
_BORROWED_SPREAD = 1.0


@dataclass(frozen=True, slots=True)
class Range:
    """Nine times of ten between `low` and `high`."""

    low: float
    likely: float
    high: float

    def times(self, factor: float) -> Range:
        return Range(self.low * factor, self.likely * factor, self.high * factor)

    def plus(self, other: Range) -> Range:
        """Ends added to ends: wider than it need be, since both are seldom off to the same side."""
        return Range(self.low + other.low, self.likely + other.likely, self.high + other.high)

    def over(self, speed: Range) -> Range:
        """Amount divided by speed, with both uncertainties (as relative ones, independent)."""
        likely = self.likely / speed.likely
        up = math.hypot(_log(self.high, self.likely), _log(speed.likely, speed.low))
        down = math.hypot(_log(self.likely, self.low), _log(speed.high, speed.likely))
        return Range(likely * math.exp(-down), likely, likely * math.exp(up))


def exactly(amount: float) -> Range:
    return Range(amount, amount, amount)


@dataclass(frozen=True, slots=True)
class Seen:
    """What one sampled document gave. `amounts` by name: chunks, tokens, characters, seconds."""

    stratum: str
    size_bytes: int
    amounts: Mapping[str, float]


def stratum_of(kind: str, size_bytes: int) -> str:
    """`kind` is what tells readers apart, the ending of the name; sizes fall into powers of eight."""
    return f"{kind}/{int(math.log(max(size_bytes, 1), 8))}"


def choose(strata: Mapping[str, Sequence[int]], most: int) -> list[tuple[str, int]]:
    """(stratum, place in it) of the documents to look at, in the order in which they tell most: by bytes not yet spoken for.

    `strata` hold the sizes, in random order; the first of each are taken.
    """
    weight = {stratum: float(sum(sizes)) for stratum, sizes in strata.items() if sizes}
    taken = dict.fromkeys(weight, 0)
    chosen: list[tuple[str, int]] = []
    for _ in range(min(most, sum(len(strata[stratum]) for stratum in weight))):
        open_ = [stratum for stratum in weight if taken[stratum] < len(strata[stratum])]
        best = max(open_, key=lambda stratum: (weight[stratum] / (taken[stratum] + 1), stratum))
        chosen.append((best, taken[best]))
        taken[best] += 1
    return chosen


def total(name: str, sizes: Mapping[str, Sequence[int]], seen: Sequence[Seen]) -> Range:
    """The sum of one amount over all documents. `sizes`: those of the documents NOT sampled, by stratum."""
    known = sum(one.amounts[name] for one in seen)
    unseen = {stratum: list(found) for stratum, found in sizes.items() if found}
    if not unseen:
        return exactly(known)
    by_stratum: dict[str, list[Seen]] = {}
    for one in seen:
        by_stratum.setdefault(one.stratum, []).append(one)
    spread = _pooled_spread(name, by_stratum)
    likely = variance = fourth = never = 0.0
    for stratum, found in unseen.items():
        sampled = by_stratum.get(stratum, [])
        near = sampled or _nearest(stratum, by_stratum)
        size = sum(found)
        ratio = _ratio(name, near)
        amount = ratio * size
        count = len(sampled)
        if count >= 2:
            mean_size = sum(one.size_bytes for one in sampled) / count
            off = sum((one.amounts[name] - ratio * one.size_bytes) ** 2 for one in sampled) / (count - 1)
            own = off * ((size / max(mean_size, 1)) ** 2 / count + len(found))
            freedom = count - 1
        else:
            relative = max(_LEAST_SPREAD, spread) * (1 if sampled else 2)
            own = (relative * amount) ** 2 * (1 + 1 / len(found))
            freedom = 1 if sampled else 2
        if near and not any(one.amounts[name] for one in near):
            # Nothing came of those we saw; up to three in as many may still give something (the rule of three).
            never += min(1.0, 3 / (len(near) + 1)) * len(found) * _typical(name, seen)
        likely += amount
        variance += own
        fourth += own**2 / freedom
    error = _t(variance**2 / fourth if fourth else 1.0) * math.sqrt(variance)
    relative = error / likely if likely else 0.0
    return Range(known + likely / (1 + relative), known + likely, known + likely * (1 + relative) + never)


def of_speeds(measured: Sequence[float]) -> Range | None:
    """The next speed, from earlier ones: a prediction interval on their logarithms. At least a fifth either way."""
    logs = [math.log(one) for one in measured if one > 0]
    if not logs:
        return None
    mean = sum(logs) / len(logs)
    if len(logs) == 1:
        width = math.log(2)
    else:
        deviation = math.sqrt(sum((one - mean) ** 2 for one in logs) / (len(logs) - 1))
        width = max(math.log(1.2), _t(len(logs) - 1) * deviation * math.sqrt(1 + 1 / len(logs)))
    return Range(math.exp(mean - width), math.exp(mean), math.exp(mean + width))


def side_by_side(one: Range, other: Range) -> Range:
    """The time of two stages that overlap: the longer one at best, both after each other at worst."""
    longer, shorter = max(one.likely, other.likely), min(one.likely, other.likely)
    return Range(max(one.low, other.low), longer + shorter / 4, one.high + other.high)


def _pooled_spread(name: str, by_stratum: Mapping[str, Sequence[Seen]]) -> float:
    squares, count = 0.0, 0
    for sampled in by_stratum.values():
        ratio = _ratio(name, sampled)
        if len(sampled) < 2 or not ratio:
            continue
        squares += sum((one.amounts[name] / (ratio * max(one.size_bytes, 1)) - 1) ** 2 for one in sampled)
        count += len(sampled) - 1
    return math.sqrt(squares / count) if count else _BORROWED_SPREAD


def _ratio(name: str, sampled: Sequence[Seen]) -> float:
    size = sum(one.size_bytes for one in sampled)
    return sum(one.amounts[name] for one in sampled) / size if size else 0.0


def _nearest(stratum: str, by_stratum: Mapping[str, Sequence[Seen]]) -> list[Seen]:
    """The sampled documents of the same kind in other sizes, else all."""
    kind = stratum.rpartition("/")[0]
    same = [one for other, found in by_stratum.items() if other.rpartition("/")[0] == kind for one in found]
    return same or [one for found in by_stratum.values() for one in found]


def _typical(name: str, seen: Sequence[Seen]) -> float:
    some = [one.amounts[name] for one in seen if one.amounts[name]]
    return sum(some) / len(some) if some else 1.0


def _t(freedom: float) -> float:
    place = max(1, math.floor(freedom))
    return _T90[place - 1] if place <= len(_T90) else _NORMAL90


def _log(upper: float, lower: float) -> float:
    return math.log(upper / lower) if lower > 0 and upper > 0 else math.log(10)
