"""The vector store on a Qdrant server or cluster; its client's local mode serves as a second engine in tests.

One physical collection a space, `tenant` as its partition. The same points, filters, IDF corpus and moments as the embedded
store, so that moving between the two changes no ranking (tests/engines/vectors/test_congruence.py).
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import numpy as np
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

from semantik.engines.vectors.base import (
    PAYLOAD,
    Answer,
    Corpus,
    DimensionMismatch,
    Filters,
    IndexDamaged,
    IndexUnavailable,
    Moments,
    Point,
    Query,
    Scored,
    SideResult,
    Space,
    SparseVector,
    VectorStore,
)
from semantik.engines.vectors.checks import HNSW_EF, SAMPLE, check_ids, check_points, check_query, public_payload, scopes, stored_payload
from semantik.kit.ids import TenantId

T = TypeVar("T")

MEMORY = ":memory:"
_PREFIX = "semantik-"
_DENSE, _SPARSE = "dense", "bm25"
_TIMEOUT_S = 10
_WRITE_TIMEOUT_S = 60
_BATCH = 256
# Other processes write as well: a sample is looked up again after this long, at once after a write from here.
_SAMPLE_TTL_S = 30.0
_CACHED_SAMPLES = 256


@dataclass(frozen=True, slots=True)
class _Sample:
    ids: tuple[str, ...]
    version: int
    taken_at: float


class QdrantStore(VectorStore):
    """`url`: http(s)://[:api-key@]host:port, or `:memory:` for the client's local mode."""

    def __init__(self, url: str) -> None:
        # Never called: what a server finds damaged it repairs from its replicas, or its operator does.
        self.on_damage: Callable[[str, str], None] | None = None
        self._client = _client(url)
        self._samples: OrderedDict[tuple[str, ...], _Sample] = OrderedDict()
        self._version = 0

    async def ensure(self, space: Space) -> None:
        known = await self._dimensions(space.key)
        if known is None:
            await self._create(space)
            known = await self._dimensions(space.key)
        if known != space.dimensions:
            raise DimensionMismatch(f"index {space.key} holds vectors of {known} dimensions, not {space.dimensions}")

    async def spaces(self) -> list[Space]:
        found = (await _asked(self._client.get_collections())).collections
        keys = [one.name.removeprefix(_PREFIX) for one in found if one.name.startswith(_PREFIX)]
        sizes = await asyncio.gather(*(self._dimensions(key) for key in keys))
        return [Space(key, size) for key, size in zip(keys, sizes, strict=True) if size is not None]

    async def upsert(self, space: Space, points: Sequence[Point]) -> None:
        check_points(space, points)
        self._version += 1
        for start in range(0, len(points), _BATCH):
            batch = [_stored(point) for point in points[start : start + _BATCH]]
            await _asked(self._client.upsert(_name(space), batch, wait=True, timeout=_WRITE_TIMEOUT_S), space)

    async def flush(self, space: Space) -> None:
        """Nothing to do: the server has written what it acknowledged to its log."""

    async def delete(self, space: Space, ids: Sequence[str]) -> None:
        check_ids(ids)
        self._version += 1
        if ids:
            selector = models.PointIdsList(points=list(ids))
            await _asked(self._client.delete(_name(space), selector, wait=True, timeout=_WRITE_TIMEOUT_S), space)

    async def delete_where(
        self, space: Space, *, tenant: TenantId, collection: str | None = None, generation: int | None = None, document: str | None = None
    ) -> None:
        self._version += 1
        wanted = {"tenant": tenant, "collection": collection, "generation": generation, "document": document}
        must = [_equals(key, value) for key, value in wanted.items() if value is not None]
        selector = models.FilterSelector(filter=models.Filter(must=must))
        await _asked(self._client.delete(_name(space), selector, wait=True, timeout=_WRITE_TIMEOUT_S), space)

    async def query(self, space: Space, query: Query) -> Answer:
        check_query(space, query)
        corpus = _corpus(query.corpus)
        within = models.Filter(must=[*corpus, *_narrowing(query.filters)])
        sides: dict[str, tuple[Any, str, models.SearchParams]] = {}
        if query.dense is not None:
            params = models.SearchParams(hnsw_ef=max(HNSW_EF, query.limit), exact=query.exact)
            sides["dense"] = (query.dense.tolist(), _DENSE, params)
        if query.sparse is not None and len(query.sparse.indices):
            terms = models.SparseVector(indices=query.sparse.indices.tolist(), values=query.sparse.values.tolist())
            idf = models.SearchParams(idf=models.IdfCorpusParams(corpus=models.Filter(must=corpus)))
            sides["sparse"] = (terms, _SPARSE, idf)
        sample = await self._sample(space, query.corpus, corpus)
        tops = await asyncio.gather(*(self._scores(space, side, within, query.limit + 16) for side in sides.values()))
        found: dict[str, list[tuple[str, float]]] = {
            name: sorted(scores.items(), key=lambda hit: (-hit[1], hit[0]))[: query.limit] for name, scores in zip(sides, tops, strict=True)
        }
        results: dict[str, SideResult] = {}
        for name, side in sides.items():
            ids = [id for id, _ in found[name]]
            foreign = sorted({id for other, hits in found.items() if other != name for id, _ in hits}.difference(ids))
            chosen = [*dict.fromkeys([*sample, *foreign])]
            scores = (
                await self._scores(space, side, models.Filter(must=[models.HasIdCondition(has_id=chosen)]), len(chosen)) if chosen else {}
            )
            cross = {id: scores.get(id, 0.0) for id in foreign if name == "sparse" or id in scores}
            ranked = Scored(tuple(ids), tuple(score for _, score in found[name]))
            results[name] = SideResult(ranked, _moments(scores, sample, sparse=name == "sparse"), cross)
        if query.sparse is not None and "sparse" not in results:
            results["sparse"] = SideResult(Scored((), ()), Moments(0.0, 0.0, len(sample)) if sample else None)
        return Answer(dense=results.get("dense"), sparse=results.get("sparse"))

    async def count(self, space: Space, corpus: Corpus | None = None, filters: Filters | None = None) -> int:
        within = models.Filter(must=[*_corpus(corpus), *_narrowing(filters or Filters())]) if corpus else None
        return int((await _asked(self._client.count(_name(space), within, exact=True, timeout=_TIMEOUT_S), space)).count)

    async def scan(self, space: Space, *, vectors: bool = False) -> AsyncIterator[Sequence[Point]]:
        after: Any = None
        while True:
            call = self._client.scroll(_name(space), limit=_BATCH, offset=after, with_payload=True, with_vectors=vectors)
            records, after = await _asked(call, space)
            if records:
                yield [_point(record) for record in records]
            if after is None:
                return

    async def drop(self, space: Space) -> None:
        self._version += 1
        await _asked(self._client.delete_collection(_name(space), timeout=_WRITE_TIMEOUT_S))

    async def optimize(self, space: Space) -> bool:
        """The server optimises by itself."""
        return False

    async def health(self) -> Mapping[str, Any]:
        found = await _asked(self._client.get_collections())
        return {"backend": "qdrant", "spaces": sum(one.name.startswith(_PREFIX) for one in found.collections)}

    async def close(self) -> None:
        await self._client.close()

    async def _dimensions(self, key: str) -> int | None:
        if not await _asked(self._client.collection_exists(_PREFIX + key)):
            return None
        described = (await _asked(self._client.get_collection(_PREFIX + key))).config.params.vectors
        assert isinstance(described, dict), "a space has named vectors"
        return int(described[_DENSE].size)

    async def _create(self, space: Space) -> None:
        try:
            await self._client.create_collection(
                _name(space),
                vectors_config={_DENSE: models.VectorParams(size=space.dimensions, distance=models.Distance.COSINE)},
                sparse_vectors_config={_SPARSE: models.SparseVectorParams(modifier=models.Modifier.IDF)},
                timeout=_WRITE_TIMEOUT_S,
            )
        except UnexpectedResponse as error:
            if error.status_code != 409:  # Another process was faster: the same collection by the same rule.
                raise _translated(error, space) from error
        except ResponseHandlingException as error:
            raise _translated(error, space) from error
        for key, kind in {**PAYLOAD, "scope": "keyword"}.items():
            await _asked(
                self._client.create_payload_index(_name(space), key, _index(key, kind), wait=True, timeout=_WRITE_TIMEOUT_S), space
            )

    async def _scores(
        self, space: Space, side: tuple[Any, str, models.SearchParams], within: models.Filter, limit: int
    ) -> dict[str, float]:
        query, using, params = side
        call = self._client.query_points(
            _name(space), query, using=using, query_filter=within, search_params=params, limit=limit, with_payload=False, timeout=_TIMEOUT_S
        )
        return {str(hit.id): float(hit.score) for hit in (await _asked(call, space)).points}

    async def _sample(self, space: Space, corpus: Corpus, must: list[Any]) -> tuple[str, ...]:
        """Ids are hashes (UUIDv5), so the lowest ones are a random sample, and the same one as long as the corpus stands."""
        key = (space.key, corpus.tenant, *scopes(corpus.collections))
        known = self._samples.get(key)
        now = time.monotonic()
        if known is not None and known.version == self._version and now - known.taken_at < _SAMPLE_TTL_S:
            self._samples.move_to_end(key)
            return known.ids
        call = self._client.scroll(_name(space), models.Filter(must=must), limit=SAMPLE, with_payload=False, with_vectors=False)
        records, _ = await _asked(call, space)
        ids = tuple(str(record.id) for record in records)
        self._samples[key] = _Sample(ids, self._version, now)
        while len(self._samples) > _CACHED_SAMPLES:
            self._samples.popitem(last=False)
        return ids


