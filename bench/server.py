"""What a server of several processes costs and gives beside one embedded process, on the same cores and disk.

    ingest   the same files into one process, and into an API with a worker
    search   the same questions to both
    writes   as many writes as sixteen clients get through, on SQLite and on PostgreSQL; and chunks by eight writers
    users    fifty users who read and write through two API replicas on PostgreSQL, with a pause between two requests

PostgreSQL and SQLite keep what they acknowledge (fsync). There is no Qdrant server on the machines that measure: its place is
taken by the client's own local mode behind HTTP, which is slower than Qdrant; so figures of `search` and `ingest` on a server are
upper bounds. SEMANTIK_TEST_QDRANT_URL names a real one.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import psutil

from bench import machine
from bench.app import App, parts, serving
from bench.jobs.places import databases, tenant
from bench.texts import prose, questions, small_folder
from semantik import migrations
from semantik.features.collections import repository as collections
from semantik.features.ingestion import repository as ingestion
from semantik.kit.clock import now
from semantik.kit.database import Database, open_database
from semantik.kit.ids import new_id
from tests import services
from tests.conftest import administer
from tests.flows import several

PARTS = ("ingest", "search", "writes", "users")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("parts", nargs="*", metavar="PART", help=f"among {', '.join(PARTS)}; all by default")
    arguments.add_argument("--files", type=int, default=200, help="small files to ingest")
    arguments.add_argument("--model", default="hashing", help="encoder; hashing shows what is not the encoder")
    arguments.add_argument("--searches", type=int, default=200)
    arguments.add_argument("--seconds", type=float, default=12, help="length of each turn of writing")
    arguments.add_argument("--users", type=int, default=50)
    arguments.add_argument("--pause", type=float, default=1.0, help="mean seconds between two requests of a user")
    arguments.add_argument("--load-seconds", type=float, default=45)
    chosen = arguments.parse_args()
    wanted = chosen.parts or PARTS
    before = machine.describe()
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="semantik-bench-") as scratch:
        folder = Path(scratch)
        if "ingest" in wanted or "search" in wanted:
            small_folder(folder / "notes", chosen.files)
            results["ingest"] = _ingest_and_search(folder, chosen.model, chosen.searches if "search" in wanted else 0)
        if "writes" in wanted:
            results["writes"] = _writes(folder, chosen.seconds)
        if "users" in wanted:
            results["users"] = _users(folder, chosen.users, chosen.pause, chosen.load_seconds)
    machine.keep("server", results, before)


@contextmanager
def served(folder: Path, *, model: str, replicas: int = 1, workers: int = 1) -> Iterator[tuple[several.Site, list[str], str]]:
    """A server of several processes; its site, the addresses of its replicas, and a token."""
    folder.mkdir()
    with ExitStack() as stack:
        database = stack.enter_context(services.postgres(durable=True, buffers="512MB"))
        administer(database, "CREATE DATABASE bench")
        migrations.upgrade(database.url("bench"))
        site = stack.enter_context(
            several.site(
                folder,
                SEMANTIK_DATABASE_URL=database.url("bench"),
                SEMANTIK_REDIS_URL=stack.enter_context(services.redis()),
                SEMANTIK_QDRANT_URL=os.environ.get("SEMANTIK_TEST_QDRANT_URL") or stack.enter_context(services.qdrant()),
                SEMANTIK_EMBEDDING_MODEL=model,
                SEMANTIK_LOG_LEVEL="error",
                SEMANTIK_JOB_LEASE_TTL_S="30",
            )
        )
        # One after the other: of their set-up tokens the last one counts.
        apis = [site.api() for _ in range(replicas)]
        for _ in range(workers):
            site.start("worker", "--concurrency", "1")
        client = several.set_up(*apis[-1])
        several.wait_for(lambda: client.get("/api/v1/workers").json()["items"] or None, lambda: "no worker came", 60)
        yield site, [address for _, address in apis], client.headers["Authorization"].removeprefix("Bearer ")


# Ingestion and search


@dataclass(slots=True)
class Place:
    name: str
    http: httpx2.Client
    cpu_s: Callable[[], float]

    def call(self, method: str, path: str, **options: Any) -> Any:
        answer = self.http.request(method, path, **options)
        assert answer.status_code < 400, answer.text
        return answer.json()


def _ingest_and_search(folder: Path, model: str, searches: int) -> list[dict[str, Any]]:
    found = []
    with serving(folder / "embedded", embedding_model=model, ocr="false") as app:
        found.append(_walk(Place("one process, SQLite, embedded index", app.http, lambda: _embedded_cpu(app)), folder / "notes", searches))
    with served(folder / "server", model=model) as (site, addresses, token):
        place = Place("API and worker, PostgreSQL, Redis, stand-in for Qdrant", several.client(addresses[0], token), lambda: _cpu(site))
        found.append(_walk(place, folder / "notes", searches))
    columns = ["where", "files", "s", "files/s", "CPU ms a file"]
    rows = [[one["where"], one["files"], one["seconds"], one["files_per_s"], one["cpu_ms"]] for one in found]
    machine.report("server", f"small files to searchable, encoder {model}", columns, rows)
    if searches:
        columns = ["where", "at a time", "searches/s", "p50 ms", "p95 ms", "CPU ms a search"]
        rows = [[one["where"], *turn] for one in found for turn in one["searches"]]
        machine.report("server", "hybrid searches over HTTP, ten hits, each question new", columns, rows)
    return found


def _walk(place: Place, notes: Path, searches: int) -> dict[str, Any]:
    collection = place.call("POST", "/api/v1/collections", json={"name": "Notes"})["id"]
    began, used = time.perf_counter(), place.cpu_s()
    source = place.call("POST", f"/api/v1/collections/{collection}/sources", json={"kind": "directory", "settings": {"path": str(notes)}})
    job = several.ended(place.http, source["last_job_id"], 600)
    seconds, used = time.perf_counter() - began, place.cpu_s() - used
    assert job["outcome"] == "ok", job
    files = int(job["counts"]["done"])
    turns = []
    for number, at_once in enumerate((1, 4) if searches else ()):
        for query in questions(10, seed=90 + number):
            place.call("POST", "/api/v1/search", json={"query": query})
        asked = questions(searches, seed=number)
        start, cpu = time.perf_counter(), place.cpu_s()
        with ThreadPoolExecutor(at_once) as pool:
            taken = list(pool.map(lambda query: _timed(place, query), asked))
        lasted, cpu = time.perf_counter() - start, place.cpu_s() - cpu
        shares = machine.percentiles(taken)
        turns.append((at_once, searches / lasted, shares["p50"], shares["p95"], 1000 * cpu / searches))
    found = {"where": place.name, "files": files, "seconds": seconds, "files_per_s": files / seconds}
    return found | {"cpu_ms": 1000 * used / files, "searches": turns}


def _timed(place: Place, query: str) -> float:
    began = time.perf_counter()
    place.call("POST", "/api/v1/search", json={"query": query, "limit": 10})
    return time.perf_counter() - began


def _embedded_cpu(app: App) -> float:
    return sum(part.cpu_s for part in parts(app))


def _cpu(site: several.Site) -> float:
    """CPU seconds of Semantik's processes: neither PostgreSQL nor Redis nor the stand-in."""
    total = 0.0
    for process in site.started:
        root = psutil.Process(process.popen.pid)
        for one in (root, *root.children(recursive=True)):
            times = one.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


