"""kill -9 at each named step of ingesting a small corpus: the end state equals that of an undisturbed run."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from semantik.engines.vectors.edge import EdgeStore
from semantik.kit.database import open_database
from tests.crash.ingest import end_state

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
    """Without the counters of its jobs: the second start of the command asks for a second one."""

    async def found() -> dict[str, Any]:
        database, vectors = open_database(f"sqlite:///{data_dir / 'semantik.db'}"), EdgeStore(data_dir / "index")
        try:
            return await end_state(database, vectors)
        finally:
            await vectors.close()
            await database.close()

    return {name: value for name, value in asyncio.run(found()).items() if name != "counters"}
