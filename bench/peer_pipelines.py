"""What a person writes with other products: read, cut, embed, store. Runs in their environment, without Semantik; prints one JSON line.

`peer_pipelines.py NAME FOLDER MODEL THREADS`, NAME one of sentence-transformers, by-document, chroma, txtai. The first two store into
the same vector engine as Semantik; all cut at 200 tokens of the model and embed in batches of 32, longest first, as the libraries do by
themselves. `by-document` embeds each document as it comes, as a pipeline of bounded memory must; the others hold all texts and embed
them in one call, which is the best that batches can do.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

TOKENS = 200
PLAIN = {".txt", ".md", ".csv", ".tsv", ".json", ".yaml", ".xml", ".py", ".c", ".log", ".eml"}


def main(name: str, folder: Path, model_folder: Path, threads: int) -> None:
    import numpy as np
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(threads)
    model = SentenceTransformer(str(model_folder), device="cpu")
    store = {"sentence-transformers": _edge, "by-document": _edge, "chroma": _chroma, "txtai": _txtai}[name]
    model.encode(["warm up"])
    stages = {"read": 0.0, "cut": 0.0, "embed": 0.0, "store": 0.0}
    started = time.perf_counter()
    documents, failed, chunks = 0, 0, []
    embedded: list[Any] = []
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        documents += 1
        at = time.perf_counter()
        text = _read(path)
        read = time.perf_counter()
        cut = list(_cut(text, model.tokenizer))
        failed += not cut
        chunks += cut
        stages["read"] += read - at
        stages["cut"] += time.perf_counter() - read
        if name == "by-document" and cut:
            at = time.perf_counter()
            embedded.append(_embed(model, cut))
            stages["embed"] += time.perf_counter() - at
    at = time.perf_counter()
    vectors = np.concatenate(embedded) if embedded else _embed(model, chunks)
    stages["embed"] += time.perf_counter() - at
    at = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        store(chunks, vectors, scratch)
        stages["store"] = time.perf_counter() - at
    total = time.perf_counter() - started
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps(
            {
                "seconds": total,
                "documents": documents,
                "without_text": failed,
                "chunks": len(chunks),
                "stages": stages,
                "peak_rss_mib": usage.ru_maxrss / 1024,
                "cpu_s": usage.ru_utime + usage.ru_stime,
            }
        )
    )


def _embed(model: Any, chunks: list[str]) -> Any:
    return model.encode([f"passage: {chunk}" for chunk in chunks], batch_size=32, normalize_embeddings=True)


def _read(path: Path) -> str:
    if path.suffix in PLAIN:
        return path.read_text(encoding="utf-8", errors="replace")
    import kreuzberg

    tesseract = kreuzberg.TesseractConfig(psm=1, language="eng", use_cache=False)
    reading = kreuzberg.OcrConfig(backend="tesseract", language="eng", tesseract_config=tesseract)
    try:
        return str(kreuzberg.extract_file_sync(str(path), config=kreuzberg.ExtractionConfig(use_cache=False, ocr=reading)).content)
    except Exception:  # noqa: BLE001 - what such a script does: a file that cannot be read has no text
        return ""


def _cut(text: str, tokenizer: Any) -> Iterator[str]:
    """Runs of whole words with at most TOKENS tokens."""
    if not text.strip():
        return
    offsets = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False, truncation=False, verbose=False)["offset_mapping"]
    for start in range(0, len(offsets), TOKENS):
        window = offsets[start : start + TOKENS]
        yield text[window[0][0] : window[-1][1]]


def _edge(chunks: list[str], vectors: Any, scratch: str) -> None:
    import qdrant_edge as q

    config = q.EdgeConfig(vectors={"dense": q.EdgeVectorParams(size=vectors.shape[1], distance=q.Distance.Cosine)})
    folder = Path(scratch) / "edge"
    folder.mkdir()
    shard = q.EdgeShard.create(str(folder), config)
    for start in range(0, len(chunks), 256):
        some = range(start, min(start + 256, len(chunks)))
        points = [q.Point(str(uuid.uuid4()), {"dense": vectors[place].tolist()}, {}) for place in some]
        shard.update(q.UpdateOperation.upsert_points(points))
    shard.flush()


def _chroma(chunks: list[str], vectors: Any, scratch: str) -> None:
    import chromadb

    collection = chromadb.PersistentClient(path=scratch).create_collection("bench")
    for start in range(0, len(chunks), 1000):
        some = list(range(start, min(start + 1000, len(chunks))))
        texts, rows = [chunks[place] for place in some], [vectors[place].tolist() for place in some]
        collection.add(ids=[str(place) for place in some], documents=texts, embeddings=rows)


def _txtai(chunks: list[str], vectors: Any, scratch: str) -> None:
    from txtai import Embeddings

    table: Callable[[list[Any]], Any] = lambda data: vectors[[int(item) for item in data]]  # noqa: E731
    index = Embeddings({"method": "external", "transform": table, "content": False})
    index.index((place, str(place), None) for place in range(len(chunks)))
    index.save(str(Path(scratch) / "txtai"))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