# Writes


def _writes(folder: Path, seconds: float) -> dict[str, Any]:
    """Sixteen clients of one process; then the statements of a publisher, eight at once."""
    asked: dict[str, list[float]] = {}
    with services.postgres(durable=True, buffers="512MB") as server:
        administer(server, "CREATE DATABASE writes")
        migrations.upgrade(server.url("writes"))
        for name in ("SQLite", "PostgreSQL"):
            url = server.url("writes") if name == "PostgreSQL" else ""
            with serving(folder / f"writes-{name}", embedding_model="hashing", database_url=url) as app:
                asked[name] = asyncio.run(_write_through(app.address, app.token, clients=16, seconds=seconds))
    bulk: dict[str, float] = {}
    with databases() as urls:
        for name, url in urls.items():
            bulk[name] = asyncio.run(_write_chunks(url, writers=8, seconds=seconds))
    rows = [
        [name, len(taken) / seconds, *(machine.percentiles(taken)[share] for share in ("p50", "p95", "p99")), bulk[name]]
        for name, taken in asked.items()
    ]
    columns = ["database", "requests/s, 16 clients", "p50 ms", "p95 ms", "p99 ms", "chunks/s, 8 writers"]
    ratio = f"PostgreSQL over SQLite: {rows[1][1] / rows[0][1]:.2f} requests, {rows[1][5] / rows[0][5]:.2f} chunks"  # type: ignore[operator]
    machine.report("server", "concurrent writes: collections made and renamed by HTTP; groups of 512 chunks", columns, rows, notes=[ratio])
    return {"columns": columns, "rows": rows}


