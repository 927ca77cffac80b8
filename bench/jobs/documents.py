"""A hundred small documents: what people write by hand, one after the other, against jobs; with a model that answers over a network.

The naive executor is one asyncio process that takes one job at a time: it reads and cuts the document, calls the model for it, stores
points and a row, and goes on. The provider is the test suite's own HTTP server, which embeds by hash and answers after a set time, so
that what is compared is waiting and bookkeeping, not a model.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import threading
import time
import uuid
from pathlib import Path

import httpx2
import numpy as np

from bench.app import App, serving
from bench.texts import small_folder
from tests.crash.provider import Provider

COLUMNS = ["how", "documents", "jobs", "calls of the model", "seconds", "documents/s", "times the naive one"]
_CLIENTS = 8


def measure(*, documents: int, delay_s: float) -> list[list[object]]:
    with tempfile.TemporaryDirectory(prefix="semantik-bench-") as scratch:
        folder = Path(scratch) / "files"
        small_folder(folder, documents)
        files = sorted(path for path in folder.rglob("*.txt"))
        rows = [_naive(files, delay_s, Path(scratch))]
        slow = float(str(rows[0][4]))
        for how, work in (("each an upload and a job of its own", _uploads), ("one folder, one job", _folder)):
            with Provider(delay_s) as provider:
                data = Path(scratch) / how[:3]
                with serving(data, embedding_model="remote:bench", remote_embedding_url=provider.url, ocr="false") as app:
                    collection = app.collection("bench")
                    before, started = provider.requests, time.perf_counter()
                    jobs = work(app, collection, files, folder)
                    seconds = time.perf_counter() - started
                    ledger = app.call("GET", f"/api/v1/collections/{collection}")["ledger"]
                    calls = provider.requests - before
            assert ledger["indexed"] == documents, ledger
            rows.append([how, documents, jobs, calls, round(seconds, 2), round(documents / seconds, 1), round(slow / seconds, 2)])
    return rows


def _naive(files: list[Path], delay_s: float, scratch: Path) -> list[object]:
    with Provider(delay_s) as provider:
        started = time.perf_counter()
        asyncio.run(_one_by_one(files, provider.url, scratch))
        seconds = time.perf_counter() - started
        return [
            "naive: one process, one at a time",
            len(files),
            len(files),
            provider.requests,
            round(seconds, 2),
            round(len(files) / seconds, 1),
            1.0,
        ]


async def _one_by_one(files: list[Path], url: str, scratch: Path) -> None:
    database = sqlite3.connect(scratch / "naive.db")
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE chunks (id TEXT PRIMARY KEY, path TEXT, text TEXT, vector BLOB)")
    async with httpx2.AsyncClient(timeout=60) as client:
        for path in files:
            chunks = _cut(path.read_text(encoding="utf-8"))
            answer = await client.post(f"{url}/embeddings", json={"model": "bench", "input": chunks})
            vectors = [np.asarray(row["embedding"], dtype=np.float32).tobytes() for row in answer.json()["data"]]
            rows = [(str(uuid.uuid4()), str(path), chunk, vector) for chunk, vector in zip(chunks, vectors, strict=True)]
            database.executemany("INSERT INTO chunks VALUES (?, ?, ?, ?)", rows)
            database.commit()
    database.close()


def _cut(text: str, words: int = 200) -> list[str]:
    found = text.split()
    return [" ".join(found[start : start + words]) for start in range(0, len(found), words)]


def _uploads(app: App, collection: str, files: list[Path], _: Path) -> int:
    """Eight clients, each with one request a document."""
    asked: list[str] = []

    def send(place: int) -> None:
        with httpx2.Client(base_url=app.address, headers={"Authorization": f"Bearer {app.token}"}, timeout=120, trust_env=False) as http:
            for path in files[place::_CLIENTS]:
                answer = http.post(f"/api/v1/collections/{collection}/uploads", files=[("files", (path.name, path.read_bytes()))])
                if answer.status_code >= 400:
                    raise SystemExit(f"upload answered {answer.status_code}: {answer.text[:300]}")
                asked.append(answer.json()["job_id"])

    threads = [threading.Thread(target=send, args=(place,)) for place in range(_CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for job_id in set(asked):
        app.wait(job_id)
    return len(set(asked))


def _folder(app: App, collection: str, _: list[Path], folder: Path) -> int:
    app.ingest_folder(collection, folder)
    return 1
