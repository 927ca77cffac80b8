"""kill -9 at each named step of ingesting a small corpus: the end state equals that of an undisturbed run."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from semantik.engines.vectors.base import Space
from semantik.engines.vectors.edge import EdgeStore

pytestmark = [pytest.mark.crash, pytest.mark.slow]

STEPS = [
    "ingest_listed", "ingest_planned", "ingest_fetched@2", "ingest_extracted@3", "ingest_embedded@2", "ingest_upserted", "ingest_flushed",
    "in_step_before_commit@6", "ingest_published", "ingest_read", "ingest_swept", "before_finish",
]  # fmt: skip


def _ingest(data_dir: Path, folder: Path, failpoint: str | None = None) -> int:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SEMANTIK_")}
    environ |= {"SEMANTIK_EMBEDDING_MODEL": "hashing", "SEMANTIK_OCR": "false", "SEMANTIK_EXTRACT_WORKERS": "1"}
    if failpoint is not None:
        step, _, hit = failpoint.partition("@")
        environ["SEMANTIK_TEST_FAILPOINTS"] = f"{step}=kill@{hit or 1}"
    command = [sys.executable, "-m", "semantik.entrypoints.cli.main", "--data-dir", str(data_dir), "ingest", str(folder)]
    return subprocess.run(command, env=environ, cwd=folder, capture_output=True, timeout=110, check=False).returncode


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("corpus")
    for number in range(6):
        body = "\n\n".join(
            f"## Part {part}\n\nDocument {number} says in part {part} that valve {number}-{part} is closed." for part in range(12)
        )
        (root / f"report-{number}.md").write_text(f"# Report {number}\n\n{body}\n")
    (root / "empty.txt").write_text("")
    (root / "table.csv").write_text("part,price\n" + "".join(f"V-{row},{row * 3}\n" for row in range(200)))
    return root


@pytest.fixture(scope="module")
def undisturbed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    data_dir = tmp_path_factory.mktemp("undisturbed")
    assert _ingest(data_dir, folder) == 0
    return _state(data_dir)


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_a_step_it_ends_as_if_nothing_had_happened(step: str, folder: Path, undisturbed: dict[str, Any], tmp_path: Path) -> None:
    data_dir = tmp_path / "data"

    killed = _ingest(data_dir, folder, step)
    again = _ingest(data_dir, folder)

    assert killed == -signal.SIGKILL, "the fail point was never passed"
    assert again == 0
    assert _state(data_dir) == undisturbed


def _state(data_dir: Path) -> dict[str, Any]:
    """Documents, chunks and points by path and ordinal: ids differ from run to run."""
    connection = sqlite3.connect(data_dir / "semantik.db")
    documents = connection.execute(
        "SELECT path, state, code, chunk_count, content_hash, text_hash, due FROM documents ORDER BY path"
    ).fetchall()
    rows = connection.execute(
        "SELECT c.id, d.path, c.ordinal, c.text, c.embedding_hash FROM chunks c "
        "JOIN documents d ON d.id = c.document_id AND d.version = c.version"
    ).fetchall()
    leftovers = connection.execute("SELECT (SELECT count(*) FROM chunks) - ?, (SELECT count(*) FROM dead_points)", (len(rows),)).fetchone()
    (vectors,) = connection.execute("SELECT count(*) FROM embeddings").fetchone()
    open_jobs = connection.execute("SELECT count(*) FROM jobs WHERE finished_at IS NULL OR status != 'completed'").fetchone()
    connection.close()
    points = asyncio.run(_points(data_dir))
    by_place = sorted((path, ordinal, text, points.get(chunk_id)) for chunk_id, path, ordinal, text, _ in rows)
    assert set(points) == {row[0] for row in rows}, "every point has its row, every row its point"
    state: dict[str, Any] = json.loads(
        json.dumps({"documents": documents, "chunks": by_place, "leftovers": leftovers, "vectors": vectors, "open_jobs": open_jobs})
    )
    return state


async def _points(data_dir: Path) -> dict[str, list[float]]:
    store = EdgeStore(data_dir / "index")
    found: dict[str, list[float]] = {}
    try:
        for space in await store.spaces():
            async for batch in store.scan(Space(space.key, space.dimensions), vectors=True):
                for point in batch:
                    assert point.dense is not None
                    found[point.id] = [round(float(value), 3) for value in point.dense[:8]]
    finally:
        await store.close()
    return found