async def _write_through(address: str, token: str, *, clients: int, seconds: float) -> list[float]:
    taken: list[float] = []
    until = time.monotonic() + seconds

    async def one(http: httpx2.AsyncClient) -> None:
        while time.monotonic() < until:
            began = time.perf_counter()
            made = await http.post("/api/v1/collections", json={"name": new_id()})
            assert made.status_code == 201, made.text
            taken.append(time.perf_counter() - began)
            began = time.perf_counter()
            changed = await http.patch(f"/api/v1/collections/{made.json()['id']}", json={"description": "changed"})
            assert changed.status_code == 200, changed.text
            taken.append(time.perf_counter() - began)

    async with httpx2.AsyncClient(base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=60, trust_env=False) as http:
        await asyncio.gather(*(one(http) for _ in range(clients)))
    return taken


async def _write_chunks(url: str, *, writers: int, seconds: float) -> float:
    """Chunks a second that as many publishers store, a transaction for each group of 512."""
    database = open_database(url)
    until = time.monotonic() + seconds
    count = 0

    async def one(number: int) -> None:
        nonlocal count
        actor = await tenant(database, f"writer {number}")
        collection = await _a_collection(database, actor)
        text = prose(150, number)
        ordinal = 0
        while time.monotonic() < until:
            rows = [
                {
                    "id": new_id(), "tenant_id": actor.tenant_id, "collection_id": collection, "document_id": collection, "version": 1,
                    "generation": 1, "ordinal": ordinal + place, "text": text, "start": 0, "end": len(text), "tokens": 200, "page": 1,
                    "heading_path": ["One", "Two"], "position": {"page": 1}, "language": "en", "embedding_hash": new_id(),
                }
                for place in range(512)
            ]  # fmt: skip
            async with database.write(actor.tenant_id) as session:
                await ingestion.store_chunks(session, rows)
                await session.commit()
            ordinal += 512
            count += 512

    began = time.perf_counter()
    await asyncio.gather(*(one(number) for number in range(writers)))
    lasted = time.perf_counter() - began
    await database.close()
    return count / lasted


async def _a_collection(database: Database, actor: Any) -> str:
    """A collection with one document of the same id."""
    made, at = new_id(), now()
    values = {"id": made, "tenant_id": actor.tenant_id, "name": made, "embedding_model": "hashing", "chunking": {}, "generation": 1}
    document = {
        "id": made, "tenant_id": actor.tenant_id, "collection_id": made, "path": "x", "path_hash": made, "name": "x",
        "state": "pending", "warnings": [], "version": 0, "tags": [], "metadata": {}, "created_at": at, "updated_at": at,
    }  # fmt: skip
    async with database.write(actor.tenant_id) as session:
        await collections.insert(session, {**values, "created_at": at, "updated_at": at}, space="s")
        source = await ingestion.upload_source(session, actor, made)
        await ingestion.add_documents(session, [{**document, "source_id": source}])
        await session.commit()
    return made


# Users


