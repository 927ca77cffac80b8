"""The embedded vector store: Qdrant Edge in one process of its own, spoken to over a socket pair.

The binding holds the GIL for whole calls, so the shards live in a spawned child (`edge_process`), which answers one
request after another, searches first. A child that dies is started again; what was under way and can be repeated
(everything here can: ids are given, deletes are by id or by condition) is sent once more, else `IndexUnavailable`.
One child owns the folder; a second one is refused. What the child finds damaged it sets aside, and the first to ask is
told by `IndexDamaged`; `on_damage` hears of it at once.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semantik.engines.vectors import frames
from semantik.engines.vectors.base import (
    Answer,
    BadVector,
    Corpus,
    DimensionMismatch,
    Filters,
    IndexDamaged,
    IndexDiskFull,
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
from semantik.engines.vectors.checks import check_ids, check_points, check_query, stored_payload
from semantik.kit import logs
from semantik.kit.ids import TenantId

log = logs.get(__name__)

_READ_TIMEOUT_S = 30.0
_WRITE_TIMEOUT_S = 300.0
_START_TIMEOUT_S = 30.0
# Points in one request: about 10 ms of the child's time, so that a search never waits for more than that.
_BATCH = 128
_BACKOFF_S = (0.0, 0.2, 1.0, 3.0, 10.0)
# A child that lived this long has not died of its start: the next start waits no longer.
_SETTLED_S = 60.0
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


class IndexOwned(IndexUnavailable):
    """Another process has this index open."""

    code = "index_owned"
    title = "The search index belongs to another process"
    default_hint = "Use the server that owns it, or stop that first."


class _Died(Exception):
    """The child ended before it answered."""


class EdgeStore(VectorStore):
    """Opened lazily on the running loop; `close` it. `on_damage(space key, reason)` may be set by the owner."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.on_damage: Callable[[str, str], None] | None = None
        # Below this many points a scan is as fast as a graph; building one costs a minute of CPU for 100,000 points.
        self.optimize_from = 50_000
        self._ids = itertools.count(1)
        self._pending: dict[int, asyncio.Future[tuple[Any, list[frames.Array]]]] = {}
        self._starting: asyncio.Task[None] | None = None
        self._child: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._listener: asyncio.Task[None] | None = None
        self._deaths = 0
        self._started_at = 0.0
        self._closed = False

    # The port ---------------------------------------------------------------------------------------------------

    async def ensure(self, space: Space) -> None:
        assert _KEY.fullmatch(space.key), f"{space.key!r} cannot name a folder"
        await self._call("ensure", space.key, {"dimensions": space.dimensions}, timeout_s=_WRITE_TIMEOUT_S)

    async def spaces(self) -> list[Space]:
        found, _ = await self._call("spaces", "", {}, timeout_s=_WRITE_TIMEOUT_S)
        return [Space(key, dimensions) for key, dimensions in found]

    async def upsert(self, space: Space, points: Sequence[Point]) -> None:
        check_points(space, points)
        for start in range(0, len(points), _BATCH):
            batch = points[start : start + _BATCH]
            dense = [point.dense for point in batch if point.dense is not None]
            arrays: list[frames.Array] = [
                np.array([point.dense is not None for point in batch], np.bool_),
                np.array(dense, np.float32).reshape(len(dense), space.dimensions),
                np.array([len(point.sparse.indices) for point in batch], np.int64),
                np.concatenate([point.sparse.indices for point in batch]).astype(np.uint32, copy=False),
                np.concatenate([point.sparse.values for point in batch]).astype(np.float32, copy=False),
            ]
            head = {"ids": [point.id for point in batch], "payloads": [stored_payload(point.payload) for point in batch]}
            await self._call("upsert", space.key, head, arrays, timeout_s=_WRITE_TIMEOUT_S)

    async def flush(self, space: Space) -> None:
        await self._call("flush", space.key, {}, timeout_s=_WRITE_TIMEOUT_S)

    async def delete(self, space: Space, ids: Sequence[str]) -> None:
        check_ids(ids)
        for start in range(0, len(ids), 1_000):
            await self._call("delete", space.key, {"ids": list(ids[start : start + 1_000])}, timeout_s=_WRITE_TIMEOUT_S)

    async def delete_where(
        self, space: Space, *, tenant: TenantId, collection: str | None = None, generation: int | None = None, document: str | None = None
    ) -> None:
        wanted = {"tenant": tenant, "collection": collection, "generation": generation, "document": document}
        conditions = {key: value for key, value in wanted.items() if value is not None}
        await self._call("delete_where", space.key, {"conditions": conditions}, timeout_s=_WRITE_TIMEOUT_S)

    async def query(self, space: Space, query: Query, *, coming: Awaitable[NDArray[np.float32]] | None = None) -> Answer:
        if coming is None:
            return (await self._search(space, query))[0]
        if query.sparse is None or not len(query.sparse.indices):
            return (await self._search(space, replace(query, dense=await coming)))[0]
        # The other process looks for the keywords while this one still waits for the vector.
        words, told = await self._search(space, query)
        answer, _ = await self._search(space, replace(query, dense=await coming), told)
        assert words.sparse is not None and answer.sparse is not None, "both were asked for keywords"
        return Answer(dense=answer.dense, sparse=replace(words.sparse, cross=answer.sparse.cross))

    async def _search(self, space: Space, query: Query, told: frames.Array | None = None) -> tuple[Answer, frames.Array | None]:
        """The answer, and the ids that keywords found, as they travel. `told`: those of a search before, not looked for again."""
        check_query(space, query)
        arrays: list[frames.Array] = []
        if query.dense is not None:
            arrays.append(query.dense.astype(np.float32, copy=False))
        if query.sparse is not None:
            arrays += [query.sparse.indices, query.sparse.values]
        if told is not None:
            arrays.append(told)
        head = {
            **_corpus(query.corpus),
            "filters": _filters(query.filters),
            "limit": query.limit,
            "exact": query.exact,
            "dense": query.dense is not None,
            "sparse": query.sparse is not None,
            "told": told is not None,
        }
        (dense, sparse), arrays = await self._call("query", space.key, head, arrays, urgent=True)
        found = None if sparse is None else arrays[-4]
        return Answer(dense=_side(dense, arrays[:4]), sparse=_side(sparse, arrays[-4:])), found

    async def count(self, space: Space, corpus: Corpus | None = None, filters: Filters | None = None) -> int:
        head = {**(_corpus(corpus) if corpus else {"tenant": None, "collections": []}), "filters": _filters(filters or Filters())}
        counted, _ = await self._call("count", space.key, head, urgent=True)
        return int(counted)

    async def present(self, space: Space, ids: Sequence[str]) -> set[str]:
        check_ids(ids)
        found: set[str] = set()
        for start in range(0, len(ids), 1_000):
            listed, _ = await self._call("present", space.key, {"ids": list(ids[start : start + 1_000])}, urgent=True)
            found.update(listed)
        return found

    async def scan(self, space: Space, *, tenant: TenantId | None = None, vectors: bool = False) -> AsyncIterator[Sequence[Point]]:
        after: str | None = None
        while True:
            head = {"after": after, "limit": 256, "vectors": vectors, "tenant": tenant}
            listed, arrays = await self._call("scroll", space.key, head, urgent=True)
            if listed["points"]:
                yield _points(listed["points"], arrays)
            after = listed["after"]
            if after is None:
                return

    async def drop(self, space: Space) -> None:
        await self._call("drop", space.key, {}, timeout_s=_WRITE_TIMEOUT_S)

    async def optimize(self, space: Space) -> bool:
        changed, _ = await self._call("optimize", space.key, {"least": self.optimize_from}, timeout_s=None)
        return bool(changed)

    async def health(self) -> Mapping[str, Any]:
        found, _ = await self._call("health", "", {}, urgent=True, timeout_s=5.0)
        return {"backend": "edge", "restarts": self._deaths, **found}

    async def close(self) -> None:
        """Closes and seals every shard; returns when the child has ended."""
        self._closed = True
        if self._starting is not None:
            await asyncio.wait({self._starting})
        if self._writer is not None:
            self._writer.close()
        if self._child is not None:
            try:
                await asyncio.wait_for(self._child.wait(), _WRITE_TIMEOUT_S)
            except TimeoutError:
                self._child.kill()
                await self._child.wait()
        if self._listener is not None:
            await self._listener

    # The child --------------------------------------------------------------------------------------------------

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None and self._child.returncode is None else None

    async def _call(
        self,
        op: str,
        space: str,
        head: Mapping[str, Any],
        arrays: Sequence[frames.Array] = (),
        *,
        urgent: bool = False,
        timeout_s: float | None = _READ_TIMEOUT_S,
    ) -> tuple[Any, list[frames.Array]]:
        for last_try in (False, True):
            await self._ready()
            try:
                return await self._ask({"op": op, "space": space, **head}, arrays, urgent=urgent, timeout_s=timeout_s)
            except _Died:
                if last_try:
                    raise IndexUnavailable("the index process ended while it worked on this, twice", space=space) from None
        raise AssertionError("the loop returns or raises")

    async def _ask(
        self, head: dict[str, Any], arrays: Sequence[frames.Array], *, urgent: bool, timeout_s: float | None
    ) -> tuple[Any, list[frames.Array]]:
        request = next(self._ids)
        answer = self._pending[request] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(timeout_s):
                assert self._writer is not None, "the child was started"
                try:
                    self._writer.write(frames.pack({"id": request, **head}, arrays, urgent=urgent))
                    await self._writer.drain()
                except ConnectionError:
                    # Who tries again must find that it is gone: the listener clears away what the child left.
                    if self._listener is not None:
                        await asyncio.wait({self._listener})
                    raise _Died from None
                answered: tuple[Any, list[frames.Array]] = await answer
                return answered
        except TimeoutError:
            if not urgent and self._child is not None and self._child.returncode is None:
                # A write this late will not come back: the process hangs, and a new one replays its log.
                self._child.kill()
            raise IndexUnavailable(f"the index did not answer within {timeout_s:g} s", space=head["space"]) from None
        finally:
            self._pending.pop(request, None)

    async def _ready(self) -> None:
        if self._closed:
            raise IndexUnavailable("the index is closed")
        if self._writer is not None:
            return
        if self._starting is None or self._starting.done():
            self._starting = asyncio.create_task(self._start(), name="index start")
        # The child is everybody's: a caller with a time limit of its own may go, and must not leave half a start behind.
        waiting, _ = await asyncio.wait({self._starting})
        waiting.pop().result()

    async def _start(self) -> None:
        loop = asyncio.get_running_loop()
        if self._started_at and loop.time() - self._started_at > _SETTLED_S:
            self._deaths = 0
        await asyncio.sleep(_BACKOFF_S[min(self._deaths, len(_BACKOFF_S) - 1)])
        ours, theirs = socket.socketpair()
        number = theirs.fileno()
        module = "semantik.engines.vectors.edge_process"
        try:
            self._child = await asyncio.create_subprocess_exec(
                sys.executable, "-m", module, "serve", str(self.root), str(number), str(os.getpid()), pass_fds=(number,),
                stdin=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
        except OSError as error:
            ours.close()
            raise IndexUnavailable(f"the index process cannot be started: {error}") from error
        finally:
            theirs.close()
        self._started_at = loop.time()
        reader, writer = await asyncio.open_connection(sock=ours, limit=1 << 22)
        hello = self._pending[0] = loop.create_future()
        self._listener = asyncio.create_task(self._listen(reader, writer), name="index answers")
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                await hello
        except (TimeoutError, _Died) as error:
            writer.close()
            if self._child.returncode is None:
                self._child.kill()
                await self._child.wait()
            raise IndexUnavailable("the index process does not start") from error
        self._writer = writer

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hands answers to who waits for them; when the child ends, says so to all of them."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                (length,) = frames.LENGTH.unpack(await reader.readexactly(frames.LENGTH.size))
                head, arrays = frames.unpack(await reader.readexactly(length))
                if "notice" in head:
                    self._damaged(head["space"], head["detail"])
                    continue
                waiting = self._pending.get(head["id"])
                if waiting is None or waiting.done():
                    continue
                if "error" in head:
                    waiting.set_exception(_error(head["error"], head["detail"], self.root))
                else:
                    waiting.set_result((head["result"], arrays))
        self._writer = None
        writer.close()
        if not self._closed:
            self._deaths += 1
            log.warning("index process ended", returncode=self._child.returncode if self._child else None, waiting=len(self._pending))
        for waiting in self._pending.values():
            if not waiting.done():
                waiting.set_exception(IndexUnavailable("the index is closed") if self._closed else _Died())

    def _damaged(self, space: str, reason: str) -> None:
        log.error("index found damaged and set aside", space=space, reason=reason)
        if self.on_damage is not None:
            self.on_damage(space, reason)


def _error(kind: str, detail: str, root: Path) -> Exception:
    match kind:
        case "damaged":
            return IndexDamaged(f"the search index was found damaged and set aside: {detail}", reason="damaged")
        case "missing":
            return IndexDamaged(f"the search index is missing: {detail}", reason="missing")
        case "mismatch":
            return DimensionMismatch(detail)
        case "owned":
            return IndexOwned(detail, hint="Stop the other process, or give this one a data folder of its own.")
        case "bad":
            return BadVector(detail)
        case "full":
            return IndexDiskFull(f"the search index cannot be opened: no space left on the disk ({detail})")
        case _:
            return IndexUnavailable(f"the index could not do this: {detail}")


def _corpus(corpus: Corpus) -> dict[str, Any]:
    return {"tenant": corpus.tenant, "collections": [list(pair) for pair in corpus.collections]}


def _filters(filters: Filters) -> dict[str, Any]:
    return {
        "sources": filters.sources,
        "documents": filters.documents,
        "media_types": filters.media_types,
        "languages": filters.languages,
        "tags": filters.tags,
        "modified_after": filters.modified_after.isoformat() if filters.modified_after else None,
        "modified_before": filters.modified_before.isoformat() if filters.modified_before else None,
    }


def _side(side: Mapping[str, Any] | None, arrays: Sequence[frames.Array]) -> SideResult | None:
    if side is None:
        return None
    moments, (ids, scores, others, theirs) = side["moments"], arrays
    return SideResult(
        found=Scored(tuple(frames.texts_of(ids)), tuple(scores.tolist())),
        moments=None if moments is None else Moments(moments[0], moments[1], int(moments[2])),
        cross=dict(zip(frames.texts_of(others), theirs.tolist(), strict=True)),
    )


def _points(listed: Sequence[tuple[str, dict[str, Any]]], arrays: Sequence[frames.Array]) -> list[Point]:
    empty = SparseVector(np.empty(0, np.uint32), np.empty(0, np.float32))
    if not arrays:
        return [Point(id, None, empty, payload) for id, payload in listed]
    has_dense, dense, lengths, indices, values = arrays
    points: list[Point] = []
    row = at = 0
    for (id, payload), has, length in zip(listed, has_dense.tolist(), lengths.tolist(), strict=True):
        points.append(Point(id, dense[row] if has else None, SparseVector(indices[at : at + length], values[at : at + length]), payload))
        row += has
        at += length
    return points
