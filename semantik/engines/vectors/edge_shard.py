"""One space inside the index process: a Qdrant Edge shard, its seal, its queries, and the copy that is being optimised.

Folder:  space.json {form, dimensions, current}   seal.json (only while closed)   <current>/ the engine's files
Every engine call holds the GIL for its whole length, which is why this runs in a process of its own.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import qdrant_edge as edge
from numpy.typing import NDArray

from semantik.engines.vectors import edge_seal
from semantik.engines.vectors.base import PAYLOAD
from semantik.engines.vectors.checks import HNSW_EF, SAMPLE, public_payload, scopes
from semantik.engines.vectors.edge_seal import CHECK, Damaged
from semantik.kit.sparse import SparseVector

SPACE = "space.json"
# What the payload of a point looks like: another form is set aside and built anew from SQL. 2: `scope` begins with the tenant.
_FORM = 2
_DENSE, _SPARSE = "dense", "bm25"
_TRIAL_TIMEOUT_S = 600
# Each holds 400 ids inside the engine, some 20 kB.
_CACHED_SAMPLES = 256
_update = edge.UpdateOperation


@dataclass(slots=True)
class _Sample:
    """The points of a corpus to take moments over: how many, and the filter that names them (None when there are none)."""

    version: int
    taken_at: float
    size: int
    chosen: Any


@dataclass(slots=True)
class Found:
    """What a side answers: ids (16 bytes each) best first with scores, moments of its scores, and scores for what the other side found."""

    ids: Sequence[bytes] = ()
    scores: Sequence[float] = ()
    moments: tuple[float, float, int] | None = None
    cross_ids: Sequence[bytes] = ()
    cross_scores: Sequence[Any] = ()


@dataclass(frozen=True, slots=True)
class _Side:
    """What one side asks. A point that holds none of the terms has the score `absent`; one without a dense vector has none at all."""

    query: Any
    params: Any
    absent: float | None


def config(dimensions: int) -> edge.EdgeConfig:
    return edge.EdgeConfig(
        vectors={_DENSE: edge.EdgeVectorParams(size=dimensions, distance=edge.Distance.Cosine)},
        sparse_vectors={_SPARSE: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)},
        hnsw_config=edge.HnswIndexConfig(m=16, ef_construct=100, full_scan_threshold=10_000),
        max_search_threads=1,
    )


class Shard:
    """Opened by `create` or `open`. Not safe to share between threads. Raises `Damaged` where it finds damage."""

    def __init__(self, space: Path, folder: Path, dimensions: int, shard: Any) -> None:
        self.space, self.folder, self.dimensions = space, folder, dimensions
        self._shard = shard
        self._version = 0
        self._samples: OrderedDict[tuple[str, ...], _Sample] = OrderedDict()

    @classmethod
    def create(cls, space: Path, dimensions: int) -> Shard:
        folder = space / "shard-1"
        shutil.rmtree(space, ignore_errors=True)
        folder.mkdir(parents=True)
        shard = edge.EdgeShard.create(str(folder), config(dimensions))
        for key, kind in {**PAYLOAD, "scope": "keyword"}.items():
            shard.update(_update.create_field_index(key, _index(key, kind)))
        shard.flush()
        # Last: a folder without this file is a creation that did not finish, and is begun again.
        _describe(space, folder, dimensions)
        return cls(space, folder, dimensions, shard)

    @classmethod
    def open(cls, space: Path) -> tuple[Shard, bool]:
        """Opens a space; the second value says that it was not closed properly, so that its points need checking."""
        try:
            described = json.loads((space / SPACE).read_text())
            folder, dimensions = space / str(described["current"]), int(described["dimensions"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Damaged(f"{SPACE} cannot be read") from error
        if described.get("form") != _FORM:
            raise Damaged(f"it was written in another form than {_FORM}, the present one")
        for left in space.glob("shard-*"):
            if left != folder:
                shutil.rmtree(left, ignore_errors=True)
        shutil.rmtree(folder / "temp_segments", ignore_errors=True)
        expected = edge_seal.sealed_points(space, folder)
        if expected is None:
            _try_in_another_process(folder, dimensions)
        # Before loading, which itself rewrites settings and journals: from here on only a proper close vouches for the files.
        edge_seal.break_seal(space)
        shard = _load(folder, dimensions)
        count = shard.count(edge.CountRequest(exact=True))
        if expected is not None and count != expected:
            raise Damaged(f"{expected} points were there when it was closed, now {count}")
        return cls(space, folder, dimensions, shard), expected is None

    def upsert(
        self, ids: Sequence[str], payloads: Sequence[dict[str, Any]], dense: Any, has_dense: Any, sparse: Sequence[SparseVector]
    ) -> None:
        self._version += 1
        points = []
        row = 0
        for at, (id, payload, terms) in enumerate(zip(ids, payloads, sparse, strict=True)):
            vectors: dict[str, Any] = {_SPARSE: edge.SparseVector(terms.indices.tolist(), terms.values.tolist())}
            vector = None
            if has_dense[at]:
                vector = vectors[_DENSE] = dense[row]
                row += 1
            points.append(edge.Point(id, vectors, {**payload, CHECK: edge_seal.point_check(vector, terms, payload)}))
        self._shard.update(_update.upsert_points(points))

    def delete(self, ids: Sequence[str]) -> None:
        self._samples.clear()
        self._shard.update(_update.delete_points(list(ids)))

    def delete_where(self, conditions: Mapping[str, Any]) -> None:
        self._samples.clear()
        self._shard.update(_update.delete_points_by_filter(edge.Filter(must=[_equals(key, value) for key, value in conditions.items()])))

    def flush(self) -> None:
        self._shard.flush()

    def count(self, tenant: str | None, collections: Sequence[tuple[str, int]], filters: Mapping[str, Any]) -> int:
        narrowed = None if tenant is None else edge.Filter(must=[*_corpus(tenant, collections), *_narrowing(filters)])
        return int(self._shard.count(edge.CountRequest(exact=True, filter=narrowed)))

    def present(self, ids: Sequence[str]) -> list[str]:
        return [str(record.id) for record in self._shard.retrieve(list(ids), False, False)]

    def scroll(self, after: str | None, limit: int, *, vectors: bool, tenant: str | None = None) -> tuple[list[Any], str | None]:
        """Records with payload (and vectors), of all tenants or of one, and where to go on; None at the end."""
        within = None if tenant is None else edge.Filter(must=[_equals("tenant", tenant)])
        request = edge.ScrollRequest(offset=after, limit=limit, filter=within, with_payload=True, with_vector=vectors)
        records, following = self._shard.scroll(request)
        return records, None if following is None else str(following)

    def faults(self) -> Iterator[str | None]:
        """Checks all points, a slice a step; yields what is wrong with the first bad one, None after a sound slice."""
        after = None
        while True:
            records, after = self.scroll(after, 256, vectors=True)
            for record in records:
                dense, terms = vectors_of(record)
                fault = edge_seal.point_fault(dense, terms, dict(record.payload or {}))
                if fault is not None:
                    yield f"point {record.id}: {fault}"
                    return
            yield None
            if after is None:
                return

    # Asking -----------------------------------------------------------------------------------------------------

    def query(
        self,
        request: Mapping[str, Any],
        dense: NDArray[np.float32] | None,
        sparse: SparseVector | None,
        told: Sequence[bytes] | None = None,
    ) -> tuple[Found | None, Found | None]:
        """What each side found: keywords first, then meaning, each with its scores for what only the other found.

        `told`: what the keywords have found in a call before; then they only score what meaning finds beside that.
        """
        tenant, collections, limit = request["tenant"], request["collections"], int(request["limit"])
        corpus = _corpus(tenant, collections)
        sample = self._sample(tenant, collections, corpus)
        within = edge.Filter(must=[*corpus, *_narrowing(request["filters"])])
        meaning = words = None
        by_words: _Side | None = None
        if sparse is not None and len(sparse.indices):
            terms = edge.SparseVector(sparse.indices.tolist(), sparse.values.tolist())
            params = edge.SearchParams(idf=edge.IdfParams(_population(tenant, collections)))
            by_words = _Side(edge.Query.Nearest(terms, using=_SPARSE), params, absent=0.0)
        if by_words is not None and told is None:
            words = self._asked(by_words, within, limit, sample, [])
            told = words.ids
        elif sparse is not None:
            words = Found(moments=(0.0, 0.0, sample.size) if sample.size else None)
        if dense is not None:
            params = edge.SearchParams(hnsw_ef=max(HNSW_EF, limit), exact=bool(request["exact"]))
            by_meaning = _Side(edge.Query.Nearest(dense.tolist(), using=_DENSE), params, absent=None)
            meaning = self._asked(by_meaning, within, limit, sample, told or [])
            if by_words is not None and words is not None:
                self._cross(words, by_words, set(meaning.ids).difference(told or ()))
        return meaning, words

    def _asked(self, side: _Side, within: Any, limit: int, sample: _Sample, others: Sequence[bytes]) -> Found:
        """The best, their moments and the scores of `others`, in one batch: the engine then counts words in the corpus only once."""
        # A few more than asked: which of equal scores come last must not depend on the engine's mood.
        asked = [(within, limit + 16)]
        if sample.size:
            asked.append((sample.chosen, sample.size))
        if others:
            asked.append((_these(others), len(others)))
        requests = [edge.QueryRequest(limit=most, query=side.query, filter=filter, params=side.params) for filter, most in asked]
        answers = iter(self._shard.query_batch(edge.QueryBatchRequest(requests)))
        best = sorted([(-hit.score, hit.id.bytes) for hit in next(answers)])[:limit]
        drawn = np.array([hit.score for hit in next(answers)] if sample.size else [], np.float64)
        if side.absent is not None:
            drawn = np.append(drawn, np.full(sample.size - len(drawn), side.absent))
        found = Found([id for _, id in best], [-score for score, _ in best])
        found.moments = (float(drawn.mean()), float(drawn.std()), len(drawn)) if len(drawn) else None
        if others:
            known = set(found.ids)
            beside = sorted([(hit.id.bytes, hit.score) for hit in next(answers)])
            found.cross_ids = [id for id, _ in beside if id not in known]
            found.cross_scores = [score for id, score in beside if id not in known]
        return found

    def _cross(self, found: Found, side: _Side, ids: Set[bytes]) -> None:
        """Adds the side's scores for `ids`, with `absent` for those that hold none of its terms."""
        if not ids:
            return
        hits = self._shard.query(edge.QueryRequest(limit=len(ids), query=side.query, filter=_these(ids), params=side.params))
        scores = {hit.id.bytes: hit.score for hit in hits}
        found.cross_ids = sorted(ids)
        found.cross_scores = [scores.get(id, side.absent) for id in found.cross_ids]

    def _sample(self, tenant: str, collections: Sequence[tuple[str, int]], corpus: list[Any]) -> _Sample:
        """Ids are hashes (UUIDv5), so the lowest ones are a random sample, and the same one as long as the corpus stands.

        Only which points are in it is remembered; their scores are those of the moment.
        """
        key = tuple(scopes(tenant, collections))
        known = self._samples.get(key)
        now = time.monotonic()
        # While points stream in, a full sample a second old will do.
        if known is not None and (known.version == self._version or (known.size >= SAMPLE and now - known.taken_at < 1.0)):
            self._samples.move_to_end(key)
            return known
        request = edge.ScrollRequest(limit=SAMPLE, filter=edge.Filter(must=corpus), with_payload=False, with_vector=False)
        ids = {record.id for record in self._shard.scroll(request)[0]}
        chosen = edge.Filter(must=[edge.HasIdCondition(ids)]) if ids else None
        sample = self._samples[key] = _Sample(self._version, now, len(ids), chosen)
        while len(self._samples) > _CACHED_SAMPLES:
            self._samples.popitem(last=False)
        return sample

    # Optimising and closing -------------------------------------------------------------------------------------

    def wants_optimizing(self, least: int) -> bool:
        """Whether there are enough points, and a fifth of them or more is not in a graph yet."""
        count = int(self._shard.count(edge.CountRequest(exact=True)))
        # The engine counts the terms of every point as indexed, in whatever segment they are.
        return count >= least and self._shard.info().indexed_vectors_count < 1.8 * count

    def copy(self) -> Path:
        """A copy of everything flushed, beside the shard, to optimise."""
        self._shard.flush()
        number = int(self.folder.name.partition("-")[2]) + 1
        target = self.space / f"shard-{number}"
        shutil.rmtree(target, ignore_errors=True)
        if sys.platform == "linux":
            subprocess.run(["cp", "-r", "--sparse=always", "--reflink=auto", str(self.folder), str(target)], check=True)
        else:
            shutil.copytree(self.folder, target)
        return target

    def swapped(self, target: Path) -> Shard:
        """The optimised copy, opened to have the missed writes replayed; `install` makes it the shard."""
        return Shard(self.space, target, self.dimensions, _load(target, self.dimensions))

    def install(self, old: Shard) -> None:
        """Takes the place of `old` in one step: a crash before it leaves the old shard, after it the new one."""
        self._shard.flush()
        _describe(self.space, self.folder, self.dimensions)
        old._shard.close()
        shutil.rmtree(old.folder, ignore_errors=True)

    def close(self) -> None:
        """Flushes, closes and seals."""
        points = int(self._shard.count(edge.CountRequest(exact=True)))
        self._shard.flush()
        self._shard.close()
        edge_seal.seal(self.space, self.folder, points)

    def abandon(self) -> None:
        """Lets go of the files without writing a seal."""
        self._shard.close()


