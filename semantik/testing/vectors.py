"""The contract of every vector store: bind it by giving `VectorStoreContract` a fixture `store` and, where it can, `reopen`."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import astuple, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from semantik.engines.vectors.base import (
    BadVector,
    Corpus,
    DimensionMismatch,
    Filters,
    IndexDamaged,
    Point,
    Query,
    SideResult,
    Space,
    SparseVector,
    VectorStore,
)
from semantik.kit.ids import TenantId, derived_id

SPACE = Space("contract-8", 8)
ALPHA, BETA = TenantId("alpha"), TenantId("beta")
CORPUS = Corpus(ALPHA, (("reports", 1),))


def sparse(weights: Mapping[int, float]) -> SparseVector:
    indices = sorted(weights)
    return SparseVector(np.array(indices, np.uint32), np.array([weights[index] for index in indices], np.float32))


def point(
    number: int,
    *,
    tenant: TenantId = ALPHA,
    collection: str = "reports",
    generation: int = 1,
    terms: Mapping[int, float] | None = None,
    **payload: Any,
) -> Point:
    rng = np.random.default_rng(number)
    dense = rng.normal(size=SPACE.dimensions).astype(np.float16).astype(np.float32)
    return Point(
        id=derived_id("contract", tenant, collection, generation, number),
        dense=dense,
        sparse=sparse(terms if terms is not None else {1: 1.0, 10 + number % 7: 0.5 + number % 3}),
        payload={"tenant": tenant, "collection": collection, "generation": generation, "document": f"d{number}", **payload},
    )


def ask(points: Sequence[Point], *, corpus: Corpus = CORPUS, filters: Filters | None = None, limit: int = 5) -> Query:
    """Asks for the first point by its own vector and terms."""
    return Query(corpus, filters or Filters(), points[0].dense, points[0].sparse, limit)


def side(result: SideResult | None) -> SideResult:
    assert result is not None
    return result


def _cosine(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(one.astype(np.float64) @ other / np.linalg.norm(one) / np.linalg.norm(other))


def _bm25(query: SparseVector, corpus: Mapping[str, Point]) -> dict[str, float]:
    """Scores of all points by Qdrant's formula of IDF, over exactly these points."""
    held = {
        id: {int(term): float(weight) for term, weight in zip(p.sparse.indices, p.sparse.values, strict=True)} for id, p in corpus.items()
    }
    scores = dict.fromkeys(corpus, 0.0)
    for term, weight in zip(query.indices.tolist(), query.values.tolist(), strict=True):
        holders = [id for id, terms in held.items() if term in terms]
        rarity = math.log((len(corpus) - len(holders) + 0.5) / (len(holders) + 0.5) + 1)
        for id in holders:
            scores[id] += weight * rarity * held[id][term]
    return scores


def _assert_told(told: SideResult, true: Mapping[str, float], other: SideResult, *, moments: bool) -> None:
    """Every score, and mean and deviation, to six digits."""
    for id, score in [*zip(told.found.ids, told.found.scores, strict=True), *told.cross.items()]:
        assert score == pytest.approx(true[id], rel=2e-6, abs=2e-6)
    assert set(told.cross) == set(other.found.ids) - set(told.found.ids)
    assert told.moments is not None
    assert told.moments.n == min(400, len(true))
    if moments:
        assert told.moments.mean == pytest.approx(np.mean(list(true.values())), rel=2e-6, abs=2e-6)
        assert told.moments.std == pytest.approx(np.std(list(true.values())), rel=2e-6, abs=2e-6)
    elif told.moments.n == 400:
        sampled = np.array([true[id] for id in sorted(true)[:400]])
        # Which 400 is the store's business; that they are random ones of this corpus is not.
        assert abs(told.moments.mean - sampled.mean()) < 4 * sampled.std() / math.sqrt(400) + 1e-6