def _client(url: str) -> AsyncQdrantClient:
    if url == MEMORY:
        return AsyncQdrantClient(location=MEMORY)
    parts = urlsplit(url)
    address = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    return AsyncQdrantClient(url=address, api_key=parts.password, timeout=_TIMEOUT_S, check_compatibility=False)


async def _asked(call: Awaitable[T], space: Space | None = None) -> T:
    """Awaits a call of the client and says in our words what went wrong."""
    try:
        return await call
    except (ApiException, ValueError) as error:
        raise _translated(error, space) from error


def _translated(error: Exception, space: Space | None) -> Exception:
    name = space.key if space else ""
    missing = isinstance(error, UnexpectedResponse) and error.status_code == 404
    if missing or (isinstance(error, ValueError) and "not found" in str(error)):
        return IndexDamaged(f"the search index is missing: there is no index named {name}", reason="missing", space=name)
    if isinstance(error, UnexpectedResponse):
        return IndexUnavailable(f"the Qdrant server answered with status {error.status_code}", space=name)
    if isinstance(error, ValueError):
        return IndexUnavailable(f"the Qdrant client refused the call: {error}", space=name)
    return IndexUnavailable(f"the Qdrant server does not answer: {type(error).__name__}", space=name)


def _name(space: Space) -> str:
    return _PREFIX + space.key


