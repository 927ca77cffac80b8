"""Fusion: a side that knows nothing steps back, and the answer never depends on anything but scores and moments."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semantik.engines.vectors.base import Answer, Moments, Scored, SideResult
from semantik.features.search.fuse import DENSE, HYBRID, SPARSE, Fit, fuse


def side(scores: Mapping[str, float], moments: Moments | None, cross: Mapping[str, float] | None = None) -> SideResult:
    ranked = sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))
    return SideResult(Scored(tuple(id for id, _ in ranked), tuple(score for _, score in ranked)), moments, cross or {})


COSINES = Moments(0.80, 0.02, 400)
WORDS = Moments(1.0, 1.0, 400)


def test_agreement_of_both_sides_wins() -> None:
    dense = side({"a": 0.90, "b": 0.89, "c": 0.80}, COSINES)
    sparse = side({"b": 9.0, "c": 8.0, "a": 2.0}, WORDS)
    assert [candidate.id for candidate in fuse(Answer(dense, sparse))] == ["b", "a", "c"]


def test_a_flat_dense_side_leaves_the_order_to_keywords() -> None:
    dense = side({"a": 0.825, "b": 0.82, "c": 0.80}, COSINES)
    sparse = side({"c": 9.0, "b": 8.0, "a": 1.0}, WORDS)
    found = fuse(Answer(dense, sparse))
    assert [candidate.id for candidate in found] == ["c", "b", "a"]
    assert found[0].weights.dense == 0
    assert "keywords decide" in found[0].weights.why


def test_without_any_keyword_meaning_decides() -> None:
    found = fuse(Answer(side({"a": 0.9, "b": 0.8}, COSINES), side({}, Moments(0.0, 0.0, 400))))
    assert [candidate.id for candidate in found] == ["a", "b"]
    assert found[0].weights.sparse == 0
    assert found[0].score > found[1].score


def test_a_word_that_no_sampled_passage_holds_does_not_drown_meaning() -> None:
    dense = side({"a": 0.95, "b": 0.80}, COSINES)
    sparse = side({"b": 12.0, "a": 1.0}, Moments(0.0, 0.0, 400))
    found = fuse(Answer(dense, sparse))
    assert found[0].id == "a"
    assert "meaning counts more than keywords" in found[0].weights.why
    assert found[1].sparse is not None
    assert found[1].sparse.z == pytest.approx(15.0)


def test_the_meaning_of_a_passage_in_another_language_speaks_for_its_keywords() -> None:
    answer = Answer(
        side({"theirs": 0.90, "ours": 0.87, "weak": 0.81}, COSINES),
        side({"ours": 9.0, "weak": 5.0}, Moments(1.0, 0.8, 400), cross={"theirs": 0.0}),
    )
    assert fuse(answer)[0].id == "ours"
    found = fuse(answer, strangers={"theirs"})
    assert [one.id for one in found] == ["theirs", "ours", "weak"]
    assert found[0].sparse is not None and found[0].sparse.z < 0, "what is shown is what was measured"
    near = fuse(Answer(answer.dense, None))[0].score
    assert found[0].score == near, "words that cannot be there are no evidence against it"
    assert fuse(answer, strangers={"weak"})[0].id == "ours", "a stranger that is far in meaning gains nothing"


def test_keywords_of_a_foreign_query_count_less() -> None:
    answer = Answer(side({"a": 0.90, "b": 0.87}, COSINES), side({"b": 12.0, "a": 1.0}, Moments(1.0, 0.8, 400)))
    assert fuse(answer)[0].id == "b"
    found = fuse(answer, foreign=True)
    assert found[0].id == "a"
    assert "another language" in found[0].weights.why


def test_true_scores_of_the_other_side_count() -> None:
    dense = side({"a": 0.90}, COSINES, cross={"b": 0.89})
    sparse = side({"b": 9.0}, WORDS, cross={"a": 0.0})
    best = fuse(Answer(dense, sparse))[0]
    assert best.id == "b"
    assert best.dense is not None
    assert best.dense.rank is None
    assert best.dense.z == pytest.approx(4.5)


def test_a_single_passage_is_an_answer_too() -> None:
    found = fuse(Answer(side({"a": 0.8}, Moments(0.8, 0.0, 1)), side({"a": 0.3}, Moments(0.3, 0.0, 1))))
    assert [candidate.id for candidate in found] == ["a"]
    assert 0 <= found[0].score <= 1


def test_one_side_alone_keeps_its_order() -> None:
    assert [one.id for one in fuse(Answer(side({"a": 0.9, "b": 0.95}, COSINES), None))] == ["b", "a"]
    assert [one.id for one in fuse(Answer(None, side({"a": 3.0, "b": 2.0}, WORDS)))] == ["a", "b"]
    assert fuse(Answer(None, None)) == []


scores = st.dictionaries(st.sampled_from("abcdefgh"), st.floats(-1, 1), max_size=8)
moments = st.none() | st.builds(Moments, st.floats(-1, 1), st.floats(0, 1), st.integers(1, 400))


@given(scores, moments, scores, moments)
def test_any_answer_gives_every_candidate_once_best_first(
    dense: dict[str, float], m: Moments | None, sparse: dict[str, float], k: Moments | None
) -> None:
    found = fuse(Answer(side(dense, m), side(sparse, k)))
    assert {candidate.id for candidate in found} == {*dense, *sparse}
    assert [candidate.total for candidate in found] == sorted((candidate.total for candidate in found), reverse=True)
    assert [candidate.score for candidate in found] == sorted((candidate.score for candidate in found), reverse=True)
    assert all(0 <= candidate.score <= 1 and math.isfinite(candidate.total) for candidate in found)
    assert found == fuse(Answer(side(dense, m), side(sparse, k)))


shares = st.floats(0, 1)


@given(st.sampled_from([HYBRID, DENSE, SPARSE]), shares, shares, shares, shares, st.integers(0, 400))
def test_more_evidence_never_lowers_the_score(fit: Fit, near: float, nearer: float, some: float, more: float, sampled: int) -> None:
    (near, nearer), (some, more) = sorted((near, nearer)), sorted((some, more))
    assert 0 <= fit.share(near, some, sampled) <= fit.share(nearer, more, sampled) <= 1


def test_a_passage_that_holds_every_rare_word_reads_like_an_answer() -> None:
    """For instance 6308-2RS1: meaning knows nothing of a part number."""
    answer = Answer(side({"a": 0.81}, COSINES), side({"a": 18.0}, Moments(0.05, 0.5, 400)))
    assert fuse(answer, words=3)[0].score > 0.9
    assert fuse(answer, words=30)[0].score < 0.1
    assert fuse(Answer(None, answer.sparse), words=3)[0].score > 0.9


def test_a_passage_as_near_as_random_ones_does_not_read_like_an_answer() -> None:
    """Both stand out by five deviations; only one has come near the query."""
    near = fuse(Answer(side({"a": 0.90}, Moments(0.75, 0.03, 400)), side({"a": 6.0}, WORDS)), words=4)[0]
    far = fuse(Answer(side({"a": 0.80}, Moments(0.75, 0.01, 400)), side({"a": 6.0}, WORDS)), words=4)[0]
    assert near.total == pytest.approx(far.total)
    assert near.score > 0.8
    assert far.score < 0.2
