"""How fast files become searchable, by stage, against the embedder's own ceiling and against other pipelines on the same files and cores.

`--even N`: N text files of even length; `--mixed`: real files. `--peers` adds sentence-transformers with the same model and with one of
MiniLM's shape, Chroma and txtai, from a throw-away environment. Each pair runs right after the other, so ratios share the machine's load.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import machine
from bench.app import App, Watch, parts, serving
from bench.texts import even_folder, mixed_folder
from semantik.engines.embedding.local import open_local
from semantik.kit.concurrency import cpu_count

COLUMNS = ["files", "pipeline", "seconds", "documents", "chunks", "docs/s", "chunks/s", "MB/s", "CPU s", "CPU ms/chunk", "peak MiB"]
PEERS = {
    "sentence-transformers": "sentence-transformers, same model, all texts in one call",
    "by-document": "sentence-transformers, same model, document by document",
    "minilm": "sentence-transformers, model of MiniLM's size, all texts in one call",
    "chroma": "Chroma (sentence-transformers, same model)",
    "txtai": "txtai (sentence-transformers, same model)",
}
# The peers fill 200 tokens whatever the text; on even files so do we, that chunks be equal. Real files are cut as by default.
CHUNKING = {
    "even": {"strategy": "tokens", "max_tokens": 200, "overlap_tokens": 0},
    "mixed": {"strategy": "recursive", "max_tokens": 200, "overlap_tokens": 0},
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--even", type=int, default=60, metavar="N", help="text files of 1,200 words; 0 leaves them out")
    arguments.add_argument("--reports", type=int, default=2, metavar="N", help="annual reports among the mixed files")
    arguments.add_argument("--no-mixed", action="store_true")
    arguments.add_argument("--peers", nargs="*", default=[], choices=[*PEERS])
    chosen = arguments.parse_args()
    before = machine.describe()
    rows: list[list[object]] = []
    stages: dict[str, dict[str, float]] = {}
    notes: list[str] = []
    with tempfile.TemporaryDirectory(prefix="semantik-bench-") as scratch:
        if chosen.even:
            folder = Path(scratch) / "even"
            even_folder(folder, chosen.even)
            _compare("even", folder, chosen.peers, rows, stages, notes)
        if not chosen.no_mixed:
            folder = Path(scratch) / "mixed"
            notes.append("mixed: " + ", ".join(mixed_folder(folder, reports=chosen.reports)))
            _compare("mixed", folder, chosen.peers, rows, stages, notes)
    machine.report("ingest", "from files to searchable, each after the other", COLUMNS, rows, notes=notes)
    names = sorted({name for found in stages.values() for name in found})
    by_stage = [[key, *(found.get(name) for name in names)] for key, found in stages.items()]
    machine.report("ingest", "seconds in each stage, summed over documents", ["pipeline", *names], by_stage)
    machine.keep("ingest", {"columns": COLUMNS, "rows": rows, "stages": stages, "notes": notes}, before)


Stages = dict[str, dict[str, float]]


def _compare(kind: str, folder: Path, peers: list[str], rows: list[list[object]], stages: Stages, notes: list[str]) -> None:
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    ours = _ours(kind, folder)
    rows.append(_row(kind, "semantik", ours, size))
    stages[f"{kind}: semantik"] = ours["stages"]
    if ours["texts"]:
        ceiling, cpu_ms = asyncio.run(_ceiling(ours["texts"], Path(ours["models"])))
        notes.append(
            f"{kind}: the embedder alone reaches {ceiling:.1f} chunks/s on the same texts; "
            f"the whole pipeline has {100 * ours['chunks'] / ours['seconds'] / ceiling:.0f} % of it (target: at least 80 %)"
        )
        notes.append(
            f"{kind}: the embedder alone takes {cpu_ms:.1f} CPU ms a chunk, "
            f"{100 * cpu_ms * ours['chunks'] / 1000 / ours['cpu_s']:.0f} % of the CPU of the whole pipeline"
        )
    for name in peers:
        found = _peer(name, folder)
        if found is None:
            continue
        rows.append(_row(kind, PEERS[name], found, size))
        if found["without_text"]:
            notes.append(f"{kind}: {name} found no text in {found['without_text']} documents")
        stages[f"{kind}: {name}"] = found["stages"]
        faster, cheaper = found["seconds"] / ours["seconds"], found["cpu_s"] / ours["cpu_s"]
        notes.append(f"{kind}: semantik is {faster:.2f} times as fast as {name}, with {cheaper:.2f} times less CPU")


def _ours(kind: str, folder: Path) -> dict[str, Any]:
    with serving() as app:
        warm = folder.with_name(folder.name + "-warm")
        warm.mkdir()
        (warm / "one.txt").write_text("One text, so that the model's graph is built before the clock starts.\n", encoding="utf-8")
        app.ingest_folder(app.collection("warm"), warm)
        collection = app.collection("bench", chunking=CHUNKING[kind])
        before, cpu = app.stage_seconds(), _cpu(app)
        with Watch(app) as watch:
            job, seconds = app.ingest_folder(collection, folder)
        after, used = app.stage_seconds(), _cpu(app) - cpu
        made = app.call("GET", f"/api/v1/collections/{collection}")
        texts = _texts(app, collection)
        kept = Path(tempfile.mkdtemp(prefix="semantik-bench-models-"))
        (app.data_dir / "models").rename(kept / "models")
    assert job["status"] == "completed", job
    return {
        "seconds": seconds,
        "documents": made["ledger"]["listed"],
        "chunks": made["chunks"],
        "stages": {name: value - before.get(name, 0.0) for name, value in after.items()},
        "cpu_s": used,
        "peak_rss_mib": watch.peak_mib,
        "texts": texts,
        "models": str(kept / "models"),
    }


def _cpu(app: App) -> float:
    return sum(part.cpu_s for part in parts(app))


def _texts(app: App, collection: str) -> list[str]:
    """The texts of the chunks, as they were embedded (but for headings)."""
    found: list[str] = []
    cursor = None
    while True:
        query = {"collection": collection, "limit": 100} | ({"cursor": cursor} if cursor else {})
        page = app.call("GET", "/api/v1/documents", params=query)
        for document in page["items"]:
            if document["chunk_count"]:
                found += _chunks(app, document["id"])
        cursor = page["next_cursor"]
        if cursor is None:
            return found


def _chunks(app: App, document: str) -> list[str]:
    found: list[str] = []
    cursor = None
    while True:
        page = app.call("GET", f"/api/v1/documents/{document}/chunks", params={"limit": 100} | ({"cursor": cursor} if cursor else {}))
        found += [chunk["text"] for chunk in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            return found


async def _ceiling(texts: list[str], models: Path) -> tuple[float, float]:
    """Chunks a second, and CPU milliseconds a chunk, of the encoder with nothing around it."""
    encoder = await open_local("multilingual-e5-small", models_dir=models)
    try:
        await encoder.embed_passages(texts[:4])
        started, used = time.perf_counter(), time.process_time()
        await encoder.embed_passages(texts)
        seconds, used = time.perf_counter() - started, time.process_time() - used
        return len(texts) / seconds, used * 1000 / len(texts)
    finally:
        await encoder.close()


def _peer(name: str, folder: Path) -> dict[str, Any] | None:
    from bench import peers  # the model is written out once, on first use

    model = peers.minilm_shaped() if name == "minilm" else peers.e5_small()
    return peers.pipeline("sentence-transformers" if name == "minilm" else name, folder, model, threads=cpu_count())


def _row(kind: str, name: str, found: dict[str, Any], size: int) -> list[object]:
    seconds = found["seconds"]
    return [
        kind,
        name,
        round(seconds, 2),
        found["documents"],
        found["chunks"],
        round(found["documents"] / seconds, 2),
        round(found["chunks"] / seconds, 2),
        round(size / seconds / 1e6, 3),
        round(found["cpu_s"], 1),
        round(found["cpu_s"] * 1000 / max(1, found["chunks"]), 1),
        round(found["peak_rss_mib"]),
    ]


if __name__ == "__main__":
    main()
