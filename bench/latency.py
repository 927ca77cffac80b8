"""How long a search takes over HTTP at 10,000 and 100,000 chunks, alone and during ingestion, and how much of it is not the engine.

Filling takes minutes, measuring does not: `--data FOLDER --fill` on a busy machine, then `--data FOLDER` on a quiet one.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import sqlite3
import subprocess
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import qdrant_edge as edge

from bench import machine
from bench.app import App, parts, serving
from bench.grow import grow
from bench.texts import even_folder, questions
from semantik.engines.embedding import bm25
from semantik.engines.embedding.local import open_local
from semantik.engines.vectors import edge_shard
from semantik.engines.vectors.base import Corpus, Filters, Point, Query, Space
from semantik.engines.vectors.edge import EdgeStore
from semantik.features.search.service import _DEPTH
from semantik.kit.ids import TenantId

COLUMNS = ["chunks", "what", "searches", "p50 ms", "p95 ms", "p99 ms", "mean ms", "CPU ms"]
EMBEDDING = "query embedding alone"
RAW = "raw engine alone: both sides, a hundred hits each, in the calling process"
STORE = "vector store alone: the same in its process, with moments and cross scores"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--sizes", type=int, nargs="*", default=[10_000, 100_000])
    arguments.add_argument("--searches", type=int, default=300)
    arguments.add_argument("--data", type=Path, help="keeps the filled data folders here, and uses those that are there")
    arguments.add_argument("--fill", action="store_true", help="only fills the folders")
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="semantik-bench-") as scratch:
        folders = {size: (chosen.data or Path(scratch)) / f"chunks-{size}" for size in chosen.sizes}
        for size, folder in folders.items():
            if not (folder / "semantik.db").exists():
                _fill(folder, size)
        for folder in folders.values():
            _settle(folder)
        if chosen.fill:
            return
        before = machine.describe()
        rows: list[list[object]] = []
        ratios: dict[int, float] = {}
        even_folder(Path(scratch) / "more", 400, words=900)
        for size, folder in folders.items():
            ratios[size] = _measure(folder, Path(scratch), size, chosen.searches, rows)
    told = "chunks: HTTP p50 over (raw engine + query embedding) p50 ="
    notes = [f"{size:,} {told} {ratio:.2f} (target: 2)" for size, ratio in ratios.items()]
    machine.report("latency", "search over HTTP, one at a time, hybrid, ten hits, each query new", COLUMNS, rows, notes=notes)
    machine.keep("latency", {"columns": COLUMNS, "rows": rows, "ratios": ratios}, before)


def _fill(folder: Path, size: int) -> None:
    """A data folder with one collection of that many chunks."""
    with tempfile.TemporaryDirectory(prefix="semantik-bench-") as scratch:
        even_folder(Path(scratch) / "seed", 20)
        with serving(folder) as app:
            app.ingest_folder(app.collection("grown"), Path(scratch) / "seed")
    grow(folder, size)


def _settle(folder: Path) -> None:
    """The index complete and as optimised as the server has it some minutes after; a version may find an older one's due for a rebuild."""
    with sqlite3.connect(folder / "semantik.db") as connection:
        # Most of the documents are in no folder: a check would find them gone and delete them.
        connection.execute("UPDATE sources SET check_every_s = NULL")
    connection.close()
    with serving(folder, timeout_s=600) as app:
        app.settle()
    asyncio.run(_optimized(folder))


async def _optimized(folder: Path) -> None:
    store = EdgeStore(folder / "index")
    try:
        for space in await store.spaces():
            await store.optimize(space)
    finally:
        await store.close()


def _measure(data: Path, scratch: Path, size: int, searches: int, rows: list[list[object]]) -> float:
    with serving(data, timeout_s=600) as app:
        app.settle()
        grown = next(one["id"] for one in app.call("GET", "/api/v1/collections")["items"] if one["name"] == "grown")
        for query in questions(20, seed=1):
            app.search(query, collections=[grown])
        used = sum(part.cpu_s for part in parts(app))
        alone = _searches(app, questions(searches, seed=size), grown)
        used = sum(part.cpu_s for part in parts(app)) - used
        rows.append(_row(size, "HTTP, alone", alone, used))
        collection = app.call("GET", f"/api/v1/collections/{grown}")
        other = app.collection(f"more {time.time_ns()}")
        ingesting = app.add_folder(other, scratch / "more")
        time.sleep(3)
        rows.append(_row(size, "HTTP, during ingestion", _searches(app, questions(searches, seed=size + 1), grown)))
        if app.call("GET", f"/api/v1/jobs/{ingesting}")["finished_at"] is not None:
            rows[-1][1] = "HTTP, during ingestion (which ended before)"
        rows.append(_row(size, "HTTP, four at a time, during ingestion", _parallel(app, questions(searches, seed=size + 2), grown)))
        # The folder may be kept: it should hold what it held.
        app.call("DELETE", f"/api/v1/collections/{other}")
        app.settle()
    found = asyncio.run(_raw(data, scratch, collection["id"], collection["generation"], questions(searches, seed=size + 3)))
    rows += [_row(size, what, seconds, used) for what, (seconds, used) in found.items()]
    both = sum(machine.percentiles(found[what][0])["p50"] for what in (EMBEDDING, RAW))
    return machine.percentiles(alone)["p50"] / both


