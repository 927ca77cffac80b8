"""What a document, a chunk, a query, a job and an idle worker cost on a server: CPU by process, bytes by table, memory.

The base of docs/capacity.md. CPU is what processes used, so other work on the machine changes it by a fifth, not by its load.
Bytes of a chunk in the index come from the embedded engine, which keeps points as Qdrant does; the stand-in for Qdrant is left out.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import psutil
import sqlalchemy as sa

from bench import machine
from bench.app import App, parts, serving
from bench.grow import grow
from bench.server import served
from bench.texts import even_folder, questions, small_folder
from tests.flows import several

_TABLES = ("documents", "chunks", "embeddings", "jobs", "job_events", "job_attempts", "job_items")


@dataclass(frozen=True, slots=True)
class Reading:
    """CPU seconds by kind of process, bytes of tables with their indexes, bytes of files."""

    cpu: Mapping[str, float]
    tables: Mapping[str, int]
    rows: Mapping[str, int]
    blobs: int
    at: float


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--documents", type=int, default=40, help="text files of 1,200 words")
    arguments.add_argument("--searches", type=int, default=100)
    arguments.add_argument("--jobs", type=int, default=40, help="syncs of a source in which nothing changed")
    arguments.add_argument("--idle", type=float, default=20, help="seconds of watching processes that have nothing to do")
    arguments.add_argument("--points", type=int, default=10_000, help="chunks of the index whose bytes are counted")
    arguments.add_argument("--model", default="multilingual-e5-small")
    chosen = arguments.parse_args()
    before = machine.describe()
    with tempfile.TemporaryDirectory(prefix="semantik-bench-") as scratch:
        results = _server(Path(scratch), chosen)
        results["index"] = _index(Path(scratch), chosen.points, chosen.model) if chosen.points else []
    machine.keep("capacity", results, before)


def _server(folder: Path, chosen: argparse.Namespace) -> dict[str, Any]:
    even_folder(folder / "texts", chosen.documents)
    small_folder(folder / "notes", 20)
    with served(folder / "server", model=chosen.model, workers=2) as (site, addresses, token):
        http = several.client(addresses[0], token)
        empty = _read(site)
        _ingest(http, folder / "notes", "Notes")
        # The first job opens the model, and PostgreSQL plans what it will keep.
        start = _read(site)
        source = _ingest(http, folder / "texts", "Texts")
        ingested = _read(site)
        for query in questions(10, seed=3):
            _call(http, "POST", "/api/v1/search", json={"query": query})
        warm = _read(site)
        for query in questions(chosen.searches, seed=4):
            _call(http, "POST", "/api/v1/search", json={"query": query, "limit": 10})
        searched = _read(site)
        for _ in range(chosen.jobs):
            _ended(http, _call(http, "POST", f"/api/v1/sources/{source}/sync")["job_id"])
        synced = _read(site)
        time.sleep(chosen.idle)
        idle = _read(site)
        memory = _memory(site)
    documents, chunks = (ingested.rows[name] - start.rows[name] for name in ("documents", "chunks"))
    rows = [
        _row(f"a document of {chunks / documents:.1f} chunks", start, ingested, documents),
        _row("a chunk (of these)", start, ingested, chunks),
        _row("a query, hybrid, ten hits", warm, searched, chosen.searches),
        _row("a job: a sync that finds nothing new", searched, synced, chosen.jobs),
        _row("a second without work, of an API and two workers", synced, idle, round(idle.at - synced.at)),
    ]
    columns = ["what", "API ms", "workers ms", "PostgreSQL ms", "Redis ms"]
    machine.report("capacity", f"CPU milliseconds, encoder {chosen.model}", columns, rows)
    sizes: list[list[object]] = []
    for name, per in {"documents": documents, "chunks": chunks, "embeddings": chunks}.items():
        sizes.append([f"{name}: a row", (ingested.tables[name] - start.tables[name]) / per])
    for name in ("jobs", "job_events", "job_attempts", "job_items"):
        sizes.append([f"{name}: of one job", (synced.tables[name] - searched.tables[name]) / chosen.jobs])
    sizes.append(["originals and texts: of a document", (ingested.blobs - start.blobs) / documents])
    machine.report(
        "capacity", "bytes, with indexes", ["what", "bytes"], sizes, notes=[f"an empty database holds {sum(empty.tables.values()):,}"]
    )
    machine.report("capacity", "memory after that, PSS", ["process", "MiB"], memory)
    return {"cpu": rows, "bytes": sizes, "memory": memory}


def _row(what: str, before: Reading, after: Reading, count: int) -> list[object]:
    return [what, *(1000 * (after.cpu[kind] - before.cpu[kind]) / count for kind in ("serve", "worker", "postgres", "redis"))]


def _call(http: httpx2.Client, method: str, path: str, **options: Any) -> Any:
    answer = http.request(method, path, **options)
    assert answer.status_code < 400, answer.text
    return answer.json()


def _ended(http: httpx2.Client, job_id: str) -> dict[str, Any]:
    """The job once it has ended. Each look is work of the API that is measured, so there are few."""
    while True:
        time.sleep(0.5)
        job: dict[str, Any] = _call(http, "GET", f"/api/v1/jobs/{job_id}")
        if job["finished_at"] is not None:
            return job


def _ingest(http: httpx2.Client, folder: Path, name: str) -> str:
    """The id of the source."""
    # Equal chunks, so that the figures can be compared with those of other models and pipelines.
    chunking = {"strategy": "tokens", "max_tokens": 200, "overlap_tokens": 0}
    collection = _call(http, "POST", "/api/v1/collections", json={"name": name, "chunking": chunking})["id"]
    body = {"kind": "directory", "settings": {"path": str(folder)}}
    source = _call(http, "POST", f"/api/v1/collections/{collection}/sources", json=body)
    job = _ended(http, source["last_job_id"])
    assert job["outcome"] == "ok", job
    return str(source["id"])


def _read(site: several.Site) -> Reading:
    engine = sa.create_engine(site.environment["SEMANTIK_DATABASE_URL"], poolclass=sa.NullPool)
    sizes, rows = {}, {}
    with engine.connect() as connection:
        for table in _TABLES:
            # Partitions are tables of their own; a table without any is no tree.
            of = "SELECT coalesce(sum(pg_total_relation_size(relid)), pg_total_relation_size(:name)) FROM pg_partition_tree(:name)"
            sizes[table] = int(connection.execute(sa.text(of), {"name": table}).scalar_one())
            rows[table] = int(connection.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar_one())
    engine.dispose()
    blobs = Path(site.environment["SEMANTIK_DATA_DIR"], "blobs")
    size = sum(file.stat().st_size for file in blobs.rglob("*") if file.is_file()) if blobs.exists() else 0
    return Reading(_cpu(site), sizes, rows, size, time.monotonic())


def _roots(site: several.Site) -> dict[str, list[psutil.Process]]:
    found: dict[str, list[psutil.Process]] = {"serve": [], "worker": [], "postgres": [], "redis": []}
    for process in site.started:
        found[str(process.popen.args[3])].append(psutil.Process(process.popen.pid))  # type: ignore[index]
    for child in psutil.Process().children():
        name = child.name()
        if name.startswith("postgres"):
            found["postgres"].append(child)
        elif name.startswith("redis-server"):
            found["redis"].append(child)
    return found


def _cpu(site: several.Site) -> dict[str, float]:
    used = {}
    for kind, roots in _roots(site).items():
        times = [one.cpu_times() for root in roots for one in (root, *root.children(recursive=True))]
        used[kind] = sum(one.user + one.system + one.children_user + one.children_system for one in times)
    return used


def _memory(site: several.Site) -> list[list[object]]:
    found = []
    for kind, roots in _roots(site).items():
        shares = [sum(one.memory_full_info().pss for one in (root, *root.children(recursive=True))) for root in roots]
        found.append([f"{kind} ({len(roots)})", sum(shares) / len(shares) / 1024**2])
    return found


def _index(folder: Path, points: int, model: str) -> list[list[object]]:
    """Bytes on disk and in memory of an index of so many chunks, and of the embedded database beside it."""
    data = folder / "embedded"
    even_folder(folder / "seed", 4)
    with serving(data, embedding_model=model) as app:
        app.ingest_folder(app.collection("grown"), folder / "seed")
        app.search("something")
        small = _index_memory(app)
    grow(data, points)
    with serving(data, embedding_model=model, timeout_s=600) as app:
        while app.search("something", limit=1)["notes"]:
            time.sleep(1)
        app.search("something else")
        time.sleep(5)
        memory = _index_memory(app) - small
    size = sum(file.stat().st_blocks * 512 for file in (data / "index").rglob("*") if file.is_file())
    database = (data / "semantik.db").stat().st_size
    rows: list[list[object]] = [
        ["index on disk: a chunk", size / points],
        ["index in memory, mapped files included: a chunk", memory * 1024**2 / points],
        ["SQLite: a chunk with its vector and its share of a document", database / points],
    ]
    machine.report("capacity", f"bytes at {points:,} chunks, embedded", ["what", "bytes"], rows)
    return rows


def _index_memory(app: App) -> float:
    return next(part.pss_mib for part in parts(app) if part.name == "vector index")


if __name__ == "__main__":
    main()
