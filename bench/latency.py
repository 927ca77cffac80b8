"""How long a search takes over HTTP at 10,000 and 100,000 chunks, alone and during ingestion, and how much of it is not the engine."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from bench import machine
from bench.app import App, serving
from bench.grow import grow
from bench.texts import even_folder, questions
from semantik.engines.embedding import bm25
from semantik.engines.embedding.local import open_local
from semantik.engines.vectors.base import Corpus, Filters, Query, Space
from semantik.engines.vectors.edge import EdgeStore
from semantik.features.search.service import _DEPTH
from semantik.kit.ids import TenantId

COLUMNS = ["chunks", "what", "searches", "p50 ms", "p95 ms", "p99 ms", "mean ms"]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--sizes", type=int, nargs="*", default=[10_000, 100_000])
    arguments.add_argument("--searches", type=int, default=300)
    chosen = arguments.parse_args()
    before = machine.describe()
    rows: list[list[object]] = []
    ratios: dict[int, float] = {}
    with tempfile.TemporaryDirectory(prefix="semantik-bench-") as scratch:
        data = Path(scratch) / "data"
        even_folder(Path(scratch) / "seed", 20)
        even_folder(Path(scratch) / "more", 400, words=900)
        with serving(data) as app:
            app.ingest_folder(app.collection("grown"), Path(scratch) / "seed")
        for size in chosen.sizes:
            grow(data, size)
            ratios[size] = _measure(data, Path(scratch) / "more", size, chosen.searches, rows)
    notes = [f"{size:,} chunks: HTTP p50 over (engine + query embedding) p50 = {ratio:.2f} (target: 2)" for size, ratio in ratios.items()]
    machine.report("latency", "search over HTTP, one at a time, hybrid, ten hits, each query new", COLUMNS, rows, notes=notes)
    machine.keep("latency", {"columns": COLUMNS, "rows": rows, "ratios": ratios}, before)


def _measure(data: Path, more: Path, size: int, searches: int, rows: list[list[object]]) -> float:
    with serving(data, timeout_s=600) as app:
        _quiet(app)
        grown = next(one["id"] for one in app.call("GET", "/api/v1/collections")["items"] if one["name"] == "grown")
        app.search("warm up", collections=[grown])
        alone = _searches(app, questions(searches, seed=size), grown)
        rows.append(_row(size, "HTTP, alone", alone))
        other = app.collection(f"more {size}")
        ingesting = app.add_folder(other, more)
        time.sleep(3)
        rows.append(_row(size, "HTTP, during ingestion", _searches(app, questions(searches, seed=size + 1), grown)))
        if app.call("GET", f"/api/v1/jobs/{ingesting}")["finished_at"] is not None:
            rows[-1][1] = "HTTP, during ingestion (which ended before)"
        rows.append(_row(size, "HTTP, four at a time, during ingestion", _parallel(app, questions(searches, seed=size + 2), grown)))
        if app.call("GET", f"/api/v1/jobs/{ingesting}")["finished_at"] is None:
            app.call("POST", f"/api/v1/jobs/{ingesting}/cancel")
        collection = app.call("GET", f"/api/v1/collections/{grown}")
    embedding, engine = asyncio.run(_raw(data, collection["id"], collection["generation"], questions(searches, seed=size + 3)))
    rows.append(_row(size, "query embedding alone", embedding))
    rows.append(_row(size, "raw engine call alone", engine))
    both = machine.percentiles(embedding)["p50"] + machine.percentiles(engine)["p50"]
    return machine.percentiles(alone)["p50"] / both


def _quiet(app: App, timeout_s: float = 900) -> None:
    """Waits for the rebuild of the index that the grown rows ask for."""
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        if all(job["finished_at"] is not None for job in app.call("GET", "/api/v1/jobs?limit=50")["items"]):
            time.sleep(5)
            return
        time.sleep(0.5)
    raise SystemExit("the index was not rebuilt in time")


def _searches(app: App, queries: Sequence[str], collection: str) -> list[float]:
    taken = []
    for query in queries:
        started = time.perf_counter()
        app.search(query, collections=[collection])
        taken.append(time.perf_counter() - started)
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


async def _raw(data: Path, collection: str, generation: int, queries: Sequence[str]) -> tuple[list[float], list[float]]:
    """The same queries straight through the encoder and the store: what no server can be faster than."""
    encoder = await open_local("multilingual-e5-small", models_dir=data / "models")
    store = EdgeStore(data / "index")
    embedding, engine = [], []
    try:
        space = Space(key=f"{encoder.spec.key}-{encoder.spec.dimensions}", dimensions=encoder.spec.dimensions)
        await store.ensure(space)
        (tenant,) = {str(point.payload["tenant"]) async for batch in _first(store, space) for point in batch}
        corpus = Corpus(TenantId(tenant), ((collection, generation),))
        for query in ["warm up", *queries]:
            started = time.perf_counter()
            vector = (await encoder.embed_queries([query]))[0]
            embedded = time.perf_counter()
            sparse, _ = bm25.query_vector(query, ["en"])
            asked = time.perf_counter()
            await store.query(space, Query(corpus, Filters(), vector, sparse, _DEPTH))
            engine.append(time.perf_counter() - asked)
            embedding.append(embedded - started)
    finally:
        await store.close()
        await encoder.close()
    return embedding[1:], engine[1:]


async def _first(store: EdgeStore, space: Space):  # type: ignore[no-untyped-def]  # an async generator over the port's own batches
    async for batch in store.scan(space):
        yield batch
        return


def _row(size: int, what: str, seconds: Sequence[float]) -> list[object]:
    found = machine.percentiles(seconds)
    return [size, what, len(seconds), *(round(found[name], 2) for name in ("p50", "p95", "p99", "mean"))]


if __name__ == "__main__":
    main()
