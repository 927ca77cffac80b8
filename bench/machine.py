"""What every benchmark says about itself: the machine and its load, a table to read, JSON to keep."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
# What decides how fast int8 encoders and vector scans are.
_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")


@dataclass(frozen=True, slots=True)
class Machine:
    """`load` is the 1-minute average when it was asked: figures from a busy machine are worth less."""

    cpu: str
    cores: int
    flags: tuple[str, ...]
    memory_gib: float
    system: str
    python: str
    commit: str
    at: str
    load: float

    def line(self) -> str:
        flags = " ".join(self.flags) or "no vector flags"
        return (
            f"{self.cpu}, {self.cores} cores ({flags}), {self.memory_gib:.0f} GiB, {self.system}, Python {self.python}, "
            f"load {self.load:.1f}, commit {self.commit}, {self.at}"
        )


def describe() -> Machine:
    info = _proc("/proc/cpuinfo")
    memory = next((int(line.split()[1]) for line in _proc("/proc/meminfo").splitlines() if line.startswith("MemTotal")), 0)
    known = set(next((line.partition(":")[2] for line in info.splitlines() if line.startswith(("flags", "Features"))), "").split())
    return Machine(
        cpu=next((line.partition(":")[2].strip() for line in info.splitlines() if line.startswith("model name")), platform.processor()),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        flags=tuple(flag for flag in _FLAGS if flag in known),
        memory_gib=memory / 1024**2,
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        commit=_commit(),
        at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        load=os.getloadavg()[0],
    )


def has_vnni(machine: Machine) -> bool:
    return bool({"avx512_vnni", "avx_vnni", "amx_int8"} & set(machine.flags))


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Aligned columns: text to the left, numbers to the right. Floats show three significant digits or two decimals."""
    cells = [[_text(value) for value in row] for row in rows]
    widths = [max(len(column), *(len(row[place]) for row in cells)) if cells else len(column) for place, column in enumerate(columns)]
    numeric = [all(isinstance(row[place], int | float) or row[place] in (None, "") for row in rows) for place in range(len(columns))]
    lines = ["  ".join(_align(column, widths[place], numeric[place]) for place, column in enumerate(columns))]
    lines.append("  ".join("-" * width for width in widths))
    lines += ["  ".join(_align(text, widths[place], numeric[place]) for place, text in enumerate(row)) for row in cells]
    return "\n".join(line.rstrip() for line in lines)


def report(name: str, title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *, notes: Sequence[str] = ()) -> None:
    """Prints one table of a benchmark under its title."""
    print(f"\n{name}: {title}\n{table(columns, rows)}")
    for note in notes:
        print(f"  {note}")


def keep(name: str, results: Mapping[str, Any], before: Machine) -> Path:
    """Writes `bench/results/<name>.json` with the machine as it was before and the load after; returns the path."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    after = describe()
    content = {
        "bench": name,
        "machine": {field: getattr(before, field) for field in Machine.__slots__},
        "load_after": after.load,
        "packages": {package: _version(package) for package in ("semantik", "onnxruntime", "qdrant-edge-py", "kreuzberg", "numpy")},
        "results": results,
    }
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(content, indent=1, default=str) + "\n", encoding="utf-8")
    print(f"\n{before.line()}\nload after: {after.load:.1f}; kept in {path.relative_to(RESULTS.parents[1])}")
    return path


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """p50, p95, p99 and the mean in milliseconds (nearest rank)."""
    ordered = sorted(seconds)
    picked = {f"p{share}": ordered[min(len(ordered) - 1, int(len(ordered) * share / 100))] * 1000 for share in (50, 95, 99)}
    return {**picked, "mean": sum(ordered) / len(ordered) * 1000}


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        size = abs(value)
        return f"{value:,.0f}" if size >= 1000 else f"{value:.1f}" if size >= 100 else f"{value:.2f}" if size >= 0.1 else f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _align(text: str, width: int, right: bool) -> str:
    return text.rjust(width) if right else text.ljust(width)


def _proc(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _commit() -> str:
    command = ["git", "rev-parse", "--short", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, cwd=RESULTS.parents[1]).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