def _stored(point: Point) -> models.PointStruct:
    vectors: dict[str, Any] = {_SPARSE: models.SparseVector(indices=point.sparse.indices.tolist(), values=point.sparse.values.tolist())}
    if point.dense is not None:
        vectors[_DENSE] = point.dense.tolist()
    return models.PointStruct(id=point.id, vector=vectors, payload=stored_payload(point.payload))


def _point(record: models.Record) -> Point:
    vectors: Any = record.vector if isinstance(record.vector, dict) else {}
    terms = vectors.get(_SPARSE)
    dense = vectors.get(_DENSE)
    indices = np.array(terms.indices if terms is not None else [], np.uint32)
    values = np.array(terms.values if terms is not None else [], np.float32)
    order = np.argsort(indices)
    return Point(
        id=str(record.id),
        dense=None if dense is None else np.array(dense, np.float32),
        sparse=SparseVector(indices[order], values[order]),
        payload=public_payload(record.payload),
    )


def _moments(scores: Mapping[str, float], sample: Sequence[str], *, sparse: bool) -> Moments | None:
    # A point without any of the terms is not returned, and its score is 0; one without a dense side has none.
    values = np.array([scores.get(id, 0.0) for id in sample if sparse or id in scores], np.float64)
    return Moments(float(values.mean()), float(values.std()), len(values)) if len(values) else None


def _index(key: str, kind: str) -> Any:
    match kind:
        case "integer":
            return models.IntegerIndexParams(type=models.IntegerIndexType.INTEGER, lookup=True, range=False)
        case "datetime":
            return models.DatetimeIndexParams(type=models.DatetimeIndexType.DATETIME)
        case _:
            return models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True if key == "tenant" else None)


def _equals(key: str, value: Any) -> Any:
    return models.FieldCondition(key=key, match=models.MatchValue(value=value))


def _corpus(corpus: Corpus) -> list[Any]:
    """The access filter, as in the embedded store: THE one place here that makes it."""
    scope = models.FieldCondition(key="scope", match=models.MatchAny(any=scopes(corpus.collections)))
    return [_equals("tenant", corpus.tenant), scope]


def _narrowing(filters: Filters) -> list[Any]:
    any_of = {
        "source": filters.sources,
        "document": filters.documents,
        "media_type": filters.media_types,
        "language": filters.languages,
        "tags": filters.tags,
    }
    conditions: list[Any] = [
        models.FieldCondition(key=key, match=models.MatchAny(any=list(values))) for key, values in any_of.items() if values
    ]
    if filters.modified_after or filters.modified_before:
        span = models.DatetimeRange(gte=filters.modified_after, lt=filters.modified_before)
        conditions.append(models.FieldCondition(key="modified_at", range=span))
    return conditions
