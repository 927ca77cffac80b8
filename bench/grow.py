"""Makes a large collection out of a small one, in SQL: new texts, vectors near the real ones. The app then rebuilds its index from that.

Embedding 100,000 chunks takes an hour; what a search costs depends on how many there are, not on where their vectors came from.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench.texts import prose
from semantik.kit.ids import new_id

_CHUNKS_A_DOCUMENT = 20
_WORDS_A_CHUNK = 130


def grow(data_dir: Path, chunks: int) -> int:
    """Adds documents with chunks and vectors until the one collection there has `chunks` chunks. The server must not be running."""
    connection = sqlite3.connect(data_dir / "semantik.db")
    connection.row_factory = sqlite3.Row
    with connection:
        present = connection.execute("SELECT count(*) FROM chunks").fetchone()[0]
        document = dict(connection.execute("SELECT * FROM documents WHERE state = 'indexed' AND chunk_count > 0 LIMIT 1").fetchone())
        chunk = dict(connection.execute("SELECT * FROM chunks WHERE document_id = ? LIMIT 1", (document["id"],)).fetchone())
        embedding = dict(connection.execute("SELECT * FROM embeddings LIMIT 1").fetchone())
        rows = connection.execute("SELECT vector FROM embeddings LIMIT 2000").fetchall()
        real = np.stack([np.frombuffer(row["vector"], dtype="<f2").astype(np.float32) for row in rows])
        chance = np.random.default_rng(11)
        for number in range(present, chunks, _CHUNKS_A_DOCUMENT):
            count = min(_CHUNKS_A_DOCUMENT, chunks - number)
            _insert(connection, "documents", [_document(document, number, count)])
            new = list(_chunks(chunk, count, number))
            for row in new:
                row["document_id"] = _document_id(number)
            _insert(connection, "chunks", new)
            vectors = real[chance.integers(len(real), size=count)] + chance.normal(0, 0.02, (count, real.shape[1])).astype(np.float32)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            pairs = zip(new, vectors.astype("<f2"), strict=True)
            found = [{**embedding, "text_hash": row["embedding_hash"], "vector": vector.tobytes()} for row, vector in pairs]
            _insert(connection, "embeddings", found)
    connection.close()
    return chunks


_IDS: dict[int, str] = {}


def _document_id(number: int) -> str:
    return _IDS.setdefault(number, new_id())


def _document(template: dict[str, Any], number: int, count: int) -> dict[str, Any]:
    path = f"grown/document-{number:07}.txt"
    return {
        **template,
        "id": _document_id(number),
        "path": path,
        "name": path.rsplit("/", 1)[1],
        "path_hash": hashlib.sha256(path.encode()).hexdigest(),
        "content_hash": hashlib.sha256(f"content {number}".encode()).hexdigest(),
        "chunk_count": count,
    }


def _chunks(template: dict[str, Any], count: int, number: int) -> Iterator[dict[str, Any]]:
    start = 0
    for ordinal in range(count):
        text = prose(_WORDS_A_CHUNK, 1_000_000 + number + ordinal)
        digest = hashlib.sha256(f"{number} {ordinal}".encode()).hexdigest()
        yield {
            **template,
            "id": new_id(),
            "ordinal": ordinal,
            "text": text,
            "start": start,
            "end": start + len(text),
            "heading_path": json.dumps([]),
            "embedding_hash": digest,
        }
        start += len(text) + 1


def _insert(connection: sqlite3.Connection, table: str, rows: list[dict[str, Any]]) -> None:
    columns = list(rows[0])
    names = ", ".join(f'"{column}"' for column in columns)
    marks = ", ".join("?" for _ in columns)
    connection.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", [tuple(row[column] for column in columns) for row in rows])
