"""Predictions from a sample hold what they promise: the truth lies in the interval in most cases."""

from __future__ import annotations

import math
import random

import pytest

from semantik.features.ingestion import predict
from semantik.features.ingestion.predict import Range, Seen

Document = tuple[str, int, float]
# Of each kind: its share, chunks a byte, and how much that varies (of the logarithm).
KINDS = {"pdf": (0.4, 1 / 8000, 1.0), "txt": (0.3, 1 / 1200, 0.2), "docx": (0.2, 1 / 6000, 0.7), "png": (0.1, 1 / 200_000, 1.2)}


def corpus(chance: random.Random, *, empty: float) -> list[Document]:
    """(stratum, size, chunks): sizes are lognormal, as those of files are; a share of the PDFs gives nothing (scans)."""
    found = []
    for _ in range(chance.randint(200, 2000)):
        (kind,) = chance.choices(list(KINDS), [share for share, _, _ in KINDS.values()])
        size = max(50, int(chance.lognormvariate(9, 1.6)))
        _, ratio, spread = KINDS[kind]
        chunks = math.ceil(ratio * size * chance.lognormvariate(0, spread))
        if kind == "pdf" and chance.random() < empty:
            chunks = 0
        found.append((predict.stratum_of(kind, size), size, float(chunks)))
    return found


def sampled(documents: list[Document], most: int, chance: random.Random) -> Range:
    by_stratum: dict[str, list[Document]] = {}
    for document in documents:
        by_stratum.setdefault(document[0], []).append(document)
    for stratum in by_stratum.values():
        chance.shuffle(stratum)
    chosen = set(predict.choose({name: [size for _, size, _ in found] for name, found in by_stratum.items()}, most))
    seen = [Seen(name, by_stratum[name][place][1], {"chunks": by_stratum[name][place][2]}) for name, place in chosen]
    rest = {name: [size for place, (_, size, _) in enumerate(found) if (name, place) not in chosen] for name, found in by_stratum.items()}
    return predict.total("chunks", rest, seen)


@pytest.mark.parametrize("empty", [0.0, 0.3], ids=["even", "scans among them"])
@pytest.mark.parametrize("most", [8, 20, 60])
def test_the_truth_lies_in_the_interval_in_most_cases(most: int, empty: float) -> None:
    chance = random.Random(most)
    inside, tries = 0, 60
    for _ in range(tries):
        documents = corpus(chance, empty=empty)
        range_ = sampled(documents, most, chance)
        assert range_.low <= range_.likely <= range_.high
        inside += range_.low <= sum(chunks for _, _, chunks in documents) <= range_.high
    # Nine of ten are promised; with sixty tries, fewer than eight of ten would be no accident.
    assert inside >= 0.8 * tries


def test_more_documents_make_a_narrower_interval() -> None:
    chance = random.Random(1)
    documents = corpus(chance, empty=0.0)
    widths = [range_.high / range_.low for range_ in (sampled(documents, most, chance) for most in (8, 40, 150))]
    assert widths == sorted(widths, reverse=True)


def test_all_documents_seen_is_no_estimate_any_more() -> None:
    seen = [Seen("txt/3", 1000, {"chunks": 2}), Seen("txt/3", 1200, {"chunks": 3})]
    assert predict.total("chunks", {"txt/3": []}, seen) == Range(5, 5, 5)


def test_a_kind_that_gave_nothing_may_still_give_something() -> None:
    seen = [Seen("png/5", 50_000, {"chunks": 0})] * 4 + [Seen("txt/3", 1000, {"chunks": 2})] * 3
    range_ = predict.total("chunks", {"png/5": [50_000] * 100}, seen)
    assert range_.low == 6
    assert range_.high > 50


def test_speeds_of_earlier_jobs_make_an_interval_for_the_next() -> None:
    assert predict.of_speeds([]) is None
    one = predict.of_speeds([1000])
    assert one is not None
    assert (round(one.low), round(one.high)) == (500, 2000)
    steady, wild = predict.of_speeds([1000, 1010, 990, 1005]), predict.of_speeds([300, 2500, 900, 1500])
    assert steady is not None
    assert wild is not None
    assert steady.low < 1000 < steady.high
    assert wild.high / wild.low > steady.high / steady.low
    time = Range(50_000, 60_000, 70_000).over(steady)
    assert time.low < 60 < time.high
