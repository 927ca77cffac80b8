"""How much memory: idle with the model loaded, process by process, and the peak on a long PDF, a huge CSV and very many small files.

PSS counts a shared page by share, so the parts add up. "Without files": pages of mapped files, which the system takes back when it
needs room, left out. The extremes use the `hashing` encoder: they are about reading, cutting and
publishing, and the real encoder's memory does not grow with the work.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import machine
from bench.app import App, Part, Watch, parts, serving
from bench.texts import prose, small_folder
from semantik import sample

IDLE = ["process", "number", "PSS MiB"]
PACE = ["documents done", "seconds", "documents/s", "CPU ms/document"]
PEAKS = ["case", "before MiB", "peak MiB", "more MiB", "without files MiB", "seconds", "documents", "chunks", "ended"]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--pages", type=int, default=5_000)
    arguments.add_argument("--csv-mb", type=int, default=2_000)
    arguments.add_argument("--files", type=int, default=100_000)
    arguments.add_argument("--minutes", type=float, default=20, help="longest time for each case; the peak until then counts")
    arguments.add_argument("--no-idle", action="store_true")
    chosen = arguments.parse_args()
    before = machine.describe()
    idle = [] if chosen.no_idle else _idle()
    if idle:
        machine.report("memory", "idle, model loaded, one search done", IDLE, idle, notes=["target: below 700 MiB together"])
    cases: list[tuple[str, Callable[[Path], object]]] = []
    if chosen.pages:
        cases.append((f"PDF of {chosen.pages:,} pages", lambda folder: long_pdf(folder / "long.pdf", chosen.pages)))
    if chosen.csv_mb:
        cases.append((f"CSV of {chosen.csv_mb:,} MB", lambda folder: huge_csv(folder / "huge.csv", chosen.csv_mb)))
    if chosen.files:
        cases.append((f"{chosen.files:,} small files", lambda folder: small_folder(folder, chosen.files)))
    peaks, who, paces = [], {}, {}
    for name, make in cases:
        row, at_peak, paces[name] = _peak(name, make, chosen.minutes * 60)
        peaks.append(row)
        who[name] = [(part.name, round(part.pss_mib)) for part in at_peak]
    if peaks:
        machine.report("memory", "peaks of all processes together", PEAKS, peaks, notes=[f"{name}: {found}" for name, found in who.items()])
    for name, pace in paces.items():
        if len(pace) > 1:
            machine.report("memory", f"{name}: does a document cost more when many are there?", PACE, pace)
    machine.keep("memory", {"idle": idle, "peaks": peaks, "at_peak": who, "paces": paces}, before)


def _idle() -> list[list[object]]:
    with serving() as app:
        app.ingest_folder(app.collection("sample"), sample.FOLDER)
        app.search(sample.QUESTION)
        time.sleep(20)
        found = parts(app)
    names = sorted({part.name for part in found})
    grouped = [[part for part in found if part.name == name] for name in names]
    rows: list[list[object]] = [
        [name, len(some), round(sum(part.pss_mib for part in some), 1)] for name, some in zip(names, grouped, strict=True)
    ]
    return [*rows, ["together", len(found), round(sum(part.pss_mib for part in found), 1)]]


Pace = list[list[object]]


def _peak(name: str, make: Callable[[Path], object], longest_s: float) -> tuple[list[object], list[Part], Pace]:
    with tempfile.TemporaryDirectory(prefix="semantik-bench-") as scratch:
        folder = Path(scratch) / "files"
        folder.mkdir()
        make(folder)
        with serving() as app:
            collection = app.collection("bench", embedding_model="hashing")
            before = parts(app)
            quiet, quiet_own = sum(part.pss_mib for part in before), sum(part.own_mib for part in before)
            started = time.perf_counter()
            with Watch(app) as watch:
                job, pace = _until(app, app.add_folder(collection, folder), longest_s)
            seconds = time.perf_counter() - started
            made: dict[str, Any] = app.call("GET", f"/api/v1/collections/{collection}")
    ended = "cut off"
    if job["finished_at"]:
        ledger = made["ledger"]
        ended = ", ".join(f"{ledger[state]:,} {state}" for state in ("indexed", "partial", "skipped", "failed") if ledger[state])
    peak = watch.peak_mib
    more = (round(quiet), round(peak), round(peak - quiet), round(watch.own_peak_mib - quiet_own))
    numbers = (*more, round(seconds, 1), made["ledger"]["listed"], made["chunks"])
    return [name, *numbers, ended], watch.peak_parts, pace


def _until(app: App, job_id: str, longest_s: float) -> tuple[dict[str, Any], Pace]:
    """The job when it ended or time is over, and what each tenth of its documents took in seconds and CPU."""
    until = time.monotonic() + longest_s
    pace: Pace = []
    before = (0, time.monotonic(), _cpu(app))
    while True:
        job: dict[str, Any] = app.call("GET", f"/api/v1/jobs/{job_id}")
        counts = job["counts"]
        done = int(counts["done"]) + int(counts["failed"]) + int(counts["skipped"])
        if counts["total"] and done - before[0] >= counts["total"] / 10:
            here = (done, time.monotonic(), _cpu(app))
            count, seconds, cpu = (now - then for now, then in zip(here, before, strict=True))
            pace.append([int(done), round(seconds, 1), round(count / seconds, 1), round(cpu * 1000 / count, 2)])
            before = here
        if job["finished_at"] is not None or time.monotonic() > until:
            return job, pace
        time.sleep(0.5)


def _cpu(app: App) -> float:
    return sum(part.cpu_s for part in parts(app))


def long_pdf(path: Path, pages: int) -> None:
    """A PDF of that many pages with forty lines of text each; Helvetica, compressed, one object table."""
    offsets: list[int] = []
    with path.open("wb") as file:

        def put(content: bytes) -> None:
            offsets.append(file.tell())
            file.write(f"{len(offsets)} 0 obj\n".encode() + content + b"\nendobj\n")

        file.write(b"%PDF-1.7\n")
        put(b"<< /Type /Catalog /Pages 2 0 R >>")
        kids = " ".join(f"{4 + 2 * page} 0 R" for page in range(pages))
        put(f"<< /Type /Pages /Count {pages} /Kids [{kids}] >>".encode())
        put(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
        for page in range(pages):
            resources = "/Resources << /Font << /F1 3 0 R >> >>"
            put(f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] {resources} /Contents {5 + 2 * page} 0 R >>".encode())
            words = prose(400, page).encode("latin-1", "replace").replace(b"\\", b"").replace(b"(", b"").replace(b")", b"").split()
            lines = b"".join(b"(" + b" ".join(words[start : start + 10]) + b") Tj T*\n" for start in range(0, len(words), 10))
            stream = zlib.compress(f"BT /F1 10 Tf 14 TL 50 800 Td (Page {page + 1}) Tj T*\n".encode() + lines + b"ET")
            put(f"<< /Length {len(stream)} /Filter /FlateDecode >>\nstream\n".encode() + stream + b"\nendstream")
        table = file.tell()
        entries = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
        count = len(offsets) + 1
        file.write(f"xref\n0 {count}\n0000000000 65535 f \n{entries}trailer\n<< /Size {count} /Root 1 0 R >>\n".encode())
        file.write(f"startxref\n{table}\n%%EOF\n".encode())


def huge_csv(path: Path, megabytes: int) -> None:
    """Rows of numbers and words; a block of a thousand rows is made once and numbered anew."""
    block = [f"{prose(6, number).replace(',', ' ')!r},{number * 7919 % 10_007},{number % 365}" for number in range(1000)]
    with path.open("w", encoding="utf-8") as file:
        file.write("row,remark,reading,day\n")
        row, written = 0, 0
        while written < megabytes * 1_000_000:
            written += file.write("".join(f"{row + place},{line}\n" for place, line in enumerate(block)).replace("'", ""))
            row += len(block)


if __name__ == "__main__":
    main()