def vectors_of(record: Any) -> tuple[NDArray[np.float32] | None, SparseVector]:
    vectors = record.vector or {}
    dense, terms = vectors.get(_DENSE), vectors.get(_SPARSE)
    sparse = SparseVector(
        np.array(terms.indices if terms is not None else [], np.uint32), np.array(terms.values if terms is not None else [], np.float32)
    )
    return None if dense is None else np.array(dense, np.float32), sparse


def described(record: Any) -> tuple[str, dict[str, Any]]:
    return str(record.id), public_payload(record.payload)


def _describe(space: Path, folder: Path, dimensions: int) -> None:
    edge_seal.write_json(space / SPACE, {"form": _FORM, "dimensions": dimensions, "current": folder.name})


def _load(folder: Path, dimensions: int) -> Any:
    try:
        return edge.EdgeShard.load(str(folder), config(dimensions))
    except Exception as error:  # the binding raises bare Exception for all that it finds wrong
        raise Damaged(f"the engine cannot open it: {error}") from error


def _try_in_another_process(folder: Path, dimensions: int) -> None:
    """Opens, reads and closes the shard in a process that may abort: some damage ends the process that meets it."""
    command = [sys.executable, "-m", "semantik.engines.vectors.edge_process", "try", str(folder), str(dimensions)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_TRIAL_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise Damaged(f"opening it takes longer than {_TRIAL_TIMEOUT_S} s") from error
    if done.returncode != 0:
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or [""]
        raise Damaged(f"opening it fails with exit code {done.returncode}: {last[0][:300]}")


def try_open(folder: Path, dimensions: int) -> None:
    shard = _load(folder, dimensions)
    shard.count(edge.CountRequest(exact=True))
    shard.scroll(edge.ScrollRequest(limit=1, with_payload=True, with_vector=True))
    shard.close()


def optimize(folder: Path, dimensions: int) -> None:
    shard = _load(folder, dimensions)
    shard.optimize()
    shard.close()


def _index(key: str, kind: str) -> Any:
    match kind:
        case "integer":
            return edge.IntegerIndexParams(lookup=True, range=False, enable_hnsw=False)
        case "datetime":
            return edge.DatetimeIndexParams(enable_hnsw=False)
        case _:
            return edge.KeywordIndexParams(is_tenant=True) if key == "tenant" else edge.KeywordIndexParams(enable_hnsw=False)


def _equals(key: str, value: str | int) -> Any:
    return edge.FieldCondition(key=key, match=edge.MatchValue(value))


def _corpus(tenant: str, collections: Sequence[tuple[str, int]]) -> list[Any]:
    """The access filter: THE one place that makes it. `must` only, for an empty `should` would match everything.

    A scope begins with its tenant, so one condition walls off the others; the engine checks it for every point that it looks at.
    """
    assert tenant and collections, "a corpus names its tenant and at least one collection"
    wanted = scopes(tenant, collections)
    scope = edge.MatchValue(wanted[0]) if len(wanted) == 1 else edge.MatchAny(wanted)
    return [edge.FieldCondition(key="scope", match=scope)]


def _population(tenant: str, collections: Sequence[tuple[str, int]]) -> Any:
    """The same points, for counting how rare words are: conditions that the engine need not check point by point.

    At 100,000 points 1 ms instead of 4 (any of) or 8 (tenant and scope). Never empty, for an empty `should` would count everything.
    """
    wanted = scopes(tenant, collections)
    assert wanted, "a corpus names at least one collection"
    return edge.Filter(should=[_equals("scope", scope) for scope in wanted])


def _these(ids: Iterable[bytes]) -> Any:
    return edge.Filter(must=[edge.HasIdCondition({UUID(bytes=id) for id in ids})])


_ANY_OF = {"sources": "source", "documents": "document", "media_types": "media_type", "languages": "language", "tags": "tags"}


def _narrowing(filters: Mapping[str, Any]) -> list[Any]:
    conditions = [edge.FieldCondition(key=_ANY_OF[name], match=edge.MatchAny(list(filters[name]))) for name in _ANY_OF if filters.get(name)]
    after, before = filters.get("modified_after"), filters.get("modified_before")
    if after or before:
        conditions.append(edge.FieldCondition(key="modified_at", range=edge.RangeDateTime(gte=after, lt=before)))
    return conditions
