"""How long until a server answers, and until the first search: cold (empty folder), warm (model and index there), and the command line."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import machine
from bench.app import serving
from semantik import sample


def main() -> None:
    before = machine.describe()
    rows: list[list[object]] = []
    with tempfile.TemporaryDirectory(prefix="semantik-bench-") as scratch:
        data = Path(scratch) / "data"
        with serving(data) as app:
            rows.append(["cold: empty folder, the model's graph is built later", app.started_s, None])
            _, taken = app.ingest_folder(app.collection("sample"), sample.FOLDER)
            rows.append(["ingest of the sample corpus, building the model's graph", taken, None])
        for number in (1, 2, 3):
            with serving(data) as app:
                started = time.perf_counter()
                hits = app.search(sample.QUESTION)["hits"]
                first = time.perf_counter() - started
                assert hits, "the sample corpus answers"
                rows.append([f"warm, run {number}", app.started_s, app.started_s + first])
    for words in (["--help"], ["--version"]):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "semantik.entrypoints.cli.main", *words], check=True, capture_output=True)
        rows.append([f"semantik {' '.join(words)}", time.perf_counter() - started, None])
    columns = ["start", "ready s", "first search s"]
    notes = ["target: first search within 3 s of a warm start"]
    machine.report("start", "seconds from spawn to ready, and to the end of the first search", columns, rows, notes=notes)
    machine.keep("start", {"columns": columns, "rows": rows}, before)


if __name__ == "__main__":
    main()
