"""The vector store on a Qdrant server or cluster; its client's local mode serves as a second engine in tests.

One physical collection a space, that is: for each model and size of its vectors; tenants, collections and their generations are
payload. Ten thousand small collections cost ten thousand values of a keyword index. `tenant` is the partition: the server keeps a
tenant's points together and links its graph within tenants. A search takes two requests, one for both lists and one for the scores
of the sample and of what only the other side found. The same points, filters, IDF corpus and moments as the embedded store, so that
moving between the two changes no ranking (tests/engines/vectors/test_congruence.py). Calls, retries and the breaker: `qdrant_calls`.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import httpx
import numpy as np
from numpy.typing import NDArray
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.http.exceptions import UnexpectedResponse

from semantik.engines.vectors import qdrant_words as words
from semantik.engines.vectors.base import (
    PAYLOAD,
    POINTS_A_CALL,
    Answer,
    Corpus,
    Filters,
    IndexDamaged,
    Moments,
    Point,
    Query,
    Scored,
    ServerTooOld,
    SideResult,
    Space,
    VectorStore,
)
from semantik.engines.vectors.checks import HNSW_EF, SAMPLE, check_ids, check_points, check_query, scopes
from semantik.engines.vectors.qdrant_calls import Calls, Patience
from semantik.kit.errors import Misconfigured
from semantik.kit.ids import TenantId

MEMORY = ":memory:"
# The first server that takes the IDF corpus of a query; an older one ignores it and lets one tenant's words weigh in another's scores.
_OLDEST_SERVER = (1, 19)
_WRITE_TIMEOUT_S = 60
# Within the two seconds that a health check has.
_PROBE = Patience(total_s=1.5, tries=1, first_s=0)
_CONNECTIONS = 32
# Graph links a point has, all of them within its tenant (`m` of 0 switches the links across tenants off).
_LINKS_IN_TENANT = 16
# Candidates read again with full precision, for each one wanted, when vectors are quantised (facts: recall .972 -> .998).
_OVERSAMPLING = 2.0
# Other processes write as well: a sample is looked up again after this long, at once after a write from here.
_SAMPLE_TTL_S = 30.0
_CACHED_SAMPLES = 256


@dataclass(frozen=True, slots=True)
class Options:
    """How a space is laid out when it is made, and how long a search may wait. Sizes and copies are those of a cluster."""

    timeout_s: float = 5.0
    grpc_port: int = 0
    quantise: bool = False
    on_disk: bool = False
    shards: int = 1
    replicas: int = 1


@dataclass(frozen=True, slots=True)
class _Sample:
    ids: tuple[str, ...]
    version: int
    taken_at: float


@dataclass(frozen=True, slots=True)
class _Side:
    """What one side asks: the vector, the name of its field, its parameters."""

    vector: Any
    using: str
    params: models.SearchParams


class QdrantStore(VectorStore):
    """`url`: http(s)://[:api-key@]host:port, or `:memory:` for the client's local mode. `options`: fields of `Options`."""

    def __init__(self, url: str, **options: Any) -> None:
        # Called when an index that was there is gone: somebody removed it, or the server came back without its disk.
        self.on_damage: Callable[[str, str], None] | None = None
        self._options = Options(**options)
        self._client, shown = _client(url, self._options)
        self._calls = Calls(shown)
        self._reading = Patience(total_s=self._options.timeout_s, tries=3, first_s=0.1)
        self._writing = Patience(total_s=2 * _WRITE_TIMEOUT_S, tries=5, first_s=0.5)
        self._samples: OrderedDict[tuple[str, ...], _Sample] = OrderedDict()
        self._version = 0
        self._seen: set[str] = set()
        self._server: str | None = None

    async def ensure(self, space: Space) -> None:
        await self._check_server()
        known = await self._described(space.key)
        if known is None:
            await self._create(space)
            known = await self._described(space.key)
        assert known is not None, "a collection that was made is there"
        words.check_fit(space, known)
        self._seen.add(space.key)

    async def spaces(self) -> list[Space]:
        found = (await self._calls.ask(self._client.get_collections, self._reading)).collections
        keys = [one.name.removeprefix(words.PREFIX) for one in found if one.name.startswith(words.PREFIX)]
        described = await asyncio.gather(*(self._described(key) for key in keys))
        return [Space(key, dense.size) for key, one in zip(keys, described, strict=True) if one and (dense := words.dense_of(one))]

    async def upsert(self, space: Space, points: Sequence[Point]) -> None:
        check_points(space, points)
        self._version += 1
        for start in range(0, len(points), POINTS_A_CALL):
            batch = [words.stored(point) for point in points[start : start + POINTS_A_CALL]]
            await self._write(space, partial(self._client.upsert, words.name_of(space), batch, wait=True, timeout=_WRITE_TIMEOUT_S))

    async def flush(self, space: Space) -> None:
        """Nothing to do: the server has written what it acknowledged to its log."""

    async def delete(self, space: Space, ids: Sequence[str]) -> None:
        check_ids(ids)
        self._version += 1
        if ids:
            selector = models.PointIdsList(points=list(ids))
            await self._write(space, lambda: self._client.delete(words.name_of(space), selector, wait=True, timeout=_WRITE_TIMEOUT_S))

    async def delete_where(
        self, space: Space, *, tenant: TenantId, collection: str | None = None, generation: int | None = None, document: str | None = None
    ) -> None:
        self._version += 1
        wanted = {"tenant": tenant, "collection": collection, "generation": generation, "document": document}
        must = [words.equals(key, value) for key, value in wanted.items() if value is not None]
        selector = models.FilterSelector(filter=models.Filter(must=must))
        await self._write(space, lambda: self._client.delete(words.name_of(space), selector, wait=True, timeout=_WRITE_TIMEOUT_S))

    async def query(self, space: Space, query: Query, *, coming: Awaitable[NDArray[np.float32]] | None = None) -> Answer:
        if coming is not None:
            query = replace(query, dense=await coming)
        check_query(space, query)
        corpus = words.within(query.corpus)
        within = models.Filter(must=[*corpus, *words.narrowing(query.filters)])
        sides = self._sides(query, corpus)
        sample = await self._sample(space, query.corpus, corpus)
        tops = await self._scores(space, [(side, within, query.limit + 16) for side in sides.values()])
        found: dict[str, list[tuple[str, float]]] = {
            name: sorted(scores.items(), key=lambda hit: (-hit[1], hit[0]))[: query.limit] for name, scores in zip(sides, tops, strict=True)
        }
        foreign = {
            name: sorted({id for other, hits in found.items() if other != name for id, _ in hits} - dict(found[name]).keys())
            for name in sides
        }
        chosen = {name: [*dict.fromkeys([*sample, *foreign[name]])] for name in sides}
        asked = [
            (sides[name], models.Filter(must=[models.HasIdCondition(has_id=list(ids))]), len(ids)) for name, ids in chosen.items() if ids
        ]
        answers = iter(await self._scores(space, asked))
        results: dict[str, SideResult] = {}
        for name in sides:
            scores = next(answers) if chosen[name] else {}
            cross = {id: scores.get(id, 0.0) for id in foreign[name] if name == "sparse" or id in scores}
            ranked = Scored(tuple(id for id, _ in found[name]), tuple(score for _, score in found[name]))
            results[name] = SideResult(ranked, words.moments_of(scores, sample, sparse=name == "sparse"), cross)
        if query.sparse is not None and "sparse" not in results:
            results["sparse"] = SideResult(Scored((), ()), Moments(0.0, 0.0, len(sample)) if sample else None)
        return Answer(dense=results.get("dense"), sparse=results.get("sparse"))

    def _sides(self, query: Query, corpus: list[Any]) -> dict[str, _Side]:
        sides: dict[str, _Side] = {}
        if query.dense is not None:
            rescored = models.QuantizationSearchParams(rescore=True, oversampling=_OVERSAMPLING) if self._options.quantise else None
            params = models.SearchParams(hnsw_ef=max(HNSW_EF, query.limit), exact=query.exact, quantization=rescored)
            sides["dense"] = _Side(query.dense.tolist(), words.DENSE, params)
        if query.sparse is not None and len(query.sparse.indices):
            terms = models.SparseVector(indices=query.sparse.indices.tolist(), values=query.sparse.values.tolist())
            idf = models.SearchParams(idf=models.IdfCorpusParams(corpus=models.Filter(must=corpus)))
            sides["sparse"] = _Side(terms, words.SPARSE, idf)
        return sides

    async def count(self, space: Space, corpus: Corpus | None = None, filters: Filters | None = None) -> int:
        within = models.Filter(must=[*words.within(corpus), *words.narrowing(filters or Filters())]) if corpus else None
        return int((await self._read(space, lambda: self._client.count(words.name_of(space), within, exact=True))).count)

    async def present(self, space: Space, ids: Sequence[str]) -> set[str]:
        check_ids(ids)
        found: set[str] = set()
        for start in range(0, len(ids), POINTS_A_CALL):
            batch = list(ids[start : start + POINTS_A_CALL])
            asked = partial(self._client.retrieve, words.name_of(space), batch, with_payload=False, with_vectors=False)
            found.update(str(record.id) for record in await self._read(space, asked))
        return found

    async def scan(self, space: Space, *, tenant: TenantId | None = None, vectors: bool = False) -> AsyncIterator[Sequence[Point]]:
        name = words.name_of(space)
        within = None if tenant is None else models.Filter(must=[words.equals("tenant", tenant)])
        after: Any = None
        while True:
            page = partial(self._client.scroll, name, within, limit=POINTS_A_CALL, offset=after, with_payload=True, with_vectors=vectors)
            records, after = await self._read(space, page)
            if records:
                yield [words.point_of(record) for record in records]
            if after is None:
                return

    async def drop(self, space: Space) -> None:
        self._version += 1
        self._seen.discard(space.key)
        await self._write(space, lambda: self._client.delete_collection(words.name_of(space), timeout=_WRITE_TIMEOUT_S))

    async def optimize(self, space: Space) -> bool:
        """The server optimises by itself."""
        return False

    async def health(self) -> Mapping[str, Any]:
        """Asks also while searches are refused, and ends that when it is answered."""
        found = await self._calls.ask(self._client.get_collections, _PROBE, probe=True)
        spaces = sum(one.name.startswith(words.PREFIX) for one in found.collections)
        return {"backend": "qdrant", "spaces": spaces} | ({"server": self._server} if self._server else {})

    async def close(self) -> None:
        await self._client.close()

    async def _read(self, space: Space, call: Callable[[], Any]) -> Any:
        return await self._noticed(space, call, self._reading)

    async def _write(self, space: Space, call: Callable[[], Any]) -> Any:
        return await self._noticed(space, call, self._writing)

    async def _noticed(self, space: Space, call: Callable[[], Any], patience: Patience) -> Any:
        try:
            return await self._calls.ask(call, patience, space)
        except IndexDamaged:
            if space.key in self._seen and self.on_damage is not None:
                self._seen.discard(space.key)
                self.on_damage(space.key, "missing")
            raise

    async def _check_server(self) -> None:
        """Once: a server that would take our queries and answer another question is refused. Raises `ServerTooOld`."""
        if self._server is not None:
            return
        version = str((await self._calls.ask(self._client.info, self._reading)).version)
        numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
        if len(numbers) == 2 and numbers < _OLDEST_SERVER:
            raise ServerTooOld(
                f"the Qdrant server is version {version}, which knows no IDF by corpus", hint="Semantik needs Qdrant 1.19 or later."
            )
        self._server = version

    async def _described(self, key: str) -> models.CollectionParams | None:
        if not await self._calls.ask(lambda: self._client.collection_exists(words.PREFIX + key), self._reading):
            return None
        return (await self._calls.ask(lambda: self._client.get_collection(words.PREFIX + key), self._reading)).config.params

    async def _create(self, space: Space) -> None:
        name = words.name_of(space)
        await self._write(space, lambda: self._created(space))
        for key, kind in {**PAYLOAD, "scope": "keyword"}.items():
            index = partial(self._client.create_payload_index, name, key, words.index_of(key, kind), wait=True, timeout=_WRITE_TIMEOUT_S)
            await self._write(space, index)

    async def _created(self, space: Space) -> None:
        options = self._options
        int8 = models.ScalarQuantizationConfig(type=models.ScalarType.INT8, quantile=0.99, always_ram=True)
        try:
            await self._client.create_collection(
                words.name_of(space),
                vectors_config={
                    words.DENSE: models.VectorParams(
                        size=space.dimensions,
                        distance=models.Distance.COSINE,
                        on_disk=options.on_disk,
                        hnsw_config=models.HnswConfigDiff(m=0, payload_m=_LINKS_IN_TENANT, on_disk=options.on_disk),
                        quantization_config=models.ScalarQuantization(scalar=int8) if options.quantise else None,
                    )
                },
                sparse_vectors_config={
                    words.SPARSE: models.SparseVectorParams(
                        modifier=models.Modifier.IDF, index=models.SparseIndexParams(on_disk=options.on_disk)
                    )
                },
                shard_number=options.shards,
                replication_factor=options.replicas,
                # Half of the copies and one more: what was acknowledged survives the loss of the others.
                write_consistency_factor=options.replicas // 2 + 1,
                timeout=_WRITE_TIMEOUT_S,
            )
        except UnexpectedResponse as error:
            if error.status_code != 409:  # Another process was faster: the same collection by the same rule.
                raise

    async def _scores(self, space: Space, asked: Sequence[tuple[_Side, models.Filter, int]]) -> list[dict[str, float]]:
        """Scores by id, for each of `asked` (side, filter, limit), in one request."""
        if not asked:
            return []
        requests = [
            models.QueryRequest(
                query=side.vector, using=side.using, filter=within, params=side.params, limit=limit, with_payload=False, with_vector=False
            )
            for side, within, limit in asked
        ]
        answers = await self._read(space, lambda: self._client.query_batch_points(words.name_of(space), requests))
        return [{str(hit.id): float(hit.score) for hit in answer.points} for answer in answers]

    async def _sample(self, space: Space, corpus: Corpus, must: list[Any]) -> tuple[str, ...]:
        """Ids are hashes (UUIDv5), so the lowest ones are a random sample, and the same one as long as the corpus stands."""
        key = (space.key, *scopes(corpus.tenant, corpus.collections))
        known = self._samples.get(key)
        now = time.monotonic()
        if known is not None and known.version == self._version and now - known.taken_at < _SAMPLE_TTL_S:
            self._samples.move_to_end(key)
            return known.ids
        within = models.Filter(must=must)
        records, _ = await self._read(
            space, lambda: self._client.scroll(words.name_of(space), within, limit=SAMPLE, with_payload=False, with_vectors=False)
        )
        ids = tuple(str(record.id) for record in records)
        self._samples[key] = _Sample(ids, self._version, now)
        while len(self._samples) > _CACHED_SAMPLES:
            self._samples.popitem(last=False)
        return ids


def _client(url: str, options: Options) -> tuple[AsyncQdrantClient, str]:
    """The client, and the server as people may see it: without the key."""
    if url == MEMORY:
        return AsyncQdrantClient(location=MEMORY), "in memory"
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Misconfigured("SEMANTIK_QDRANT_URL is no http or https address", hint="Write http://host:6333.")
    address = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="")
    client = AsyncQdrantClient(
        url=urlunsplit(address),
        port=parts.port or (443 if parts.scheme == "https" else 6333),
        api_key=unquote(parts.password) if parts.password else None,
        prefer_grpc=bool(options.grpc_port),
        grpc_port=options.grpc_port or 6334,
        timeout=_WRITE_TIMEOUT_S,
        # The client keeps no connection to loopback by itself, and any number elsewhere.
        limits=httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS),
        check_compatibility=False,
    )
    return client, address.netloc
