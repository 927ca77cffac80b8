"""All stores answer alike: the same points and queries, scores within a tolerance, sets beyond ties.

The embedded engine is compared with the vendor's local mode, and with a real server where SEMANTIK_TEST_QDRANT_URL names one.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from semantik.engines.vectors.base import Corpus, Filters, Point, Query, SideResult, Space
from semantik.engines.vectors.edge import EdgeStore
from semantik.engines.vectors.qdrant import MEMORY, QdrantStore
from semantik.kit.ids import TenantId, derived_id
from semantik.testing.vectors import sparse

needs_server = pytest.mark.skipif("SEMANTIK_TEST_QDRANT_URL" not in os.environ, reason="SEMANTIK_TEST_QDRANT_URL names no Qdrant server")

SPACE = Space("congruence-32", 32)
TENANT = TenantId("alpha")


def points(count: int) -> list[Point]:
    rng = np.random.default_rng(5)
    made = []
    for number in range(count):
        terms = {int(term): float(weight) for term, weight in zip(rng.zipf(1.4, 20) % 500, rng.random(20) + 0.1, strict=True)}
        made.append(
            Point(
                derived_id("congruence", number),
                rng.normal(size=SPACE.dimensions).astype(np.float32),
                sparse(terms),
                {
                    "tenant": TENANT if number % 3 else "beta",
                    "collection": f"c{number % 4}",
                    "generation": 1,
                    "language": "en" if number % 5 else "de",
                },
            )
        )
    return made


def assert_alike(one: SideResult | None, other: SideResult | None) -> None:
    assert one is not None
    assert other is not None
    np.testing.assert_allclose(one.found.scores, other.found.scores, rtol=2e-4, atol=2e-6)
    # Where scores are as good as equal, rounding decides the order: ids above the last score must agree.
    last = one.found.scores[-1] if one.found.scores else 0.0
    for a, b in ((one, other), (other, one)):
        sure = {id for id, score in zip(a.found.ids, a.found.scores, strict=True) if score > last + 1e-4}
        assert sure <= set(b.found.ids)
    assert (one.moments is None) == (other.moments is None)
    if one.moments is not None and other.moments is not None:
        assert one.moments.n == other.moments.n
        assert one.moments.mean == pytest.approx(other.moments.mean, rel=1e-3, abs=1e-5)
        assert one.moments.std == pytest.approx(other.moments.std, rel=1e-3, abs=1e-5)
    for id in one.cross.keys() & other.cross.keys():
        assert one.cross[id] == pytest.approx(other.cross[id], rel=1e-3, abs=1e-4)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("place", [MEMORY, pytest.param("server", marks=needs_server)])
async def test_embedded_store_and_qdrant_answer_alike(tmp_path: Path, place: str) -> None:
    stored = points(900)
    stores = [EdgeStore(tmp_path / "vectors"), QdrantStore(place if place == MEMORY else os.environ["SEMANTIK_TEST_QDRANT_URL"])]
    for store in stores:
        await store.drop(SPACE)
        await store.ensure(SPACE)
        await store.upsert(SPACE, stored)
    rng = np.random.default_rng(9)
    for number in range(24):
        corpus = Corpus(TENANT, tuple((f"c{index}", 1) for index in range(1 + number % 4)))
        filters = Filters(languages=("de",)) if number % 3 == 0 else Filters()
        terms = sparse({int(term): 1.0 for term in rng.zipf(1.4, 6) % 500})
        query = Query(corpus, filters, rng.normal(size=SPACE.dimensions).astype(np.float32), terms, 20)
        one, other = [await store.query(SPACE, query) for store in stores]
        assert_alike(one.dense, other.dense)
        assert_alike(one.sparse, other.sparse)
        assert await stores[0].count(SPACE, corpus, filters) == await stores[1].count(SPACE, corpus, filters)
    for store in stores:
        await store.close()