class VectorStoreContract:
    async def test_a_point_is_found_by_its_vector_and_by_its_terms(self, store: VectorStore) -> None:
        points = [point(number) for number in range(30)]
        await store.ensure(SPACE)
        await store.upsert(SPACE, points)
        answer = await store.query(SPACE, ask(points))
        assert side(answer.dense).found.ids[0] == points[0].id
        assert side(answer.dense).found.scores[0] == pytest.approx(1.0, abs=1e-5)
        assert points[0].id in side(answer.sparse).found.ids
        assert len(side(answer.dense).found.ids) == 5

    async def test_a_vector_that_is_still_coming_changes_no_answer(self, store: VectorStore) -> None:
        points = [point(number) for number in range(60)]
        await store.ensure(SPACE)
        await store.upsert(SPACE, points)
        whole = ask(points, limit=7)
        unknown = SparseVector(np.array([4_000_000_000], np.uint32), np.ones(1, np.float32))
        for query in (whole, replace(whole, sparse=None), replace(whole, sparse=unknown)):
            coming: asyncio.Future[NDArray[np.float32]] = asyncio.get_running_loop().create_future()
            asked = asyncio.create_task(store.query(SPACE, replace(query, dense=None), coming=coming))
            await asyncio.sleep(0)
            assert points[0].dense is not None
            coming.set_result(points[0].dense)
            one, other = await asked, await store.query(SPACE, query)
            for mine, theirs in ((one.dense, other.dense), (one.sparse, other.sparse)):
                assert (mine is None) == (theirs is None)
                if mine is not None and theirs is not None:
                    assert mine.found.ids == theirs.found.ids
                    assert mine.found.scores == pytest.approx(theirs.found.scores, abs=1e-6)
                    assert dict(mine.cross) == pytest.approx(dict(theirs.cross), abs=1e-6)
                    assert mine.moments is not None and theirs.moments is not None
                    assert astuple(mine.moments) == pytest.approx(astuple(theirs.moments), abs=1e-6)

    async def test_scores_come_best_first_and_ties_by_id(self, store: VectorStore) -> None:
        points = [replace(point(number), dense=None) for number in range(40)]
        await store.ensure(SPACE)
        await store.upsert(SPACE, points)
        query = Query(CORPUS, Filters(), None, sparse({1: 1.0}), 40)
        found = side((await store.query(SPACE, query)).sparse).found
        pairs = list(zip(found.scores, found.ids, strict=True))
        assert pairs == sorted(pairs, key=lambda pair: (-pair[0], pair[1]))
        assert len(found.ids) == 40
        assert side((await store.query(SPACE, query)).sparse).found == found

    async def test_no_tenant_collection_or_generation_but_those_asked_for(self, store: VectorStore) -> None:
        mine = [point(number) for number in range(5)]
        others = [
            *(point(number, tenant=BETA) for number in range(5)),
            *(point(number, collection="letters") for number in range(5)),
            *(point(number, generation=2) for number in range(5)),
        ]
        await store.ensure(SPACE)
        await store.upsert(SPACE, mine + others)
        answer = await store.query(SPACE, ask(mine, limit=20))
        assert set(side(answer.dense).found.ids) == {found.id for found in mine}
        assert set(side(answer.sparse).found.ids) == {found.id for found in mine}
        assert await store.count(SPACE, CORPUS) == 5
        assert await store.count(SPACE, Corpus(ALPHA, (("reports", 2), ("letters", 1)))) == 10
        assert await store.count(SPACE) == 20

    async def test_scores_and_moments_do_not_depend_on_other_tenants(self, store: VectorStore) -> None:
        mine = [point(number) for number in range(20)]
        await store.ensure(SPACE)
        await store.upsert(SPACE, mine)
        alone = await store.query(SPACE, ask(mine))
        await store.upsert(SPACE, [point(number, tenant=BETA, terms={1: 2.0, 10: 1.0}) for number in range(50)])
        beside = await store.query(SPACE, ask(mine))
        assert side(beside.sparse).found.scores == pytest.approx(side(alone.sparse).found.scores, rel=1e-5)
        for name in ("dense", "sparse"):
            before, after = side(getattr(alone, name)).moments, side(getattr(beside, name)).moments
            assert before is not None
            assert after is not None
            assert (after.mean, after.std, after.n) == pytest.approx((before.mean, before.std, before.n), rel=1e-4)

    async def test_idf_is_that_of_the_corpus_and_filters_leave_it_alone(self, store: VectorStore) -> None:
        points = [
            point(number, terms={1: 1.0, 2: 1.0} if number < 2 else {1: 1.0}, language="de" if number == 0 else "en")
            for number in range(10)
        ]
        await store.ensure(SPACE)
        await store.upsert(SPACE, points)
        query = Query(CORPUS, Filters(), None, sparse({2: 1.0}), 10)
        found = side((await store.query(SPACE, query)).sparse).found
        assert found.scores == pytest.approx([math.log((10 - 2 + 0.5) / (2 + 0.5) + 1)] * 2, rel=1e-4)
        narrowed = side((await store.query(SPACE, replace(query, filters=Filters(languages=("de",))))).sparse).found
        assert narrowed.ids == (points[0].id,)
        assert narrowed.scores == pytest.approx(found.scores[:1], rel=1e-5)

    async def test_moments_are_those_of_the_corpus(self, store: VectorStore) -> None:
        points = [point(number) for number in range(25)]
        await store.ensure(SPACE)
        await store.upsert(SPACE, points)
        answer = await store.query(SPACE, ask(points, limit=3))
        assert points[0].dense is not None
        cosines = [
            float(points[0].dense @ p.dense / np.linalg.norm(points[0].dense) / np.linalg.norm(p.dense))
            for p in points
            if p.dense is not None
        ]
        moments = side(answer.dense).moments
        assert moments is not None
        assert moments.mean == pytest.approx(np.mean(cosines), abs=1e-4)
        assert moments.std == pytest.approx(np.std(cosines), abs=1e-4)
        assert moments.n == 25

    async def test_each_side_scores_what_only_the_other_found(self, store: VectorStore) -> None:
        points = [point(number) for number in range(30)]
        await store.ensure(SPACE)
        await store.upsert(SPACE, points)
        answer = await store.query(SPACE, ask(points, limit=4))
        dense, terms = side(answer.dense), side(answer.sparse)
        assert set(dense.cross) == set(terms.found.ids) - set(dense.found.ids)
        assert set(terms.cross) == set(dense.found.ids) - set(terms.found.ids)
        wide = await store.query(SPACE, ask(points, limit=30))
        scores = dict(zip(side(wide.dense).found.ids, side(wide.dense).found.scores, strict=True))
        for id, score in dense.cross.items():
            assert score == pytest.approx(scores[id], abs=1e-5)

    async def test_a_hybrid_answer_is_what_the_formulas_say_as_points_come_change_and_go(self, store: VectorStore) -> None:
        rng = np.random.default_rng(3)

        def drawn(number: int, **place: Any) -> Point:
            terms = {int(term): 0.25 + float(rng.random()) for term in rng.zipf(1.5, 8) % 60}
            made = point(number, terms=terms, language="de" if number % 4 == 0 else "en", **place)
            return replace(made, dense=rng.normal(size=SPACE.dimensions).astype(np.float32))

        mine = {p.id: p for p in (drawn(number, collection=f"c{number % 3}") for number in range(480))}
        # The same names of collections, and the words that count for much here.
        others = [drawn(number, tenant=BETA, collection=f"c{number % 3}") for number in range(60)]
        await store.ensure(SPACE)
        await store.upsert(SPACE, [*mine.values(), *others])
        await self._answers_as_formulas_say(store, mine, rng)
        changed = [replace(old, sparse=sparse({7: 2.0, 8: 1.0})) for old in list(mine.values())[:60]]
        await store.upsert(SPACE, changed)
        mine.update((p.id, p) for p in changed)
        await self._answers_as_formulas_say(store, mine, rng)
        gone = sorted(mine)[:90]
        await store.delete(SPACE, gone)
        await store.delete_where(SPACE, tenant=ALPHA, collection="c2")
        await self._answers_as_formulas_say(
            store, {id: p for id, p in mine.items() if id not in gone and p.payload["collection"] != "c2"}, rng
        )

    async def _answers_as_formulas_say(self, store: VectorStore, points: Mapping[str, Point], rng: np.random.Generator) -> None:
        for names in (("c0",), ("c0", "c1", "c2")):
            corpus = {id: p for id, p in points.items() if p.payload["collection"] in names}
            for filters in (Filters(), Filters(languages=("de",))):
                terms = sparse({int(term): 0.5 + float(rng.random()) for term in rng.zipf(1.5, 5) % 60})
                vector = rng.normal(size=SPACE.dimensions).astype(np.float32)
                asked = Query(Corpus(ALPHA, tuple((name, 1) for name in names)), filters, vector, terms, 12, exact=True)
                answer = await store.query(SPACE, asked)
                # A full sample may be a moment old; the points of a smaller corpus are all in it.
                cosines = {id: _cosine(vector, p.dense) for id, p in corpus.items() if p.dense is not None}
                _assert_told(side(answer.dense), cosines, side(answer.sparse), moments=len(corpus) < 400)
                _assert_told(side(answer.sparse), _bm25(terms, corpus), side(answer.dense), moments=len(corpus) < 400)

    async def test_filters_narrow_and_are_joined_by_and(self, store: VectorStore) -> None:
        points = [
            point(
                number,
                source=f"s{number % 2}",
                media_type="text/plain" if number % 3 else "application/pdf",
                language="en" if number % 5 else "de",
                tags=["a", "b"] if number % 2 else ["b"],
                modified_at=datetime(2026, 1, 1 + number, tzinfo=UTC),
            )
            for number in range(20)
        ]
        await store.ensure(SPACE)
        await store.upsert(SPACE, points)

        async def numbers(filters: Filters) -> list[int]:
            found = side((await store.query(SPACE, ask(points, filters=filters, limit=20))).dense).found.ids
            assert await store.count(SPACE, CORPUS, filters) == len(found)
            return sorted(number for number in range(20) if points[number].id in found)

        assert await numbers(Filters(sources=("s1",))) == list(range(1, 20, 2))
        assert await numbers(Filters(sources=("s1",), media_types=("application/pdf",))) == [3, 9, 15]
        assert await numbers(Filters(languages=("de", "fr"))) == [0, 5, 10, 15]
        assert await numbers(Filters(tags=("a",))) == list(range(1, 20, 2))
        assert await numbers(Filters(documents=("d3", "d4", "no"))) == [3, 4]
        assert await numbers(Filters(modified_after=datetime(2026, 1, 18, tzinfo=UTC))) == [17, 18, 19]
        assert await numbers(Filters(modified_before=datetime(2026, 1, 3, tzinfo=UTC))) == [0, 1]
        assert await numbers(Filters(sources=('s1" or 1=1',))) == []

    async def test_equal_ids_overwrite(self, store: VectorStore) -> None:
        await store.ensure(SPACE)
        await store.upsert(SPACE, [point(1), point(2)])
        await store.upsert(SPACE, [replace(point(1), payload={**point(1).payload, "language": "de"})])
        assert await store.count(SPACE) == 2
        assert await store.count(SPACE, CORPUS, Filters(languages=("de",))) == 1

    async def test_a_bad_vector_is_refused_before_any_of_its_batch_is_stored(self, store: VectorStore) -> None:
        await store.ensure(SPACE)
        good = [point(number) for number in range(3)]
        for dense in (np.ones(7, np.float32), np.full(8, np.nan, np.float32), np.zeros(8, np.float32), np.full(8, np.inf, np.float32)):
            with pytest.raises(BadVector):
                await store.upsert(SPACE, [*good, replace(point(9), dense=dense)])
        for indices, values in (([1, 1], [1, 1]), ([2, 1], [1, 1]), ([1], [np.nan]), ([1, 2], [1])):
            bad = SparseVector(np.array(indices, np.uint32), np.array(values, np.float32))
            with pytest.raises(BadVector):
                await store.upsert(SPACE, [*good, replace(point(9), sparse=bad)])
        with pytest.raises(BadVector):
            await store.upsert(SPACE, [*good, replace(point(9), id="no uuid")])
        assert await store.count(SPACE) == 0

    async def test_points_may_lack_a_dense_side_or_terms(self, store: VectorStore) -> None:
        await store.ensure(SPACE)
        await store.upsert(SPACE, [replace(point(1), dense=None), replace(point(2), sparse=sparse({}))])
        answer = await store.query(SPACE, ask([point(1)]))
        assert side(answer.sparse).found.ids == (point(1).id,)
        assert side(answer.dense).found.ids == (point(2).id,)
        assert side(answer.dense).moments is not None
        assert side(answer.dense).moments.n == 1  # type: ignore[union-attr]  # asserted above

    async def test_deletes_by_id_and_by_condition(self, store: VectorStore) -> None:
        points = [point(number) for number in range(10)]
        await store.ensure(SPACE)
        await store.upsert(
            SPACE, [*points, *(point(number, generation=2) for number in range(4)), *(point(number, tenant=BETA) for number in range(3))]
        )
        await store.delete(SPACE, [points[0].id, points[1].id, derived_id("never there")])
        assert await store.count(SPACE, CORPUS) == 8
        await store.delete_where(SPACE, tenant=ALPHA, document="d5")
        assert await store.count(SPACE, CORPUS) == 7
        await store.delete_where(SPACE, tenant=ALPHA, collection="reports", generation=2)
        assert await store.count(SPACE, Corpus(ALPHA, (("reports", 2),))) == 0
        await store.delete_where(SPACE, tenant=ALPHA)
        assert await store.count(SPACE) == 3

    async def test_an_empty_corpus_gives_empty_sides(self, store: VectorStore) -> None:
        await store.ensure(SPACE)
        answer = await store.query(SPACE, ask([point(1)]))
        for found in (side(answer.dense), side(answer.sparse)):
            assert found.found.ids == ()
            assert found.moments is None

    async def test_terms_that_nobody_holds_find_nothing(self, store: VectorStore) -> None:
        await store.ensure(SPACE)
        await store.upsert(SPACE, [point(number) for number in range(4)])
        for terms in ({}, {4_000_000_000: 1.0}):
            found = side((await store.query(SPACE, Query(CORPUS, Filters(), None, sparse(terms), 5))).sparse)
            assert found.found.ids == ()
            assert found.moments is not None
            assert (found.moments.mean, found.moments.std) == (0.0, 0.0)

    async def test_scan_gives_every_point_back(self, store: VectorStore) -> None:
        points = {p.id: p for p in (point(number, tags=["x"]) for number in range(300))}
        await store.ensure(SPACE)
        await store.upsert(SPACE, list(points.values()))
        seen = [found async for batch in store.scan(SPACE, vectors=True) for found in batch]
        assert {found.id for found in seen} == set(points)
        for found in seen:
            original = points[found.id]
            assert found.payload == original.payload
            assert found.dense is not None
            assert original.dense is not None
            np.testing.assert_allclose(found.dense, original.dense / np.linalg.norm(original.dense), atol=1e-6)
            order = np.argsort(found.sparse.indices)
            assert found.sparse.indices[order].tolist() == original.sparse.indices.tolist()
            np.testing.assert_allclose(found.sparse.values[order], original.sparse.values)

    async def test_scan_gives_the_points_of_one_tenant(self, store: VectorStore) -> None:
        await store.ensure(SPACE)
        await store.upsert(SPACE, [point(number) for number in range(3)] + [point(number, tenant=BETA) for number in range(3, 8)])
        of_other = [found.id async for batch in store.scan(SPACE, tenant=BETA) for found in batch]
        assert set(of_other) == {point(number, tenant=BETA).id for number in range(3, 8)}

    async def test_present_tells_which_ids_are_points(self, store: VectorStore) -> None:
        points = [point(number) for number in range(300)]
        await store.ensure(SPACE)
        await store.upsert(SPACE, points[:200])
        assert await store.present(SPACE, [one.id for one in points]) == {one.id for one in points[:200]}
        assert await store.present(SPACE, []) == set()

    async def test_spaces_are_listed_dropped_and_have_one_size(self, store: VectorStore) -> None:
        other = Space("contract-4", 4)
        await store.ensure(SPACE)
        await store.ensure(SPACE)
        await store.ensure(other)
        assert sorted(await store.spaces(), key=lambda space: space.key) == [other, SPACE]
        with pytest.raises(DimensionMismatch):
            await store.ensure(Space(SPACE.key, 16))
        await store.drop(other)
        await store.drop(other)
        assert await store.spaces() == [SPACE]

    async def test_a_space_that_is_gone_is_never_an_empty_answer(self, store: VectorStore) -> None:
        with pytest.raises(IndexDamaged):
            await store.query(SPACE, ask([point(1)]))
        with pytest.raises(IndexDamaged):
            await store.count(SPACE)

    async def test_flush_optimize_and_health_answer(self, store: VectorStore) -> None:
        await store.ensure(SPACE)
        await store.upsert(SPACE, [point(1)])
        await store.flush(SPACE)
        assert await store.optimize(SPACE) is False
        assert (await store.health())["backend"]
