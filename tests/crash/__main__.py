"""`make crash`: the fault campaign, part by part, and the report of it. `python -m tests.crash storm --kills 20` runs one part.

Parts leave what they found in `tests/crash/results/`; `report` writes docs/fault-report.md from what is there. A machine with many
cores runs many parts at once: `make crash ARGS="--at-once 13 --lanes 12"`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench import machine
from tests.crash.broken import sabotage
from tests.crash.ingest import campaign as ingest
from tests.crash.lab import DIALECTS, Lab, Tally, lab
from tests.crash.outages import outages
from tests.crash.points import points
from tests.crash.report import write
from tests.crash.storm import storm

RESULTS = Path(__file__).parent / "results"
_OF_A_DATABASE = ("sabotage", "points", "storm", "celery-points", "celery-storm")
PARTS = (*_OF_A_DATABASE, "outages", "ingest-embedded", "ingest-server", "report")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all of them without a name")
    arguments.add_argument("--seed", type=int, default=int(time.time()) % 100_000, help="printed, and kept in the report")
    arguments.add_argument("--kills", type=int, default=150, help="of each storm")
    arguments.add_argument("--effects", type=int, default=30_000, help="of each storm, at least")
    arguments.add_argument("--ingest-kills", type=int, default=110, help="of each ingest, embedded and on a server")
    arguments.add_argument("--minutes", type=float, default=120, help="after which an ingest kills nothing any more")
    arguments.add_argument("--lanes", type=int, default=4, help="cases side by side in a part; half as many ingests")
    arguments.add_argument("--at-once", type=int, default=1, help="parts side by side, each database by itself")
    arguments.add_argument("--database", choices=DIALECTS, action="append")
    chosen = arguments.parse_args()
    started = time.monotonic()
    parts = chosen.parts or PARTS
    if not chosen.parts:
        # A report of the whole holds nothing of an earlier commit.
        shutil.rmtree(RESULTS, ignore_errors=True)
    failed = _run_beside(parts, chosen) if chosen.at_once > 1 else _run_in_turn(parts, chosen)
    if "report" in parts:
        print(f"written: {write(RESULTS)}")
    print(f"{(time.monotonic() - started) / 60:.1f} minutes, seed {chosen.seed}")
    sys.exit(1 if failed else 0)


def _run_in_turn(parts: Sequence[str], chosen: argparse.Namespace) -> bool:
    """True if something failed."""
    failed = False
    for part in parts:
        if part == "report":
            continue
        before = machine.describe()
        for name, tally in _run(part, chosen):
            print(_line(name, tally), flush=True)
            for failure in tally["failures"]:
                print(f"  FAILED: {failure}", flush=True)
            failed = failed or bool(tally["failures"])
            RESULTS.mkdir(exist_ok=True)
            kept = {"machine": before.line(), "load_after": machine.describe().load, "tally": tally}
            (RESULTS / f"{name}.json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    return failed


def _run_beside(parts: Sequence[str], chosen: argparse.Namespace) -> bool:
    """The same with a process for each part and database, `at_once` of them at a time, those that take longest first."""
    same = ("seed", "kills", "effects", "ingest_kills", "minutes", "lanes")
    options = [option for name in same for option in (f"--{name.replace('_', '-')}", str(getattr(chosen, name)))]
    split = [[part, "--database", one] for part in parts if part in _OF_A_DATABASE for one in chosen.database or DIALECTS]
    whole = [[part] for part in parts if part not in (*_OF_A_DATABASE, "report")]

    def run(command: list[str]) -> bool:
        return subprocess.run([sys.executable, "-m", "tests.crash", *command, *options], check=False).returncode != 0

    with ThreadPoolExecutor(chosen.at_once) as at_once:
        return any(list(at_once.map(run, [*whole, *reversed(split)])))


def _run(part: str, chosen: argparse.Namespace) -> Iterator[tuple[str, dict[str, Any]]]:
    seed = chosen.seed
    if part == "outages":
        yield part, outages(seed=seed).as_json()
        return
    if part.startswith("ingest"):
        lanes = max(1, chosen.lanes // 2)
        mode = part.removeprefix("ingest-")
        yield part, ingest(mode, seed=seed, kills=chosen.ingest_kills, lanes=lanes, within_s=60 * chosen.minutes)
        return
    with lab() as opened:
        for dialect in chosen.database or DIALECTS:
            yield f"{part}-{dialect}", _part(part, opened, dialect, chosen).as_json()


def _part(part: str, opened: Lab, dialect: str, chosen: argparse.Namespace) -> Tally:
    match part:
        case "sabotage":
            return sabotage(opened, dialect, seed=chosen.seed)
        case "points":
            return points(opened, dialect, "local", seed=chosen.seed, lanes=chosen.lanes)
        case "celery-points":
            return points(opened, dialect, "celery", seed=chosen.seed, lanes=chosen.lanes)
        case "storm":
            return storm(opened, dialect, "local", seed=chosen.seed, kills=chosen.kills, effects=chosen.effects)
        case "celery-storm":
            return storm(opened, dialect, "celery", seed=chosen.seed, kills=chosen.kills, effects=chosen.effects, workers=5)
        case _:
            raise SystemExit(f"no such part: {part}")


def _line(name: str, tally: dict[str, Any]) -> str:
    said = f"{tally['kills']} kills, {tally['effects']:,} effects, {tally['losses']} leases lost, {tally['seconds']:.0f} s"
    return f"{name}: {tally['cases']} cases, {said}, {len(tally['failures'])} failures (seed {tally['seed']})"


if __name__ == "__main__":
    main()