def _searches(app: App, queries: Sequence[str], collection: str) -> list[float]:
    """Over one connection, by a client that adds next to nothing: httpx takes a millisecond of its own for a request."""
    connection = http.client.HTTPConnection(urlsplit(app.address).netloc)
    headers = {"Authorization": f"Bearer {app.token}", "Content-Type": "application/json"}
    taken = []
    for query in queries:
        body = json.dumps({"query": query, "collections": [collection]})
        started = time.perf_counter()
        connection.request("POST", "/api/v1/search", body, headers)
        answer = connection.getresponse()
        read = answer.read()
        taken.append(time.perf_counter() - started)
        if answer.status != 200:
            raise SystemExit(f"a search answered {answer.status}: {read[:500]!r}")
    connection.close()
    return taken


def _parallel(app: App, queries: Sequence[str], collection: str, clients: int = 4) -> list[float]:
    taken: list[list[float]] = [[] for _ in range(clients)]

    def work(place: int) -> None:
        taken[place] = _searches(app, queries[place::clients], collection)

    threads = [threading.Thread(target=work, args=(place,)) for place in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [seconds for some in taken for seconds in some]


async def _raw(data: Path, scratch: Path, collection: str, generation: int, queries: Sequence[str]) -> dict[str, tuple[list[float], float]]:
    """The same queries straight through the encoder, the store, and the bare engine on a copy of its files."""
    found: dict[str, list[float]] = {EMBEDDING: [], RAW: [], STORE: []}
    cpu = dict.fromkeys(found, 0.0)
    encoder = await open_local("multilingual-e5-small", models_dir=data / "models")
    store = EdgeStore(data / "index")
    try:
        space = Space.of_model(encoder.spec.key, encoder.spec.dimensions)
        (tenant,) = {str(point.payload["tenant"]) async for batch in _first(store, space) for point in batch}
        corpus = Corpus(TenantId(tenant), ((collection, generation),))
        asked = []
        for query in ["warm up", *queries]:
            started, used = time.perf_counter(), time.process_time()
            vector = (await encoder.embed_queries([query]))[0]
            found[EMBEDDING].append(time.perf_counter() - started)
            cpu[EMBEDDING] += time.process_time() - used
            sparse, _ = bm25.query_vector(query, ["en"])
            started = time.perf_counter()
            await store.query(space, Query(corpus, Filters(), vector, sparse, _DEPTH))
            found[STORE].append(time.perf_counter() - started)
            asked.append((vector, sparse))
    finally:
        await store.close()
        await encoder.close()
    described = json.loads((data / "index" / space.key / "space.json").read_text())
    copy = scratch / f"engine-{time.time_ns()}"
    subprocess.run(["cp", "-r", "--sparse=auto", str(data / "index" / space.key / described["current"]), str(copy)], check=True)
    shard = edge.EdgeShard.load(str(copy), edge_shard.config(space.dimensions))
    within = edge.Filter(must=[edge.FieldCondition(key="tenant", match=edge.MatchValue(tenant))])
    for vector, sparse in asked:
        terms = edge.SparseVector(sparse.indices.tolist(), sparse.values.tolist())
        meaning = edge.QueryRequest(limit=_DEPTH, query=edge.Query.Nearest(vector.tolist(), using="dense"), filter=within)
        keywords = edge.QueryRequest(limit=_DEPTH, query=edge.Query.Nearest(terms, using="bm25"), filter=within)
        started, used = time.perf_counter(), time.process_time()
        shard.query(meaning)
        shard.query(keywords)
        found[RAW].append(time.perf_counter() - started)
        cpu[RAW] += time.process_time() - used
    shard.close()
    return {what: (seconds[1:], cpu[what]) for what, seconds in found.items()}


async def _first(store: EdgeStore, space: Space) -> AsyncIterator[Sequence[Point]]:
    async for batch in store.scan(space):
        yield batch
        return


def _row(size: int, what: str, seconds: Sequence[float], cpu_s: float = 0.0) -> list[object]:
    """`cpu_s`: of all searches together, as far as it can be told apart from other work."""
    found = machine.percentiles(seconds)
    times = (round(found[name], 2) for name in ("p50", "p95", "p99", "mean"))
    return [size, what, len(seconds), *times, round(cpu_s * 1000 / len(seconds), 2) if cpu_s else None]


if __name__ == "__main__":
    main()