def _users(folder: Path, users: int, pause_s: float, seconds: float) -> dict[str, Any]:
    """Users who wait for each answer and then think. Half of them speak to each replica; a worker reads what they upload."""
    small_folder(folder / "users-notes", 60)
    with served(folder / "users", model="hashing", replicas=2) as (site, addresses, token):
        http = several.client(addresses[0], token)
        collection = http.post("/api/v1/collections", json={"name": "Shared"}).json()["id"]
        body = {"kind": "directory", "settings": {"path": str(folder / "users-notes")}}
        several.ended(http, http.post(f"/api/v1/collections/{collection}/sources", json=body).json()["last_job_id"], 300)
        used = _cpu(site)
        taken, errors = asyncio.run(_load(addresses, token, collection, users, pause_s, seconds))
        used = _cpu(site) - used
    rows: list[list[object]] = []
    every = [one for times in taken.values() for one in times]
    for name, times in [*sorted(taken.items()), ("all", every)]:
        shares = machine.percentiles(times)
        rows.append([name, len(times), shares["mean"], shares["p50"], shares["p95"], shares["p99"]])
    notes = [
        f"{len(every) / seconds:.0f} requests/s, {1000 * used / len(every):.1f} ms of Semantik's CPU each",
        f"{len(errors)} errors {sorted(set(errors))[:3]}",
        "the target: mean below 100 ms, no error",
    ]
    columns = ["request", "count", "mean ms", "p50 ms", "p95 ms", "p99 ms"]
    title = f"{users} users, a request each {pause_s:.1f} s on average, two API replicas and a worker on PostgreSQL"
    machine.report("server", title, columns, rows, notes=notes)
    return {"columns": columns, "rows": rows, "errors": errors, "notes": notes}


async def _load(
    addresses: Sequence[str], token: str, collection: str, users: int, pause_s: float, seconds: float
) -> tuple[dict[str, list[float]], list[str]]:
    taken: dict[str, list[float]] = defaultdict(list)
    errors: list[str] = []
    until = time.monotonic() + seconds

    async def user(number: int, http: httpx2.AsyncClient) -> None:
        chance = random.Random(number)
        mine = (await http.post("/api/v1/collections", json={"name": f"User {number}"})).json()["id"]
        page = (await http.get("/api/v1/documents", params={"collection": collection, "limit": 50})).json()["items"]
        asked = questions(200, seed=number)
        await asyncio.sleep(chance.random() * pause_s)

        def upload() -> Any:
            files = [("files", (f"{new_id()}.txt", f"Note of {number}: {asked.pop()}".encode()))]
            return http.post(f"/api/v1/collections/{mine}/uploads", files=files)

        kinds: dict[str, tuple[int, Callable[[], Any]]] = {
            "read: list collections": (14, lambda: http.get("/api/v1/collections")),
            "read: a collection": (14, lambda: http.get(f"/api/v1/collections/{collection}")),
            "read: list documents": (14, lambda: http.get("/api/v1/documents", params={"collection": collection, "limit": 20})),
            "read: a document": (14, lambda: http.get(f"/api/v1/documents/{chance.choice(page)['id']}")),
            "read: list jobs": (10, lambda: http.get("/api/v1/jobs")),
            "read: search": (6, lambda: http.post("/api/v1/search", json={"query": asked.pop(), "collections": [collection]})),
            "write: make a collection": (12, lambda: http.post("/api/v1/collections", json={"name": new_id()})),
            "write: change a collection": (14, lambda: http.patch(f"/api/v1/collections/{mine}", json={"description": asked.pop()})),
            "write: upload": (2, upload),
        }
        names, weights = list(kinds), [weight for weight, _ in kinds.values()]
        while time.monotonic() < until:
            (name,) = chance.choices(names, weights)
            began = time.perf_counter()
            try:
                answer = await kinds[name][1]()
                if answer.status_code >= 400:
                    errors.append(f"{name}: {answer.status_code} {answer.text[:200]}")
            except httpx2.TransportError as error:
                errors.append(f"{name}: {type(error).__name__}")
            taken[name].append(time.perf_counter() - began)
            await asyncio.sleep(chance.expovariate(1 / pause_s))

    headers = {"Authorization": f"Bearer {token}"}
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
    clients = [httpx2.AsyncClient(base_url=one, headers=headers, timeout=60, trust_env=False, limits=limits) for one in addresses]
    try:
        await asyncio.gather(*(user(number, clients[number % len(clients)]) for number in range(users)))
    finally:
        for client in clients:
            await client.aclose()
    return taken, errors


if __name__ == "__main__":
    main()
