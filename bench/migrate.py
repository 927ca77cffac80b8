"""How long a move takes and how much memory: rows to PostgreSQL and back, with the index filled anew or shared.

One small ingestion is grown in SQL to the number of chunks asked for; then `semantik migrate` runs as an operator runs it, its dry
run first. `--share-index`: rows alone, for numbers of chunks whose index would take hours here.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bench import machine
from bench.grow import grow
from bench.texts import small_folder
from tests import services

COLUMNS = ["move", "rows", "content MB", "predicted s", "seconds", "rows/s", "CPU s", "peak MiB", "proved"]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--chunks", type=int, default=1_000_000)
    arguments.add_argument("--share-index", action="store_true", help="move rows only")
    arguments.add_argument("--data", type=Path, help="folder to keep the source in; one that is filled is used again")
    arguments.add_argument("--fill", action="store_true", help="only fill --data")
    arguments.add_argument("--back", action="store_true", help="and back to SQLite")
    chosen = arguments.parse_args()
    before = machine.describe()
    rows = []
    with tempfile.TemporaryDirectory(prefix="semantik-bench-") as scratch, services.postgres(durable=True) as server:
        root = Path(scratch)
        data = chosen.data or root / "data"
        if not (data / "semantik.db").exists():
            small_folder(root / "papers", 50)
            _semantik(root, data, "ingest", str(root / "papers"), code=None)
            grow(data, chosen.chunks)
        if chosen.fill:
            return
        url = server.url("postgres")
        home = f"sqlite:///{root / 'home.db'}" if chosen.share_index else str(root / "home")
        there = root / ".env.server"
        folder = data if chosen.share_index else root / "server"
        # Originals stay where they are: grown documents have none.
        there.write_text(f"SEMANTIK_DATA_DIR={folder}\nSEMANTIK_DATABASE_URL={url}\nSEMANTIK_BLOBS_URL=file://{data / 'blobs'}\n")
        rows.append(_moved(f"{chosen.chunks:,} chunks to PostgreSQL", root, data, str(there)))
        if chosen.back:
            shared = {"SEMANTIK_DATABASE_URL": url, "SEMANTIK_BLOBS_URL": f"file://{data / 'blobs'}"}
            rows.append(_moved("and back to SQLite", root, folder, home, **shared))
    machine.report("migrate", "rows, " + ("index shared" if chosen.share_index else "index filled anew"), COLUMNS, rows)
    machine.keep("migrate", {"columns": COLUMNS, "rows": rows, "chunks": chosen.chunks, "share_index": chosen.share_index}, before)


def _moved(name: str, root: Path, data: Path, to: str, **settings: str) -> list[object]:
    predicted = json.loads(_semantik(root, data, "migrate", "--to", to, "--dry-run", "--json", settings=settings))
    count = sum(part["count"] for part in predicted["parts"] if not part["what"].startswith(("index", "files")))
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    done: dict[str, Any] = json.loads(_semantik(root, data, "migrate", "--to", to, "--json", code=None, settings=settings))
    seconds = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    for difference in done["differences"]:
        print(f"  {difference}")
    megabytes = predicted["content_bytes"] / 1e6
    return [name, count, megabytes, predicted["seconds"], seconds, count / seconds, cpu, after.ru_maxrss / 1024, str(done["proved"])]


def _semantik(root: Path, data: Path, *arguments: str, code: int | None = 0, settings: Mapping[str, str] = MappingProxyType({})) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SEMANTIK_")}
    environment |= {"SEMANTIK_EMBEDDING_MODEL": "hashing"} | dict(settings)
    command = [sys.executable, "-m", "semantik.entrypoints.cli.main", "--data-dir", str(data), *arguments]
    done = subprocess.run(command, env=environment, cwd=root, stdout=subprocess.PIPE, text=True, check=False)
    if code is not None and done.returncode != code:
        raise SystemExit(f"{arguments} ended with {done.returncode}")
    return done.stdout


if __name__ == "__main__":
    main()
